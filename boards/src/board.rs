//! What a `board.toml` says.

use serde::Deserialize;

/// A board, as its `board.toml` describes it. All addresses are physical; all sizes are in bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Board {
    /// Name of the folder.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Cores.
    pub cores: u32,
    /// State in which the image is entered.
    pub entry: Entry,
    /// How cores other than the first are started, and the machine is switched off.
    pub power: Power,
    /// RAM, in order.
    pub ram: Vec<Region>,
    /// Where the kernel's image is linked and loaded: inside RAM, a multiple of 2 MiB.
    pub kernel_address: u64,
    /// The interrupt controller.
    pub gic: Gic,
    /// The console.
    pub uart: Uart,
    /// Pieces of the address space that hold devices, which root can give away. Each has a power-of-two size, is
    /// aligned to it, and does not overlap the interrupt controller.
    #[serde(default)]
    pub device_range: Vec<Region>,
    /// Devices that a manifest can name.
    #[serde(default)]
    pub device: Vec<Device>,
    /// How to run the board in QEMU, if QEMU has it.
    pub qemu: Option<Qemu>,
    /// Whether the image has run on the real board. QEMU does not count.
    pub seen_on_hardware: bool,
}

/// State in which the image is entered.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// Hyp mode.
    Hyp,
    /// Secure Supervisor.
    SecureSvc,
}

/// How the machine is powered and its cores are started.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "by")]
pub enum Power {
    /// PSCI of the firmware, by SMC.
    PsciSmc,
    /// Versatile Express: system configuration registers at `sysreg`, holding pen through SYS_FLAGS.
    Vexpress {
        /// Base of the system registers.
        sysreg: u64,
    },
}

/// A piece of the physical address space.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Region {
    /// First address.
    pub base: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// A GICv2 with virtualization extensions.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gic {
    /// Distributor (4 KiB).
    pub gicd: u64,
    /// CPU interface (8 KiB).
    pub gicc: u64,
    /// Virtual interface control.
    pub gich: u64,
    /// Virtual CPU interface, mapped into guests (8 KiB).
    pub gicv: u64,
}

/// A UART.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Uart {
    /// Kind: `pl011`.
    pub kind: String,
    /// Registers (4 KiB).
    pub base: u64,
    /// Its interrupt, counted from the first SPI.
    pub spi: u32,
    /// Its clock in Hz.
    pub clock_hz: u32,
}

/// A device that a manifest can name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Device {
    /// Its name in manifests.
    pub name: String,
    /// What it is, as device trees say it.
    pub compatible: String,
    /// Registers.
    pub base: u64,
    /// Bytes of registers.
    pub bytes: u64,
    /// Interrupts, counted from the first SPI.
    #[serde(default)]
    pub spis: Vec<u32>,
    /// Whether it can write memory by itself.
    #[serde(default)]
    pub dma: bool,
}

/// How to run the board in QEMU.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Qemu {
    /// Argument of `-M`.
    pub machine: String,
    /// Argument of `-cpu`.
    pub cpu: String,
    /// RAM in MiB, argument of `-m`.
    pub memory_mib: u32,
    /// Further machine options, added to `-M`, for runs that must be the same to the byte.
    #[serde(default)]
    pub deterministic: String,
}
