//! A manifest, read but not yet understood: what was written, with its places.

use super::problem::{At, Span};
use system::Action;

/// A whole manifest.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Name of the system, if given.
    pub name: Option<At<String>>,
    /// Board, if given.
    pub board: Option<At<String>>,
    /// What the kernel does after a fault of its own.
    pub on_fault: OnFault,
    /// VMs, in order.
    pub vms: Vec<Vm>,
    /// Components, in order.
    pub components: Vec<Component>,
    /// Channels, in order.
    pub channels: Vec<Channel>,
    /// Claims, in order.
    pub claims: Vec<Claim>,
}

/// What the kernel does after an epitaph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFault {
    /// Nothing more.
    #[default]
    Halt,
    /// Reset the machine.
    Reset,
    /// Reset it after that many milliseconds.
    ResetAfter(u32),
}

/// Processor time that was asked for, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Time {
    /// Which core's.
    pub core: Option<At<u64>>,
    /// Budget.
    pub budget_us: Option<At<u32>>,
    /// Period.
    pub period_us: Option<At<u32>>,
    /// Priority.
    pub priority: Option<At<u64>>,
}

/// What is to happen at each end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endings {
    /// After a crash.
    pub on_crash: Action,
    /// When a guest asks for a reboot.
    pub on_reboot: Action,
    /// When a guest switches itself off.
    pub on_off: Action,
}

/// Which device carries a guest's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleKind {
    /// PL011.
    Pl011,
    /// virtio.
    Virtio,
}

/// A `[vm.NAME]`.
#[derive(Clone, Debug)]
pub struct Vm {
    /// NAME.
    pub name: At<String>,
    /// What to boot.
    pub kernel: At<String>,
    /// Bytes of RAM.
    pub ram: At<u64>,
    /// How many vCPUs.
    pub vcpus: u32,
    /// Console device.
    pub console: ConsoleKind,
    /// Kernel command line.
    pub cmdline: Option<At<String>>,
    /// Initial file system.
    pub initrd: Option<At<String>>,
    /// Where a raw kernel goes.
    pub load: Option<At<u64>>,
    /// Where a raw kernel starts.
    pub entry: Option<At<u64>>,
    /// Whether it starts in Thumb state.
    pub thumb: bool,
    /// Time.
    pub time: Time,
    /// Ends.
    pub ends: Endings,
}

/// Where a component's program comes from.
#[derive(Clone, Debug)]
pub enum ProgramSource {
    /// A package of the workspace, or a folder that holds one.
    Crate(At<String>),
    /// An ELF.
    Elf(At<String>),
}

impl ProgramSource {
    /// What was written, and where.
    pub fn at(&self) -> &At<String> {
        match self {
            Self::Crate(at) | Self::Elf(at) => at,
        }
    }
}

/// A `[component.NAME]`.
#[derive(Clone, Debug)]
pub struct Component {
    /// NAME.
    pub name: At<String>,
    /// Its program.
    pub program: ProgramSource,
    /// Time.
    pub time: Time,
    /// Bytes of stack.
    pub stack: Option<At<u64>>,
    /// After a crash.
    pub on_crash: Action,
    /// Whether it has a console channel.
    pub console: bool,
    /// Whether it runs on its callers' time only.
    pub passive: bool,
    /// Whether it receives events where it receives calls.
    pub bind_events: bool,
    /// Devices of the board.
    pub devices: Vec<At<String>>,
    /// Bytes of untyped memory of its own.
    pub untyped: Option<At<u64>>,
    /// Who handles its faults, if not root.
    pub fault_handler: Option<At<String>>,
}

/// A `[channel.NAME]`.
#[derive(Clone, Debug)]
pub struct Channel {
    /// NAME.
    pub name: At<String>,
    /// What it is.
    pub kind: ChannelKind,
    /// Clients, signallers, or writers.
    pub from: Vec<At<String>>,
    /// Server, the one who is signalled, or readers. In a memory `between` components, all are writers and this is empty.
    pub to: Vec<At<String>>,
}

/// A `[[claim]]`.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Where what is claimed stands.
    pub span: Span,
    /// What is claimed.
    pub kind: ClaimKind,
    /// Channels that may be used.
    pub except: Vec<At<String>>,
    /// Compartments that may stand between.
    pub trust: Vec<At<String>>,
    /// Whether time counts.
    pub time: bool,
}

/// What is claimed.
#[derive(Clone, Debug)]
pub enum ClaimKind {
    /// Nothing flows between these.
    NoFlow(Ends),
    /// Nothing flows between these, but through those.
    OnlyVia(Ends, Vec<At<String>>),
    /// Nobody has it but these, or, if there are none, those who have it by the manifest.
    Exclusive(At<String>, Vec<At<String>>),
}

/// The ends of a flow.
#[derive(Clone, Debug)]
pub enum Ends {
    /// Between any two of them, either way.
    Between(Vec<At<String>>),
    /// From any of the first to any of the second.
    FromTo(Vec<At<String>>, Vec<At<String>>),
}

/// What flows through a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Calls to a server.
    Call,
    /// Signals.
    Signal,
    /// Shared memory of so many bytes.
    Memory(At<u64>),
}
