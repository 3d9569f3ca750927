//! The machine's bus: which device stands at an address.
//!
//! The machine is QEMU virt's, version 1. What is not listed is not there: the VMM answers an access with a
//! synchronous external abort, as the interconnect of real hardware does. RAM never gets here, nor does the GIC's
//! CPU interface at 0x0801_0000: the hardware's own stands there.
//!
//! | device | takes | anything else |
//! |---|---|---|
//! | distributor | words; bytes where IHI 0048B 4.1.4 has them | RAZ/WI |
//! | PL011, PL031 | bytes, half words, words: APB has 32-bit registers and no byte lanes | - |
//! | pvpanic | bytes, half words | - |
//! | virtio-mmio | aligned words (virtio 1.2, 4.2.2.2); bytes, half words in the configuration | RAZ/WI |
//!
//! An address that is no multiple of the access's width is an external abort everywhere: a guest that
//! maps devices as Device memory never gets that far, its own translation faults first (ARM DDI 0406C A3.2.1).

use abi::vcpu::VIRTUAL_TIMER_INTID;

/// Base of the guest's RAM.
pub const RAM_BASE: u64 = 0x4000_0000;
/// Base of the GIC distributor.
pub const DISTRIBUTOR_BASE: u64 = 0x0800_0000;
/// Size of the distributor's window.
pub const DISTRIBUTOR_BYTES: u64 = 0x1_0000;
/// Where the hardware's virtual CPU interface (GICV) is mapped.
pub const CPU_INTERFACE_BASE: u64 = 0x0801_0000;
/// Base of the PL011.
pub const UART_BASE: u64 = 0x0900_0000;
/// Base of the PL031.
pub const RTC_BASE: u64 = 0x0901_0000;
/// Base of the pvpanic.
pub const PVPANIC_BASE: u64 = 0x0907_0000;
/// Size of its window.
pub const PVPANIC_BYTES: u64 = 2;
/// Size of the window of the PL011, and of the PL031.
pub const PRIMECELL_BYTES: u64 = 0x1000;
/// Base of the first virtio-mmio transport.
pub const VIRTIO_BASE: u64 = 0x0a00_0000;
/// Size of the window of one transport.
pub const VIRTIO_BYTES: u64 = 0x200;
/// Number of transports' windows.
pub const VIRTIO_SLOTS: u8 = 32;

/// Interrupt of the PL011: SPI 1.
pub const UART_INTID: u32 = 33;
/// Interrupt of the PL031: SPI 2.
pub const RTC_INTID: u32 = 34;
/// Interrupt of the virtual timer: PPI 11.
pub const TIMER_INTID: u32 = VIRTUAL_TIMER_INTID;

/// Interrupt of the virtio transport in `slot`: SPI 16 + slot.
pub const fn virtio_intid(slot: u8) -> u32 {
    48 + slot as u32
}

/// A device of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The GIC distributor.
    Distributor,
    /// The PL011.
    Uart,
    /// The PL031.
    Rtc,
    /// The pvpanic.
    Panic,
    /// The virtio-mmio transport of that number, 0 to 31, whether or not anything is plugged into it.
    Virtio(u8),
}

/// Why no device takes an access. Both become a synchronous external abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// Nothing stands there.
    Unmapped,
    /// The address is no multiple of the width, or the width is none of 1, 2 and 4.
    Unaligned,
}

/// The device that an access of `width` bytes (1, 2 or 4) at `ipa` reaches, and the offset in it.
pub const fn route(ipa: u64, width: u32) -> Result<(Device, u32), Abort> {
    let (device, base) = match ipa {
        DISTRIBUTOR_BASE..0x0801_0000 => (Device::Distributor, DISTRIBUTOR_BASE),
        UART_BASE..0x0900_1000 => (Device::Uart, UART_BASE),
        RTC_BASE..0x0901_1000 => (Device::Rtc, RTC_BASE),
        PVPANIC_BASE..0x0907_0002 => (Device::Panic, PVPANIC_BASE),
        VIRTIO_BASE..0x0a00_4000 => {
            let slot = (ipa - VIRTIO_BASE) / VIRTIO_BYTES;
            (Device::Virtio(slot as u8), VIRTIO_BASE + slot * VIRTIO_BYTES)
        }
        _ => return Err(Abort::Unmapped),
    };
    if !matches!(width, 1 | 2 | 4) || !ipa.is_multiple_of(width as u64) {
        return Err(Abort::Unaligned);
    }
    Ok((device, (ipa - base) as u32))
}

const _: () = assert!(DISTRIBUTOR_BASE + DISTRIBUTOR_BYTES == 0x0801_0000);
const _: () = assert!(UART_BASE + PRIMECELL_BYTES == 0x0900_1000 && RTC_BASE + PRIMECELL_BYTES == 0x0901_1000);
const _: () = assert!(PVPANIC_BASE + PVPANIC_BYTES == 0x0907_0002);
const _: () = assert!(VIRTIO_BASE + VIRTIO_BYTES * VIRTIO_SLOTS as u64 == 0x0a00_4000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_byte_of_each_device() {
        for (ipa, found) in [
            (0x07ff_ffff, Err(Abort::Unmapped)),
            (0x0800_0000, Ok((Device::Distributor, 0))),
            (0x0800_ffff, Ok((Device::Distributor, 0xffff))),
            (0x0801_0000, Err(Abort::Unmapped)),
            (0x08ff_ffff, Err(Abort::Unmapped)),
            (0x0900_0000, Ok((Device::Uart, 0))),
            (0x0900_0fff, Ok((Device::Uart, 0xfff))),
            (0x0900_1000, Err(Abort::Unmapped)),
            (0x0901_0fff, Ok((Device::Rtc, 0xfff))),
            (0x0901_1000, Err(Abort::Unmapped)),
            (0x0907_0001, Ok((Device::Panic, 1))),
            (0x0907_0002, Err(Abort::Unmapped)),
            (0x0a00_0000, Ok((Device::Virtio(0), 0))),
            (0x0a00_01ff, Ok((Device::Virtio(0), 0x1ff))),
            (0x0a00_0200, Ok((Device::Virtio(1), 0))),
            (0x0a00_3fff, Ok((Device::Virtio(31), 0x1ff))),
            (0x0a00_4000, Err(Abort::Unmapped)),
            (0x4000_0000, Err(Abort::Unmapped)),
            (0x1_0800_0000, Err(Abort::Unmapped)),
            (0xff_ffff_ffff, Err(Abort::Unmapped)),
            (u64::MAX, Err(Abort::Unmapped)),
        ] {
            assert_eq!(route(ipa, 1), found, "{ipa:#x}");
        }
    }

    #[test]
    fn unaligned_accesses_abort() {
        assert_eq!(route(0x0900_0001, 2), Err(Abort::Unaligned));
        assert_eq!(route(0x0900_0002, 4), Err(Abort::Unaligned));
        assert_eq!(route(0x0900_0000, 8), Err(Abort::Unaligned));
        assert_eq!(route(0x0900_0000, 0), Err(Abort::Unaligned));
        assert_eq!(route(0x0900_0002, 2), Ok((Device::Uart, 2)));
    }
}
