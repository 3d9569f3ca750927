//! The kernel, linked for a board. On the host there is nothing to run.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod layout;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod reset;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("the kernel runs on a board: cargo bulkhead run");
}
