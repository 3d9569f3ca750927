//! How kernels and hypervisors of this kind were broken, tried on this one: `tools/docs/promises.md` says which test is for
//! which way.

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod edges;
mod entries;
mod floating;
mod memory;
mod teardown;
mod vcpus;
