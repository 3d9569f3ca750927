//! A panic of the kernel's ends in an epitaph.

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    kernel_armv7::epitaph::panic(info)
}
