//! What a component finds at its start: names for what the manifest granted.
//!
//! The composer writes it, encoded with postcard, to [`layout::CONFIG`](crate::layout::CONFIG).

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

/// Changes with any change to the types here.
pub const CONFIG_VERSION: u32 = 1;
/// The most named capabilities of a component.
pub const NAMES_MAX: usize = 96;
/// The most named memories.
pub const MEMORIES_MAX: usize = 64;
/// The most named events.
pub const EVENTS_MAX: usize = 32;
/// The most vCPUs of a VM.
pub const VCPUS_MAX: usize = 4;
/// The most files of a guest.
pub const FILES_MAX: usize = 8;

/// Configuration of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config<'a> {
    /// [`CONFIG_VERSION`].
    pub version: u32,
    /// The component's name in the manifest (for a VMM, the VM's).
    #[serde(borrow)]
    pub name: &'a str,
    /// Its id on the wire: of its log frames, and of its console channel if it has one.
    pub wire_id: u8,
    /// Capabilities by name.
    #[serde(borrow)]
    pub capabilities: ArrayVec<Named<'a>, NAMES_MAX>,
    /// Memories by name.
    #[serde(borrow)]
    pub memories: ArrayVec<Memory<'a>, MEMORIES_MAX>,
    /// What the bits of its `EVENTS` notification mean, by the name of who sets them.
    #[serde(borrow)]
    pub events: ArrayVec<Event<'a>, EVENTS_MAX>,
    /// What a VMM needs to know of its guest.
    #[serde(borrow)]
    pub vm: Option<Vm<'a>>,
}

/// A capability and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named<'a> {
    /// Name, such as `console.signal`.
    pub name: &'a str,
    /// Capability address in the component's space.
    pub slot: u32,
}

/// A memory that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory<'a> {
    /// Name, such as `console.tx`.
    pub name: &'a str,
    /// Virtual address.
    pub address: u32,
    /// Length in bytes.
    pub bytes: u32,
    /// A number that goes with it (the wire id of a log ring or console client; 0 else).
    pub tag: u32,
}

/// A bit of a component's `EVENTS` notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event<'a> {
    /// Who sets it: a channel, an interrupt such as `rtc.irq`, `console`.
    pub name: &'a str,
    /// The bit, as a mask.
    pub badge: u32,
}

/// A guest, as its VMM sees it.
///
/// The VMM's capabilities have fixed names: `exits.N` (endpoint, receive), `reply.N`, `vcpu.N`, `guest.N` (the guest's
/// thread), `exit-thread.N` (its own thread for the exits of vCPU N, thread number 1 + N), `context.N` (that vCPU's
/// scheduling context), `ram.N` (2 MiB frames of guest RAM in consecutive slots, named once with N = 0).
/// `lock` is a notification of its own (to signal and to wait, badge 1), at which its threads wait for each other. The badge of an exit
/// is 1 + its vCPU's number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm<'a> {
    /// First address of its RAM.
    pub ram_base: u32,
    /// Bytes of its RAM, a multiple of 2 MiB.
    pub ram_bytes: u32,
    /// How many vCPUs.
    pub vcpus: u8,
    /// What to copy into its RAM before it starts.
    #[serde(borrow)]
    pub files: ArrayVec<File<'a>, FILES_MAX>,
    /// Entry point; bit 0 set: Thumb.
    pub entry: u32,
    /// r0-r2 at the entry.
    pub arguments: [u32; 3],
    /// Which console device it has.
    pub console: Console,
    /// Microseconds after which a guest that must feed a watchdog is declared crashed; 0: none.
    pub watchdog_us: u32,
}

/// A piece of the payload for a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File<'a> {
    /// What it is: `kernel`, `initrd`, `device-tree`.
    pub name: &'a str,
    /// Where the VMM sees it.
    pub source: u32,
    /// Where the guest will.
    pub address: u32,
    /// Length in bytes.
    pub bytes: u32,
}

/// Which device carries a guest's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Console {
    /// PL011 at 0x09000000.
    Pl011,
    /// virtio-mmio console in the first transport (the PL011 is there, too, for early output).
    Virtio,
}

impl<'a> Config<'a> {
    /// Reads a configuration. `None` if it is damaged or of another version.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (config, _): (Config<'a>, _) = postcard::take_from_bytes(bytes).ok()?;
        (config.version == CONFIG_VERSION).then_some(config)
    }

    /// A configuration that grants nothing.
    pub fn empty(name: &'a str) -> Self {
        Self {
            version: CONFIG_VERSION,
            name,
            wire_id: 0,
            capabilities: ArrayVec::new(),
            memories: ArrayVec::new(),
            events: ArrayVec::new(),
            vm: None,
        }
    }

    /// Capability address of that name.
    pub fn capability(&self, name: &str) -> Option<u32> {
        self.capabilities.iter().find(|named| named.name == name).map(|named| named.slot)
    }

    /// The memory of that name.
    pub fn memory(&self, name: &str) -> Option<Memory<'a>> {
        self.memories.iter().find(|memory| memory.name == name).copied()
    }

    /// The bit of `EVENTS` of that name, as a mask; 0 if there is none.
    pub fn event(&self, name: &str) -> u32 {
        self.events.iter().find(|event| event.name == name).map_or(0, |event| event.badge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_survives_its_encoding_and_another_version_does_not() {
        let mut config = Config {
            version: CONFIG_VERSION,
            name: "console",
            wire_id: 3,
            capabilities: ArrayVec::new(),
            memories: ArrayVec::new(),
            events: ArrayVec::new(),
            vm: None,
        };
        config.capabilities.push(Named { name: "console.signal", slot: 9 });
        config.memories.push(Memory { name: "console.tx", address: 0x1820_0000, bytes: 4096, tag: 0 });
        let bytes = postcard::to_stdvec(&config).unwrap();
        assert_eq!(Config::read(&bytes), Some(config.clone()));
        assert_eq!(config.capability("console.signal"), Some(9));
        assert_eq!(config.capability("nothing"), None);
        config.version += 1;
        assert_eq!(Config::read(&postcard::to_stdvec(&config).unwrap()), None);
        assert_eq!(Config::read(&bytes[..3]), None);
    }
}
