//! Every call with every kind of bad argument, made from the calls' own descriptions in `abi`: each has its own error, and
//! changes nothing. A call without a description does not compile, and what a description says must be seen here.

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod deleted;
mod fuzz;
mod methods;
mod on_oneself;
mod room;
mod states;
mod syscalls;
mod transfer;
mod wrong;
