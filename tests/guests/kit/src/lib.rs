//! What the tests' bare guests stand on: entry, vectors, serial port, interrupts, timer, tables of their own.
//!
//! Everything here is for a guest of Bulkhead's documented machine (QEMU virt's layout). A guest is a package with a
//! `main.rs` that says [`start!`], and on the host it is an empty program. Unsafe code lives in `cpu`, `exception` and in
//! the guests' own assembly.
#![cfg_attr(target_os = "none", no_std)]

#[cfg(target_os = "none")]
pub mod cpu;
#[cfg(target_os = "none")]
pub mod exception;
#[cfg(target_os = "none")]
pub mod gic;
#[cfg(target_os = "none")]
pub mod psci;
#[cfg(target_os = "none")]
pub mod smp;
#[cfg(target_os = "none")]
pub mod tables;
#[cfg(target_os = "none")]
pub mod timer;
#[cfg(target_os = "none")]
pub mod tree;
#[cfg(target_os = "none")]
pub mod uart;

/// Declares where a guest begins, in the instruction set `arm` or `thumb`, and its main function, which gets the address of
/// its device tree; a file of assembly can be added. On the host, the program does nothing.
#[macro_export]
macro_rules! start {
    (arm, $main:path $(, $more:literal)?) => {
        $crate::start!(@assembly ".arm\n.set GUEST_THUMB, 0\n" $(, $more)?);
        $crate::start!(@main $main);
    };
    (thumb, $main:path $(, $more:literal)?) => {
        $crate::start!(@assembly ".thumb\n.set GUEST_THUMB, 1\n" $(, $more)?);
        $crate::start!(@main $main);
    };
    (@assembly $set:literal $(, $more:literal)?) => {
        #[cfg(target_os = "none")]
        #[allow(unsafe_code, reason = "the entry, the vectors and the guest's own assembly")]
        mod assembly {
            core::arch::global_asm!(
                ".syntax unified\n",
                $set,
                include_str!("../../kit/src/start.s"),
                $("\n", include_str!($more),)?
                "\n.arm\n",
                options(raw)
            );
        }
    };
    (@main $main:path) => {
        /// The entry's assembly calls it by this name.
        #[cfg(target_os = "none")]
        #[allow(unsafe_code, reason = "the entry calls it by this name")]
        // SAFETY: the name is the kit's alone.
        #[unsafe(no_mangle)]
        extern "C" fn guest_main(tree: u32) -> ! {
            $main(tree);
            $crate::psci::off()
        }

        #[cfg(target_os = "none")]
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::println!("guest panic: {}", info);
            $crate::psci::off()
        }

        #[cfg(not(target_os = "none"))]
        fn main() {}
    };
}
