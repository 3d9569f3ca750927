//! Registers of virtio over MMIO, version 2 (virtio 1.2, section 4.2.2), and the bits that all devices share.

use bitflags::bitflags;

/// MagicValue: "virt".
pub const MAGIC: u32 = 0x7472_6976;
/// Version: not legacy.
pub const VERSION: u32 = 2;
/// VendorID: "BLKH".
pub const VENDOR: u32 = 0x484b_4c42;
/// Offset of the device's configuration.
pub const CONFIGURATION: u32 = 0x100;

/// VIRTIO_F_EVENT_IDX (section 6).
pub const FEATURE_EVENT_IDX: u64 = 1 << 29;
/// VIRTIO_F_VERSION_1.
pub const FEATURE_VERSION_1: u64 = 1 << 32;

bitflags! {
    /// The device status field (section 2.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u32 {
        /// The guest has seen the device.
        const ACKNOWLEDGE = 1;
        /// The guest has a driver for it.
        const DRIVER = 2;
        /// The driver is ready.
        const DRIVER_OK = 4;
        /// The features are agreed upon.
        const FEATURES_OK = 8;
        /// The device has stopped.
        const NEEDS_RESET = 64;
        /// The driver has given up.
        const FAILED = 128;
    }
}

/// InterruptStatus: a buffer was used.
pub const INTERRUPT_USED: u32 = 1;
/// InterruptStatus: the configuration, or the status, changed.
pub const INTERRUPT_CONFIGURATION: u32 = 2;

/// A register, by what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of table 4.1")]
pub enum Register {
    MagicValue,
    Version,
    DeviceId,
    VendorId,
    DeviceFeatures,
    DeviceFeaturesSel,
    DriverFeatures,
    DriverFeaturesSel,
    QueueSel,
    QueueSizeMax,
    QueueSize,
    QueueReady,
    QueueNotify,
    InterruptStatus,
    InterruptAck,
    Status,
    /// QueueDesc, QueueDriver or QueueDevice, its low or its high half.
    QueueAddress(Area, Half),
    /// SHMLen and SHMBase: all ones, there is no shared memory.
    SharedMemory,
    ConfigGeneration,
    /// The device's configuration, from this byte on.
    Configuration(u32),
    Reserved,
}

/// Which part of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The descriptor table.
    Descriptors,
    /// The available ring.
    Driver,
    /// The used ring.
    Device,
}

/// Half of a 64-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Bits 31:0.
    Low,
    /// Bits 63:32.
    High,
}

impl Half {
    /// `whole` with this half replaced.
    pub fn replace(self, whole: u64, half: u32) -> u64 {
        match self {
            Half::Low => whole & !0xffff_ffff | u64::from(half),
            Half::High => whole & 0xffff_ffff | u64::from(half) << 32,
        }
    }
}

impl Register {
    /// The register that an access of `width` bytes at `offset` reaches: aligned words, and any aligned width in the
    /// configuration (section 4.2.2.2).
    pub fn at(offset: u32, width: u32) -> Self {
        if !matches!(width, 1 | 2 | 4) || !offset.is_multiple_of(width) {
            return Self::Reserved;
        }
        if offset >= CONFIGURATION {
            return Self::Configuration(offset - CONFIGURATION);
        }
        if width != 4 {
            return Self::Reserved;
        }
        match offset {
            0x00 => Self::MagicValue,
            0x04 => Self::Version,
            0x08 => Self::DeviceId,
            0x0c => Self::VendorId,
            0x10 => Self::DeviceFeatures,
            0x14 => Self::DeviceFeaturesSel,
            0x20 => Self::DriverFeatures,
            0x24 => Self::DriverFeaturesSel,
            0x30 => Self::QueueSel,
            0x34 => Self::QueueSizeMax,
            0x38 => Self::QueueSize,
            0x44 => Self::QueueReady,
            0x50 => Self::QueueNotify,
            0x60 => Self::InterruptStatus,
            0x64 => Self::InterruptAck,
            0x70 => Self::Status,
            0x80 => Self::QueueAddress(Area::Descriptors, Half::Low),
            0x84 => Self::QueueAddress(Area::Descriptors, Half::High),
            0x90 => Self::QueueAddress(Area::Driver, Half::Low),
            0x94 => Self::QueueAddress(Area::Driver, Half::High),
            0xa0 => Self::QueueAddress(Area::Device, Half::Low),
            0xa4 => Self::QueueAddress(Area::Device, Half::High),
            0xb0 | 0xb4 | 0xb8 | 0xbc => Self::SharedMemory,
            0xfc => Self::ConfigGeneration,
            _ => Self::Reserved,
        }
    }
}
