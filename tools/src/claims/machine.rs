//! What a claim must know of the board: its devices.

use std::ops::Range;

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its physical pages of 4 KiB.
    pub pages: Range<u32>,
    /// Its interrupts, as numbers at the distributor.
    pub interrupts: Vec<u16>,
    /// Whether it reads and writes memory by itself: who drives it has all memory.
    pub dma: bool,
    /// Whether its state belongs to the guest that runs, as that of the virtual CPU interface: guests share its pages, and nothing
    /// flows.
    pub switched: bool,
}

/// The devices of a board. A page that is none of theirs is the kernel's: who has it could do anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// All that a system may give away.
    pub devices: Vec<Device>,
}

impl Machine {
    /// The devices on a page.
    pub fn on_page(&self, page: u32) -> impl Iterator<Item = usize> {
        self.devices.iter().enumerate().filter(move |(_, device)| device.pages.contains(&page)).map(|(n, _)| n)
    }

    /// The devices that raise an interrupt.
    pub fn raising(&self, interrupt: u16) -> impl Iterator<Item = usize> {
        self.devices
            .iter()
            .enumerate()
            .filter(move |(_, device)| device.interrupts.contains(&interrupt))
            .map(|(n, _)| n)
    }
}
