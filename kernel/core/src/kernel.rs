//! The kernel's state, and what entry code calls.

use crate::arena::{Arena, Handle};
use crate::irq::IrqTable;
use crate::objects::{CNode, SchedContext, VSpace};
use crate::queue::Queue;
use crate::tcb::Tcb;
use crate::timeout::Timeouts;
use crate::vcpu::Vcpu;
use crate::{Platform, ready::ReadyQueues};

/// Cores that the kernel can run on. A kernel for one core has no lock, and nothing of what stands in `cores.rs`.
pub const CORES_MAX: usize = if cfg!(any(test, feature = "sim", feature = "smp")) { abi::zimage::CORES_MAX } else { 1 };

/// What belongs to one core.
#[derive(Clone, PartialEq, Eq)]
pub struct Core {
    /// The thread that runs, or ran last if its state says that it does not.
    pub current: Option<Handle<Tcb>>,
    /// Threads that could run.
    pub ready: ReadyQueues,
    /// Contexts and vCPUs that wait for a time.
    pub timeouts: Timeouts,
    /// The context whose time runs.
    pub active: Option<Handle<SchedContext>>,
    /// What the timer was set to.
    pub deadline: u64,
    /// Whether `current` has to be chosen anew before leaving the kernel.
    pub reschedule: bool,
    /// The vCPU whose registers are in the hardware.
    pub loaded: Option<Handle<Vcpu>>,
    /// The vCPU whose floating-point registers are in the hardware.
    pub float_owner: Option<Handle<Vcpu>>,
}

impl Core {
    /// All zero, which is cheaper to make than to copy; [`begin`](Self::begin) does the rest.
    const ZERO: Self = Self {
        current: None,
        ready: ReadyQueues::ZERO,
        timeouts: Timeouts::EMPTY,
        active: None,
        deadline: 0,
        reschedule: false,
        loaded: None,
        float_owner: None,
    };

    fn begin(&mut self) {
        self.ready.begin();
        self.deadline = u64::MAX;
    }
}

/// Objects whose last capability is gone and which are being emptied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condemned {
    pub(crate) cnodes: Option<Handle<CNode>>,
    pub(crate) spaces: Option<Handle<VSpace>>,
}

/// The kernel.
pub struct Kernel<P> {
    /// The token for all objects.
    pub arena: Arena,
    /// The machine.
    pub platform: P,
    pub(crate) cores: [Core; CORES_MAX],
    pub(crate) irqs: IrqTable,
    pub(crate) condemned: Condemned,
    /// Generation of VMIDs; the first is 1.
    pub(crate) generation: u32,
    /// The next VMID of this generation that nobody has.
    pub(crate) next_vmid: u32,
}

/// What a core does when it leaves the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing can run: wait for an interrupt.
    Idle,
    /// Run this.
    Run(Running),
}

/// A thread that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// The thread; its [`Context`](crate::Context) lies at the handle's address.
    pub tcb: Handle<Tcb>,
    /// Its space, as VTTBR wants it: root table and VMID (ARM DDI 0406C B4.1.165).
    pub vttbr: u64,
    /// The vCPU, if it runs a guest. It is loaded.
    pub vcpu: Option<Handle<Vcpu>>,
}

/// A long operation was stopped because an interrupt waits; it goes on when the call is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preempted;

impl<P: Platform> Kernel<P> {
    /// A kernel that has nothing yet: [`boot`](Self::boot) gives it its first thread.
    pub fn new(arena: Arena, platform: P) -> Self {
        let mut kernel = Self {
            arena,
            platform,
            cores: [const { Core::ZERO }; CORES_MAX],
            irqs: IrqTable::EMPTY,
            condemned: Condemned { cnodes: None, spaces: None },
            generation: 1,
            // The first space begins a generation: whatever ran on the machine before may have left translations.
            next_vmid: 256,
        };
        kernel.cores.iter_mut().for_each(Core::begin);
        kernel
    }

    /// The core on which this entry happened. With one core it costs nothing to say so.
    #[inline(always)]
    pub fn here(&self) -> usize {
        if CORES_MAX == 1 { 0 } else { self.platform.core() % CORES_MAX }
    }

    /// This core's state.
    #[inline(always)]
    pub(crate) fn core(&mut self) -> &mut Core {
        let here = self.here();
        &mut self.cores[here]
    }

    /// The thread that made this entry.
    ///
    /// # Panics
    /// If no thread runs: entry code calls only on behalf of one.
    #[inline(always)]
    pub fn current(&mut self) -> Handle<Tcb> {
        match self.core().current {
            Some(tcb) => tcb,
            None => panic!("no thread runs"),
        }
    }

    /// Whether `tcb`, which ran when the kernel was entered, just goes on: the same world, space and time.
    #[inline(always)]
    pub fn undisturbed(&mut self, tcb: Handle<Tcb>) -> bool {
        let core = self.core();
        !core.reschedule && core.current == Some(tcb)
    }

    /// The thread that runs on this core, if any.
    pub fn running(&self) -> Option<Handle<Tcb>> {
        self.cores[self.here()].current
    }

    /// The vCPU whose registers are in this core's hardware.
    pub fn loaded(&self) -> Option<Handle<Vcpu>> {
        self.cores[self.here()].loaded
    }

    /// A preemption point.
    ///
    /// # Errors
    /// [`Preempted`] if an interrupt waits.
    #[inline]
    pub(crate) fn preemption_point(&mut self) -> Result<(), Preempted> {
        if self.platform.interrupt_pending() { Err(Preempted) } else { Ok(()) }
    }
}

/// Queue type used for ready threads, one for each priority.
pub(crate) type PriorityQueue = Queue;
