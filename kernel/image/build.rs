//! Writes the linker script for the board that `BULKHEAD_BOARD` names.

use std::path::Path;

/// Bytes of the kernel's stack: the deepest path uses far less, and below it lies a guard page.
const STACK_BYTES: u32 = 8192;
/// Cores that a kernel for several can run on.
const CORES_MAX: u32 = 4;
/// Bytes of the stack until the first thread runs: the kernel's state is made on it, and moved to its place.
const BOOT_STACK_BYTES: u32 = 32768;
/// Bytes of the stack on which an epitaph is written.
const EPITAPH_STACK_BYTES: u32 = 4096;

fn main() {
    println!("cargo::rerun-if-env-changed=BULKHEAD_BOARD");
    println!("cargo::rerun-if-changed=../../boards");
    println!("cargo::rerun-if-changed=kernel.ld.in");
    let name = std::env::var("BULKHEAD_BOARD").unwrap_or_else(|_| "qemu-virt".to_owned());
    let board = boards::find(&name).unwrap_or_else(|error| panic!("BULKHEAD_BOARD: {error}"));
    let smp = std::env::var_os("CARGO_FEATURE_SMP").is_some();
    let further_cores = if smp { CORES_MAX - 1 } else { 0 };
    let script = include_str!("kernel.ld.in")
        .replace("@ADDRESS@", &format!("{:#x}", board.kernel_address))
        .replace("@UART@", &format!("{:#x}", board.uart.base))
        .replace("@FURTHER_CORES@", &further_cores.to_string())
        .replace("@BOOT_STACK_BYTES@", &BOOT_STACK_BYTES.to_string())
        .replace("@STACK_BYTES@", &STACK_BYTES.to_string())
        .replace("@EPITAPH_STACK_BYTES@", &EPITAPH_STACK_BYTES.to_string());
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("kernel.ld"), script).expect("OUT_DIR can be written");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo::rustc-link-arg-bins=-T{out}/kernel.ld");
        println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    }
}
