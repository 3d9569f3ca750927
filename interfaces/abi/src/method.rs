//! Methods of kernel objects: the label of a message that is `Call`ed on a capability of that type.
//!
//! Each line gives the words of the message, in order, and after `->` those of the answer. A word
//! named `cnode, index` is a destination: the capability address of a CNode and a slot in it. Every
//! method answers with a status in r0; the errors that all share are `EmptySlot`, `WrongType`,
//! `NoSuchMethod` and `Truncated`.

/// Does nothing, on any object: what the cheapest system call costs.
pub const NOTHING: u16 = 0;

macro_rules! methods {
    ($(#[$doc:meta])* $name:ident { $($(#[$method_doc:meta])* $method:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum $name { $($(#[$method_doc])* $method = $number,)* }

        impl $name {
            /// Every method of this object.
            pub const ALL: &'static [$name] = &[$($name::$method),*];

            /// The method of that label.
            pub const fn from_label(label: u16) -> Option<Self> {
                match label { $($number => Some(Self::$method),)* _ => None }
            }
        }
    };
}

methods! {
    /// Methods of untyped memory.
    UntypedMethod {
        /// `type | size_bits << 8 | count << 16, cnode, index`: make `count` objects
        /// (1 to [`RETYPE_COUNT_MAX`](crate::object::RETYPE_COUNT_MAX)) whose capabilities go to consecutive slots.
        /// Memory that was used before must have been `Reset`.
        Retype = 0x101,
        /// No words: zero the memory and make all of it free again. Needs that no child is left.
        /// Long; it can be preempted and goes on by itself.
        Reset = 0x102,
        /// No words `-> base page number, size_bits | device << 8, free bytes low, free bytes high`.
        Describe = 0x103,
    }
}

methods! {
    /// Methods of a CNode. `index` is a slot of this CNode.
    CNodeMethod {
        /// `index, source, rights`: a derived copy of the capability at address `source`, with at most `rights`.
        Copy = 0x201,
        /// `index, source, rights, badge`: like `Copy`, with a badge, if the source has none.
        /// For a CNode capability the badge word is the guard: value in bits 31:8, its length in bits 7:0.
        Mint = 0x202,
        /// `index, source`: the capability itself, leaving its old slot empty.
        Move = 0x203,
        /// `index`: delete the capability; with the last one, its object. What was derived from it stays,
        /// derived from its parent.
        Delete = 0x204,
        /// `index`: delete everything that was derived from the capability, not itself.
        Revoke = 0x205,
    }
}

methods! {
    /// Methods of a frame.
    FrameMethod {
        /// `vspace, address, flags`: map at `address`; `flags` are [`MapFlags`](crate::rights::MapFlags).
        /// One capability maps once; a copy can map again.
        Map = 0x301,
        /// No words: take this capability's mapping back.
        Unmap = 0x302,
        /// `offset, bytes`: clean to the point of coherency, for a reader that does not use the cache.
        /// `bytes` is at most [`CACHE_BYTES_MAX`]; both are multiples of 64.
        Clean = 0x303,
        /// `offset, bytes`: clean and invalidate to the point of coherency. Bounds as `Clean`.
        CleanInvalidate = 0x304,
        /// `offset, bytes`: discard cached lines, for a buffer that a device has written. Needs `WRITE`. Bounds as `Clean`.
        Invalidate = 0x305,
        /// `offset, bytes`: make what was written visible to instruction fetch. Bounds as `Clean`.
        Unify = 0x306,
        /// No words `-> page number, size_bits`: the physical address, for a driver that programs DMA.
        Address = 0x307,
    }
}

/// The longest piece that one cache maintenance call works on, in bytes.
pub const CACHE_BYTES_MAX: u32 = 65536;

methods! {
    /// Methods of a stage-2 table.
    TableMethod {
        /// `vspace, address`: put the table into the space where `address` is translated.
        Map = 0x401,
        /// No words: unmap all that is mapped through the table, then the table. Long, preemptible.
        Unmap = 0x402,
    }
}

methods! {
    /// Methods of a thread.
    TcbMethod {
        /// `cspace, vspace`: a CNode and a VSpace.
        SetSpaces = 0x601,
        /// `frame, offset`: the IPC buffer; `offset` is a multiple of 512. Frame 0: none.
        SetIpcBuffer = 0x602,
        /// `endpoint`: where the thread's faults, or its vCPU's exits, are sent. Needs `WRITE`. 0: nowhere, the thread stops.
        SetFaultHandler = 0x603,
        /// `authority, priority, ceiling`: neither may exceed the ceiling of the thread `authority`.
        SetPriority = 0x604,
        /// `pc, sp, r0, cpsr_t`: entry point, stack, argument, and 1 in `cpsr_t` for Thumb. Only while the thread does not run.
        WriteRegisters = 0x605,
        /// `register` (0-14, 15 pc, 16 cpsr) `-> value`.
        ReadRegister = 0x606,
        /// No words: let it run (as soon as it has a scheduling context).
        Resume = 0x607,
        /// No words: stop it; a pending IPC is cancelled.
        Suspend = 0x608,
        /// `vcpu`: from now on the thread runs that vCPU's guest.
        BindVcpu = 0x609,
        /// No words `-> state` as [`ThreadState`].
        ReadState = 0x60a,
        /// `notification`: from now on the thread also receives its word (with status
        /// [`NOTIFIED`](crate::syscall::NOTIFIED)) where it receives messages, as long as it has time of its own. Needs `READ`.
        BindNotification = 0x60b,
        /// No words: takes that back.
        UnbindNotification = 0x60c,
    }
}

/// What a thread is doing, as `TcbMethod::ReadState` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ThreadState {
    /// Not started, or suspended.
    Inactive = 0,
    /// Runs, or would if its turn and budget came.
    Running = 1,
    /// Waits to send.
    BlockedOnSend = 2,
    /// Waits to receive.
    BlockedOnReceive = 3,
    /// Waits for an answer.
    BlockedOnReply = 4,
    /// Waits for a notification.
    BlockedOnNotification = 5,
    /// Its guest executed WFI and no interrupt is pending.
    Idle = 6,
}

methods! {
    /// Methods of a virtual processor. Registers are named by [`GuestRegister`](crate::vcpu::GuestRegister).
    VcpuMethod {
        /// `register -> low, high`: a register of the guest.
        ReadRegister = 0x701,
        /// `register, low, high`: change it.
        WriteRegister = 0x702,
        /// `intid, priority, source | edge flags`: make an interrupt pending once. `source`: the sending vCPU of an SGI (0-7).
        Inject = 0x703,
        /// `intid, priority, level`: set the level of a line; it is pending while `level` is 1, again after each end of interrupt.
        SetLevel = 0x704,
        /// `intid -> state`: take back what is only pending; the state from just before, as [`InterruptState`](crate::vcpu::InterruptState).
        Retract = 0x705,
        /// `intid -> state`: see [`InterruptState`](crate::vcpu::InterruptState).
        ReadInterrupt = 0x706,
        /// `enabled, priority`: whether the virtual timer's interrupt (27) is delivered, and how urgent it is.
        SetTimer = 0x707,
        /// No words `-> kind, word 0, word 1, word 2`: the outstanding exit again; kind 0 if there is none.
        ReadExit = 0x708,
        /// No words: put every register back to its reset value and drop all interrupts. Only while the thread does not run.
        Reset = 0x709,
        /// `on`: whether the guest's writes to its stage-1 control registers (SCTLR, TTBR0/1, TTBCR, DACR, the fault status and
        /// address registers, MAIR and their kin, CONTEXTIDR) become `Coprocessor` exits (HCR.TVM): how a VMM learns
        /// that the guest's caches are on.
        WatchStage1 = 0x70b,
        /// No words `-> syndrome (HSR) of the outstanding exit, HDFAR or HIFAR, pc, cpsr`.
        ReadSyndrome = 0x70a,
    }
}

methods! {
    /// Methods of a scheduling context.
    SchedContextMethod {
        /// `core, budget_us, period_us, control`: budget <= period. Equal: round robin with that slice. `control` is the
        /// capability to the authority over time, which root alone has: nobody can give itself more.
        Configure = 0xb01,
        /// `tcb`: the thread runs on this context.
        Bind = 0xb02,
        /// No words: its thread becomes passive.
        Unbind = 0xb03,
        /// No words `-> microseconds low, high`: time consumed so far.
        Consumed = 0xb04,
    }
}

methods! {
    /// Methods of the interrupt authority.
    IrqControlMethod {
        /// `intid, cnode, index, trigger`: a handler capability for one interrupt; trigger 0 level, 1 edge.
        Get = 0xc01,
    }
}

methods! {
    /// Methods of an interrupt handler.
    IrqHandlerMethod {
        /// `notification`: signal it (with the capability's badge) when the interrupt comes, which stays masked until `Ack`.
        SetNotification = 0xd01,
        /// No words: unmask.
        Ack = 0xd02,
        /// `vcpu, virtual intid, priority`: inject directly, hardware-linked.
        BindVcpu = 0xd03,
        /// No words: masked, and bound to nothing.
        Clear = 0xd04,
    }
}

methods! {
    /// Methods of the machine's power.
    PowerMethod {
        /// No words: switch the machine off. Does not return where the board can.
        Off = 0xe01,
        /// No words: reset the machine.
        Reset = 0xe02,
    }
}
