//! A bare guest that measures what its exits cost, on its own virtual counter, and prints lines `bench: NAME VALUE` on its
//! PL011. Under `-icount shift=0` a tick of 16 ns is 16 instructions.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod bare;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("this guest runs in a VM: cargo bulkhead bench");
}
