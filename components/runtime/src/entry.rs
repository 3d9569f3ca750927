//! Vault: how a component's threads begin, and the fixed places of its space.
#![allow(unsafe_code, reason = "the entry symbol, the stack pointer, and memory at fixed addresses")]

use crate::mapped::Mapped;

#[cfg(not(target_os = "none"))]
pub use crate::host::thread::{boot_info, config, die, enable_log, park};
#[cfg(target_os = "none")]
pub use target::*;

/// Memory at one of the places of `protocol::layout` and `abi::boot`.
pub(crate) fn fixed(address: u32, bytes: u32) -> Mapped {
    // SAFETY: M: only called with such places, which composer and kernel map.
    unsafe { Mapped::at(address, bytes) }
}

/// What lies at such a place and is never written.
pub(crate) fn constant(address: u32, bytes: u32) -> &'static [u8] {
    // SAFETY: M: only called for configuration and payload, which are mapped read-only and which nobody writes after the component
    // was started.
    unsafe { fixed(address, bytes).as_constant() }
}

/// Declares where a component's threads begin: a function of the thread's argument (its number; 0 is the
/// first thread). If it returns, the thread waits for ever. On the host, the program does nothing: a test of a system
/// (`tests/desk`) takes the function itself, so it stands best in the component's library.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[cfg(target_os = "none")]
        #[allow(unsafe_code, reason = "the runtime's entry calls it by this name")]
        // SAFETY: E: this name is the runtime's alone.
        #[unsafe(no_mangle)]
        fn __bulkhead_main(argument: u32) {
            $main(argument)
        }

        #[cfg(not(target_os = "none"))]
        fn main() {}
    };
}

#[cfg(target_os = "none")]
mod target {
    use super::constant;
    use abi::boot;
    use core::cell::UnsafeCell;
    use core::fmt::Write;
    use protocol::config::Config;
    use protocol::layout;

    unsafe extern "Rust" {
        // E: made by `entry!`, in the same program.
        safe fn __bulkhead_main(argument: u32);
    }

    struct Shared(UnsafeCell<Option<Config<'static>>>);

    // SAFETY: F: it is written once, by the first thread before any other runs, and only read from then on.
    unsafe impl Sync for Shared {}

    static CONFIG: Shared = Shared(UnsafeCell::new(None));

    /// What the first thread does for all. Its stack is free again afterwards.
    #[inline(never)]
    fn prepare() {
        let read = Config::read(constant(layout::CONFIG, layout::CONFIG_BYTES));
        if let Some(config) = &read {
            crate::logger::enable(config.wire_id);
        }
        // SAFETY: F: no other thread runs yet.
        unsafe { *CONFIG.0.get() = read };
    }

    /// Where the loader lets every thread begin: sp and r0 are set, .bss is zero.
    // SAFETY: E: this name is the runtime's alone.
    #[unsafe(no_mangle)]
    // SAFETY: E: the link script puts it first.
    #[unsafe(link_section = ".text.start")]
    extern "C" fn _start(argument: u32) -> ! {
        if argument == 0 && stack_pointer() >= layout::STACKS {
            prepare();
        }
        __bulkhead_main(argument);
        park()
    }

    /// Waits for ever.
    pub fn park() -> ! {
        loop {
            if crate::Notification(layout::slot::EVENTS).wait().is_err() {
                crate::svc::yield_now();
            }
        }
    }

    /// Stops this thread by an undefined instruction, for its fault handler to tell and to act. The two numbers stand in r0 and r1.
    pub fn die(code: u32, detail: u32) -> ! {
        // SAFETY: E: the instruction faults; nothing after it runs.
        unsafe { core::arch::asm!("udf #0", in("r0") code, in("r1") detail, options(noreturn, nostack)) }
    }

    /// The stack pointer, more or less.
    #[inline(always)]
    pub(crate) fn stack_pointer() -> u32 {
        let stack: u32;
        // SAFETY: E: reads a register.
        unsafe { core::arch::asm!("mov {}, sp", out(reg) stack, options(nomem, nostack, preserves_flags)) };
        stack
    }

    /// The component's configuration; `None` if it is damaged, and for root, which has none.
    pub fn config() -> Option<&'static Config<'static>> {
        // SAFETY: F: nobody writes it any more.
        unsafe { &*CONFIG.0.get() }.as_ref()
    }

    /// What the kernel tells root. For root alone.
    pub fn boot_info() -> boot::BootInfo {
        let info = boot::ROOT_BOOT_INFO_ADDRESS as *const boot::BootInfo;
        // SAFETY: M: the kernel maps that page readable and has filled it; every bit pattern is valid.
        unsafe { info.read_volatile() }
    }

    /// From now on words are logged: root's ring has been mapped. For root alone; other components log from the start.
    pub fn enable_log(wire_id: u8) {
        crate::logger::enable(wire_id);
    }

    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
        let (file, line) = info.location().map_or(("?", 0), |place| (place.file(), place.line()));
        let mut words = crate::words::Words::new();
        // An error only says that it was cut.
        let _ = words.write_fmt(format_args!("{}", info.message()));
        crate::log::error!("panic at {=str}:{=u32}: {=str}", file, line, words.text());
        die(line, 0)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_link_script_says_what_the_layout_says() {
        let script = include_str!("../component.x");
        assert!(script.contains(&std::format!(". = {:#x};", protocol::layout::LINK)));
        assert_eq!(protocol::layout::LINK, abi::boot::ROOT_LINK_ADDRESS);
    }
}
