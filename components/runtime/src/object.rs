//! Handles of IPC objects and of kernel objects that are not memory: one method for each of [`abi::method`].

use crate::handle::VSpace;
use crate::ipc::{Event, Received};
use crate::svc::{Registers, invoke, svc};
use abi::method::{
    IrqControlMethod, IrqHandlerMethod, PowerMethod, SchedContextMethod, TcbMethod, ThreadState, VcpuMethod,
};
use abi::syscall::CPtr;
use abi::vcpu::{GuestRegister, InterruptState};
use abi::{Error, MessageInfo, Syscall};

use crate::handle::{CNode, Frame, handles};

handles! {
    /// A thread.
    Tcb;
    /// A virtual processor.
    Vcpu;
    /// A meeting point for messages.
    Endpoint;
    /// A word of binary semaphores.
    Notification;
    /// The place where a server keeps its caller.
    Reply;
    /// Processor time.
    SchedContext;
    /// The authority over interrupts.
    IrqControl;
    /// One interrupt.
    IrqHandler;
    /// The authority over the machine's power.
    Power;
}

impl Tcb {
    /// Gives it its capability and address spaces.
    pub fn set_spaces(self, cspace: CNode, vspace: VSpace) -> Result<(), Error> {
        invoke(self.0, TcbMethod::SetSpaces as u16, [cspace.0, vspace.0, 0, 0], 2).map(drop)
    }
    /// Its IPC buffer: a frame, and the offset in it in bytes, a multiple of 512. `Frame(0)`: none.
    pub fn set_ipc_buffer(self, frame: Frame, offset: u32) -> Result<(), Error> {
        invoke(self.0, TcbMethod::SetIpcBuffer as u16, [frame.0, offset, 0, 0], 2).map(drop)
    }
    /// Where its faults, or its guest's exits, go. `Endpoint(0)`: nowhere.
    pub fn set_fault_handler(self, endpoint: Endpoint) -> Result<(), Error> {
        invoke(self.0, TcbMethod::SetFaultHandler as u16, [endpoint.0, 0, 0, 0], 1).map(drop)
    }
    /// From now on it also receives the word of `notification` where it receives messages.
    pub fn bind_notification(self, notification: Notification) -> Result<(), Error> {
        invoke(self.0, TcbMethod::BindNotification as u16, [notification.0, 0, 0, 0], 1).map(drop)
    }
    /// Takes that back.
    pub fn unbind_notification(self) -> Result<(), Error> {
        invoke(self.0, TcbMethod::UnbindNotification as u16, [0; 4], 0).map(drop)
    }
    /// Its priority and ceiling, neither above the ceiling of `authority`.
    pub fn set_priority(self, authority: Tcb, priority: u8, ceiling: u8) -> Result<(), Error> {
        let words = [authority.0, priority.into(), ceiling.into(), 0];
        invoke(self.0, TcbMethod::SetPriority as u16, words, 3).map(drop)
    }
    /// Where it starts (bit 0: Thumb), its stack, and its argument.
    pub fn write_registers(self, entry: u32, stack: u32, argument: u32) -> Result<(), Error> {
        invoke(self.0, TcbMethod::WriteRegisters as u16, [entry & !1, stack, argument, entry & 1], 4).map(drop)
    }
    /// One of its registers: 0-14, 15 the pc, 16 the cpsr.
    pub fn read_register(self, register: u32) -> Result<u32, Error> {
        invoke(self.0, TcbMethod::ReadRegister as u16, [register, 0, 0, 0], 1).map(|words| words[0])
    }
    /// Lets it run, as soon as it has a scheduling context.
    pub fn resume(self) -> Result<(), Error> {
        invoke(self.0, TcbMethod::Resume as u16, [0; 4], 0).map(drop)
    }
    /// Stops it; a pending IPC is cancelled.
    pub fn suspend(self) -> Result<(), Error> {
        invoke(self.0, TcbMethod::Suspend as u16, [0; 4], 0).map(drop)
    }
    /// From now on it runs that vCPU's guest.
    pub fn bind_vcpu(self, vcpu: Vcpu) -> Result<(), Error> {
        invoke(self.0, TcbMethod::BindVcpu as u16, [vcpu.0, 0, 0, 0], 1).map(drop)
    }
    /// What it is doing, as a [`ThreadState`] number.
    pub fn state(self) -> Result<u32, Error> {
        invoke(self.0, TcbMethod::ReadState as u16, [0; 4], 0).map(|words| words[0])
    }
    /// Whether it waits to receive.
    pub fn is_receiving(self) -> Result<bool, Error> {
        Ok(self.state()? == ThreadState::BlockedOnReceive as u32)
    }
}

impl Vcpu {
    /// A register of the guest.
    pub fn read_register(self, register: GuestRegister) -> Result<u64, Error> {
        let [low, high, ..] = invoke(self.0, VcpuMethod::ReadRegister as u16, [register as u32, 0, 0, 0], 1)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }
    /// Changes it.
    pub fn write_register(self, register: GuestRegister, value: u64) -> Result<(), Error> {
        let words = [register as u32, value as u32, (value >> 32) as u32, 0];
        invoke(self.0, VcpuMethod::WriteRegister as u16, words, 3).map(drop)
    }
    /// Makes an interrupt pending once. `source`: the sending vCPU of an SGI.
    #[inline]
    pub fn inject(self, intid: u32, priority: u8, source: u32) -> Result<(), Error> {
        invoke(self.0, VcpuMethod::Inject as u16, [intid, priority.into(), source, 0], 3).map(drop)
    }
    /// Sets the level of a line.
    #[inline]
    pub fn set_level(self, intid: u32, priority: u8, level: bool) -> Result<(), Error> {
        invoke(self.0, VcpuMethod::SetLevel as u16, [intid, priority.into(), level.into(), 0], 3).map(drop)
    }
    /// Takes back what is only pending, and tells the state of just before.
    #[inline]
    pub fn retract(self, intid: u32) -> Result<InterruptState, Error> {
        let words = invoke(self.0, VcpuMethod::Retract as u16, [intid, 0, 0, 0], 1)?;
        Ok(InterruptState(words[0]))
    }
    /// State of a virtual interrupt.
    pub fn read_interrupt(self, intid: u32) -> Result<InterruptState, Error> {
        let words = invoke(self.0, VcpuMethod::ReadInterrupt as u16, [intid, 0, 0, 0], 1)?;
        Ok(InterruptState(words[0]))
    }
    /// Whether the virtual timer's interrupt is delivered, and how urgent it is.
    pub fn set_timer(self, enabled: bool, priority: u8) -> Result<(), Error> {
        invoke(self.0, VcpuMethod::SetTimer as u16, [enabled.into(), priority.into(), 0, 0], 2).map(drop)
    }
    /// The outstanding exit again: its kind (0: none) and words 0-2.
    pub fn read_exit(self) -> Result<[u32; 4], Error> {
        invoke(self.0, VcpuMethod::ReadExit as u16, [0; 4], 0)
    }
    /// Puts every register back to its reset value and drops all interrupts.
    pub fn reset(self) -> Result<(), Error> {
        invoke(self.0, VcpuMethod::Reset as u16, [0; 4], 0).map(drop)
    }
    /// Whether the guest's writes to its stage-1 control registers become exits.
    pub fn watch_stage1(self, on: bool) -> Result<(), Error> {
        invoke(self.0, VcpuMethod::WatchStage1 as u16, [on.into(), 0, 0, 0], 1).map(drop)
    }
    /// Syndrome of the outstanding exit, fault address, pc, cpsr.
    pub fn read_syndrome(self) -> Result<[u32; 4], Error> {
        invoke(self.0, VcpuMethod::ReadSyndrome as u16, [0; 4], 0)
    }
}

impl Endpoint {
    /// Sends and waits for the answer. What does not fit in the words lies in the IPC buffer.
    #[inline(always)]
    pub fn call(self, info: MessageInfo, words: [u32; 4]) -> Result<Received, Error> {
        Received::of(svc::<{ Syscall::Call as u32 }>(Registers::new(self.0, info, words, 0)))
    }
    /// Sends and waits until someone has received it.
    pub fn send(self, info: MessageInfo, words: [u32; 4]) -> Result<(), Error> {
        svc::<{ Syscall::Send as u32 }>(Registers::new(self.0, info, words, 0)).checked().map(drop)
    }
    /// Sends if someone is waiting.
    pub fn send_if_awaited(self, info: MessageInfo, words: [u32; 4]) -> Result<(), Error> {
        svc::<{ Syscall::NbSend as u32 }>(Registers::new(self.0, info, words, 0)).checked().map(drop)
    }
    /// Receives; the caller is kept in `reply`.
    #[inline(always)]
    pub fn receive(self, reply: Reply) -> Result<Received, Error> {
        Received::of(svc::<{ Syscall::Recv as u32 }>(Registers::new(self.0, MessageInfo(0), [0; 4], reply.0)))
    }
    /// Receives a message or the word of the thread's bound notification.
    pub fn receive_event(self, reply: Reply) -> Result<Event, Error> {
        Event::of(svc::<{ Syscall::Recv as u32 }>(Registers::new(self.0, MessageInfo(0), [0; 4], reply.0)))
    }
    /// Answers the caller in `reply`, then receives as [`receive_event`](Self::receive_event).
    pub fn answer_and_receive_event(self, reply: Reply, info: MessageInfo, words: [u32; 4]) -> Result<Event, Error> {
        Event::of(svc::<{ Syscall::ReplyRecv as u32 }>(Registers::new(self.0, info, words, reply.0)))
    }
    /// Receives if a sender is waiting.
    pub fn receive_if_any(self, reply: Reply) -> Result<Received, Error> {
        Received::of(svc::<{ Syscall::NbRecv as u32 }>(Registers::new(self.0, MessageInfo(0), [0; 4], reply.0)))
    }
    /// Answers the caller in `reply`, then receives the next one into it.
    #[inline(always)]
    pub fn answer_and_receive(self, reply: Reply, info: MessageInfo, words: [u32; 4]) -> Result<Received, Error> {
        Received::of(svc::<{ Syscall::ReplyRecv as u32 }>(Registers::new(self.0, info, words, reply.0)))
    }
}

impl Notification {
    /// Sets the badge's bits.
    #[inline]
    pub fn signal(self) -> Result<(), Error> {
        svc::<{ Syscall::Signal as u32 }>(Registers::new(self.0, MessageInfo(0), [0; 4], 0)).checked().map(drop)
    }
    /// Waits for bits, which are taken.
    pub fn wait(self) -> Result<u32, Error> {
        let r = svc::<{ Syscall::Wait as u32 }>(Registers::new(self.0, MessageInfo(0), [0; 4], 0)).checked()?;
        Ok(r.r12)
    }
    /// Takes what bits there are; 0 if none.
    pub fn poll(self) -> Result<u32, Error> {
        match svc::<{ Syscall::Poll as u32 }>(Registers::new(self.0, MessageInfo(0), [0; 4], 0)).checked() {
            Ok(r) => Ok(r.r12),
            Err(Error::WouldBlock) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

impl Reply {
    /// Answers the caller that is kept in it.
    pub fn answer(self, info: MessageInfo, words: [u32; 4]) -> Result<(), Error> {
        svc::<{ Syscall::Reply as u32 }>(Registers::new(self.0, info, words, 0)).checked().map(drop)
    }
}

impl SchedContext {
    /// Its core, and its budget in each period, by the authority over time at `control`.
    pub fn configure(self, control: CPtr, core: u32, budget_us: u32, period_us: u32) -> Result<(), Error> {
        invoke(self.0, SchedContextMethod::Configure as u16, [core, budget_us, period_us, control], 4).map(drop)
    }
    /// The thread runs on it.
    pub fn bind(self, tcb: Tcb) -> Result<(), Error> {
        invoke(self.0, SchedContextMethod::Bind as u16, [tcb.0, 0, 0, 0], 1).map(drop)
    }
    /// Its thread becomes passive.
    pub fn unbind(self) -> Result<(), Error> {
        invoke(self.0, SchedContextMethod::Unbind as u16, [0; 4], 0).map(drop)
    }
    /// Microseconds consumed so far.
    pub fn consumed_us(self) -> Result<u64, Error> {
        let [low, high, ..] = invoke(self.0, SchedContextMethod::Consumed as u16, [0; 4], 0)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }
}

impl IrqControl {
    /// Puts a handler of an interrupt into a slot of `cnode`.
    pub fn get(self, intid: u32, cnode: CNode, index: u32, edge: bool) -> Result<(), Error> {
        invoke(self.0, IrqControlMethod::Get as u16, [intid, cnode.0, index, edge.into()], 4).map(drop)
    }
}

impl IrqHandler {
    /// What the interrupt signals.
    pub fn set_notification(self, notification: Notification) -> Result<(), Error> {
        invoke(self.0, IrqHandlerMethod::SetNotification as u16, [notification.0, 0, 0, 0], 1).map(drop)
    }
    /// Lets it come again.
    pub fn ack(self) -> Result<(), Error> {
        invoke(self.0, IrqHandlerMethod::Ack as u16, [0; 4], 0).map(drop)
    }
    /// Injects it directly into a guest.
    pub fn bind_vcpu(self, vcpu: Vcpu, intid: u32, priority: u8) -> Result<(), Error> {
        invoke(self.0, IrqHandlerMethod::BindVcpu as u16, [vcpu.0, intid, priority.into(), 0], 3).map(drop)
    }
    /// Masks it and binds it to nothing.
    pub fn clear(self) -> Result<(), Error> {
        invoke(self.0, IrqHandlerMethod::Clear as u16, [0; 4], 0).map(drop)
    }
}

impl Power {
    /// Switches the machine off. Returns where the board can't.
    pub fn off(self) -> Result<(), Error> {
        invoke(self.0, PowerMethod::Off as u16, [0; 4], 0).map(drop)
    }
    /// Resets the machine. Returns where the board can't.
    pub fn reset(self) -> Result<(), Error> {
        invoke(self.0, PowerMethod::Reset as u16, [0; 4], 0).map(drop)
    }
}

/// The handle at that address, of whichever type is wanted.
pub trait Handle: Copy {
    /// The handle.
    fn at(address: CPtr) -> Self;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    /// Calls as the kernel saw them, each answered with success and counting words.
    fn recorded(work: impl FnOnce()) -> Vec<(u32, [u32; 7])> {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = seen.clone();
        host::install(move |number: u32, r: &mut [u32; 7]| {
            log.borrow_mut().push((number, *r));
            *r = [0, 0, 11, 12, 13, 14, 15];
        });
        work();
        seen.take()
    }

    #[test]
    fn arguments_stand_where_the_abi_says() {
        let calls = recorded(|| {
            Tcb(7).write_registers(0x1001, 0x2000, 3).unwrap();
            assert_eq!(Vcpu(8).read_register(GuestRegister::Pc), Ok(12 << 32 | 11));
            assert_eq!(Notification(9).wait(), Ok(15));
            Endpoint(4).answer_and_receive(Reply(5), MessageInfo::new(6, 4), [1, 2, 3, 4]).unwrap();
        });
        let info = |label, bytes| MessageInfo::new(label, bytes).0;
        assert_eq!(calls[0], (0, [7, info(0x605, 16), 0x1000, 0x2000, 3, 1, 0]));
        assert_eq!(calls[1], (0, [8, info(0x701, 4), 15, 0, 0, 0, 0]));
        assert_eq!(calls[2], (7, [9, 0, 0, 0, 0, 0, 0]));
        assert_eq!(calls[3], (1, [4, info(6, 4), 1, 2, 3, 4, 5]));
    }

    #[test]
    fn a_poll_that_finds_nothing_is_no_error_and_others_are() {
        host::install(|_: u32, r: &mut [u32; 7]| r[0] = Error::WouldBlock as u32);
        assert_eq!(Notification(1).poll(), Ok(0));
        host::install(|_: u32, r: &mut [u32; 7]| r[0] = Error::EmptySlot as u32);
        assert_eq!(Notification(1).poll(), Err(Error::EmptySlot));
    }
}
