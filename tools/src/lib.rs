//! The `cargo bulkhead` command, as a library: each module is one thing that the tool can do.
#![forbid(unsafe_code)]

pub mod apt_root;
pub mod bench_boot;
pub mod bench_command;
pub mod bench_count;
pub mod bench_measure;
pub mod bench_run;
pub mod bench_size;
pub mod bench_table;
pub mod bench_text;
pub mod claims;
pub mod cli;
pub mod compose;
pub mod composer;
pub mod cross;
pub mod decode;
pub mod diff_command;
pub mod epitaph;
pub mod failure;
pub mod guest_files;
pub mod image;
pub mod initramfs;
pub mod interrupt;
pub mod new_component;
pub mod packages;
pub mod process;
pub mod progress;
pub mod qemu;
pub mod run;
pub mod symbols;
pub mod test_command;
pub mod toolchain;
pub mod unwind;
pub mod verify_command;
pub mod wire;
pub mod workspace;
