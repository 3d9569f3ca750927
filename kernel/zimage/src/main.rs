//! The head of a zImage, for the composer to put in front of a system. On the host there is nothing to run.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod head;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("the head of a zImage is no program: cargo bulkhead build");
}
