//! A virtual processor: the registers of a guest that stay in the hardware until another vCPU needs it, its
//! virtual interrupts, and its outstanding exit.

use crate::arena::Handle;
use crate::platform::ListRegister;
use crate::tcb::Tcb;
use crate::timeout::Timeout;
use abi::object::{VCPU_BYTES, VIRTUAL_INTERRUPTS};
use abi::vcpu::{
    BANKED_FIRST, BANKED_REGISTERS, CP32_FIRST, CP32_REGISTERS, CP64_FIRST, CP64_REGISTERS, GuestRegister,
};

/// The most list registers that a GICv2 virtual interface has (ARM IHI 0048B 5.3.2 allows 64; an A15 has 4).
pub const LIST_REGISTERS_MAX: usize = 16;

/// Words of the bitmap of waiting interrupts.
pub const WAITING_WORDS: usize = VIRTUAL_INTERRUPTS / 32;

/// A virtual processor.
#[repr(C)]
pub struct Vcpu {
    /// The 32-bit coprocessor registers of [`abi::vcpu`]'s table, in its order.
    pub cp32: [u32; CP32_REGISTERS],
    /// The banked core registers, in the table's order.
    pub banked: [u32; BANKED_REGISTERS],
    /// The 64-bit coprocessor registers, in the table's order.
    pub cp64: [u64; CP64_REGISTERS],
    /// What the guest reads as MPIDR.
    pub vmpidr: u32,
    /// GICH_VMCR.
    pub vmcr: u32,
    /// GICH_APR.
    pub apr: u32,
    /// Whether the virtual timer's physical interrupt was active when the vCPU left the hardware.
    pub timer_active: u32,
    /// Virtual counter's offset from the physical one.
    pub cntvoff: u64,
    /// d0-d31.
    pub d: [u64; 32],
    /// FPSCR.
    pub fpscr: u32,
    /// FPEXC.
    pub fpexc: u32,
    /// While its guest waits and its timer is not in the hardware: when the virtual timer is due.
    pub timeout: Timeout,
    /// Capabilities that name it.
    pub refs: u32,
    /// Its thread.
    pub tcb: Option<Handle<Tcb>>,
    /// 1 while its guest's writes to stage-1 control registers trap.
    pub watch_stage1: u32,
    /// Its virtual interrupts.
    pub interrupts: Interrupts,
    /// Its outstanding exit.
    pub exit: ExitRecord,
    /// The core in whose queue `timeout` stands, if it stands in one.
    pub watched_on: u32,
}

/// Virtual interrupts of a vCPU, as the kernel keeps them.
#[repr(C)]
pub struct Interrupts {
    /// For each number: what is known of it.
    pub state: [Interrupt; VIRTUAL_INTERRUPTS],
    /// Bitmap: pending, not in a list register.
    pub waiting: [u32; WAITING_WORDS],
    /// Bitmap of the words of `waiting` that are not 0.
    pub waiting_words: u32,
    /// Bitmap of the list registers that hold something, as far as is known.
    pub listed_mask: u32,
    /// What the list registers hold while the vCPU is not loaded.
    pub listed: [SavedListRegister; LIST_REGISTERS_MAX],
    /// The virtual timer's interrupt may be delivered (the distributor has it enabled).
    pub timer_enabled: u32,
    /// Its physical interrupt came while it could not be delivered and is kept active.
    pub timer_held: u32,
    /// 1 while its hardware-linked interrupt is in a list register.
    pub timer_listed: u32,
    /// Active interrupts that had to leave their list registers.
    pub spilled: u32,
    /// Whether the hardware was last asked for maintenance interrupts.
    pub refill: u32,
    /// Ends of spilled interrupts that the hardware had counted when the vCPU left it.
    pub ends: u32,
    /// For an interrupt that is linked to a physical one: that one's number.
    pub hardware: [u16; VIRTUAL_INTERRUPTS],
}

impl Interrupts {
    /// Forgets all of them: as zero as new memory, written in place.
    pub(crate) fn clear(&mut self) {
        let Self { state, waiting, waiting_words, listed_mask, listed, hardware, .. } = self;
        state.fill(Interrupt::default());
        waiting.fill(0);
        listed.fill(SavedListRegister::default());
        hardware.fill(0);
        (*waiting_words, *listed_mask) = (0, 0);
        (self.timer_enabled, self.timer_held, self.timer_listed) = (0, 0, 0);
        (self.spilled, self.refill) = (0, 0);
    }

    /// Whether an interrupt waits for a list register.
    pub(crate) fn waits(&self, intid: u16) -> bool {
        self.waiting[usize::from(intid) / 32 % WAITING_WORDS] & 1 << (intid % 32) != 0
    }

    /// Says whether it does.
    pub(crate) fn set_waiting(&mut self, intid: u16, waiting: bool) {
        let index = usize::from(intid) / 32 % WAITING_WORDS;
        let (word, bit) = (&mut self.waiting[index], 1 << (intid % 32));
        *word = if waiting { *word | bit } else { *word & !bit };
        let (any, bit) = (*word != 0, 1 << index);
        self.waiting_words = if any { self.waiting_words | bit } else { self.waiting_words & !bit };
    }

    /// What a list register holds.
    pub(crate) fn listed(&self, index: usize) -> SavedListRegister {
        self.listed[index % LIST_REGISTERS_MAX]
    }

    /// Remembers what a list register holds.
    pub(crate) fn set_listed(&mut self, index: usize, value: SavedListRegister) {
        let (index, bit) = (index % LIST_REGISTERS_MAX, 1 << (index % LIST_REGISTERS_MAX));
        self.listed[index] = value;
        self.listed_mask = if value.state != 0 { self.listed_mask | bit } else { self.listed_mask & !bit };
    }
}

/// The numbers of the bits that are set, the lowest first.
pub(crate) fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (bit < 32).then_some(bit)
    })
}

/// One virtual interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Interrupt {
    /// Bits of [`InterruptState`](abi::vcpu::InterruptState), and more of the kernel's own.
    pub flags: u8,
    /// Priority, 0 most urgent.
    pub priority: u8,
    /// For an SGI: bitmap of senders.
    pub sources: u8,
    /// Number of the list register that it is in, plus one.
    pub list_register: u8,
}

/// A list register in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct SavedListRegister {
    /// Virtual interrupt number; meaningful if `state` is not 0.
    pub intid: u16,
    /// Physical interrupt number plus one, 0 for none.
    pub hardware: u16,
    /// Priority.
    pub priority: u8,
    /// Sender of an SGI.
    pub source: u8,
    /// Pending in bit 0, active in bit 1, notify at the end in bit 2.
    pub state: u8,
    /// Zero.
    pub reserved: u8,
}

/// The outstanding exit of a vCPU, kept until its answer, so that it can be read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ExitRecord {
    /// [`ExitKind`](abi::exit::ExitKind), or 0.
    pub kind: u32,
    /// The message's words.
    pub words: [u32; 4],
    /// The syndrome (HSR).
    pub syndrome: u32,
    /// The faulting virtual address.
    pub address: u32,
    /// Register that `WRITE` writes (0-14); with [`Self::SECOND`], the second one in bits 11:8.
    pub register: u32,
    /// Whether the instruction is four bytes long.
    pub long: u32,
}

impl ExitRecord {
    /// Bit of `register`: there is a second register.
    pub const SECOND: u32 = 1 << 16;
}

impl Vcpu {
    /// A register of the table, or of those that follow it; 0 for core registers, which are the thread's.
    pub fn register(&self, register: GuestRegister) -> u64 {
        let number = register as u32;
        match register {
            GuestRegister::Vmpidr => u64::from(self.vmpidr),
            GuestRegister::Cntvoff => self.cntvoff,
            GuestRegister::Vmcr => u64::from(self.vmcr),
            GuestRegister::Apr => u64::from(self.apr),
            GuestRegister::Fpscr => u64::from(self.fpscr),
            GuestRegister::Fpexc => u64::from(self.fpexc),
            _ if number < CP32_FIRST => 0,
            _ if number < CP64_FIRST => u64::from(self.cp32[(number - CP32_FIRST) as usize]),
            _ if number < BANKED_FIRST => self.cp64[(number - CP64_FIRST) as usize],
            _ => u64::from(self.banked[(number - BANKED_FIRST) as usize]),
        }
    }

    /// Changes one of those.
    pub fn set_register(&mut self, register: GuestRegister, value: u64) {
        let number = register as u32;
        match register {
            GuestRegister::Vmpidr => self.vmpidr = value as u32,
            GuestRegister::Cntvoff => self.cntvoff = value,
            GuestRegister::Vmcr => self.vmcr = value as u32,
            GuestRegister::Apr => self.apr = value as u32,
            GuestRegister::Fpscr => self.fpscr = value as u32,
            GuestRegister::Fpexc => self.fpexc = value as u32,
            _ if number < CP32_FIRST => {}
            _ if number < CP64_FIRST => self.cp32[(number - CP32_FIRST) as usize] = value as u32,
            _ if number < BANKED_FIRST => self.cp64[(number - CP64_FIRST) as usize] = value,
            _ => self.banked[(number - BANKED_FIRST) as usize] = value as u32,
        }
    }
}

impl SavedListRegister {
    /// Whether what it held was ended by the guest.
    pub fn has_ended(self) -> bool {
        self.state & 3 == 0
    }

    /// The value that the platform writes.
    pub fn value(self) -> ListRegister {
        ListRegister {
            intid: self.intid,
            priority: self.priority,
            pending: self.state & 1 != 0,
            active: self.state & 2 != 0,
            source: self.source,
            hardware: self.hardware.checked_sub(1),
            notify_end: self.state & 4 != 0,
        }
    }
}

impl From<ListRegister> for SavedListRegister {
    fn from(value: ListRegister) -> Self {
        Self {
            intid: value.intid,
            hardware: value.hardware.map_or(0, |intid| intid + 1),
            priority: value.priority,
            source: value.source,
            state: value.pending as u8 | (value.active as u8) << 1 | (value.notify_end as u8) << 2,
            reserved: 0,
        }
    }
}

plain!(Vcpu);

const _: () = assert!(core::mem::size_of::<Vcpu>() <= VCPU_BYTES as usize);
