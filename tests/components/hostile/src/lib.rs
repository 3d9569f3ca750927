//! A component that means harm. Each instance does what its name says: `calls` makes every call with every kind of wrong capability,
//! and wants the documented error; `culprit` is made to execute every instruction that it must not by `keeper`, which handles its
//! faults; `try-FAULT` executes one that ends in this fault, and is to die of it; `stack-N` dies with a stack pointer that is
//! none.
#![cfg_attr(target_os = "none", no_std)]

pub mod calls;
pub mod encodings;
#[cfg(target_os = "none")]
pub mod instructions;
pub mod keeper;
pub mod objects;
#[cfg(target_os = "none")]
pub mod roles;
pub mod single;
pub mod stacks;
