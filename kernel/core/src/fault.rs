//! Faults of components, and the end of threads.

use crate::arena::Handle;
use crate::cap::Cap;
use crate::tcb::{Sent, State, Tcb};
use crate::{Kernel, Platform};
use abi::Rights;
use abi::fault::FaultKind;
use abi::message::{MessageInfo, REGISTER_BYTES};

impl<P: Platform> Kernel<P> {
    /// The running component did what it may not: its fault handler gets a message. Without one, it stops.
    pub fn on_component_fault(&mut self, kind: FaultKind, address: u32, syndrome: u32) {
        let tcb = self.current();
        let thread = self.arena.get_mut(tcb);
        let (pc, sp) = (thread.context.pc, thread.context.sp);
        thread.report = [MessageInfo::new(kind as u16, REGISTER_BYTES).0, address, pc, syndrome, sp];
        self.report(tcb, Sent::Fault);
    }

    /// The running server has used up its caller's time, and the overdraft: its fault handler is told. Without one it only
    /// waits for the next refill, as it does if the handler lets it go on.
    pub(crate) fn time_out(&mut self, server: Handle<Tcb>) {
        let thread = self.arena.get_mut(server);
        if thread.fault_handler.cap.is_null() || thread.state != State::Running {
            return;
        }
        let (pc, sp) = (thread.context.pc, thread.context.sp);
        thread.report = [MessageInfo::new(FaultKind::TimeOut as u16, REGISTER_BYTES).0, 0, pc, 0, sp];
        self.report(server, Sent::Fault);
    }

    /// Sends a fault or an exit to the thread's handler.
    #[inline]
    pub(crate) fn report(&mut self, tcb: Handle<Tcb>, sent: Sent) {
        let thread = self.arena.get_mut(tcb);
        match thread.fault_handler.cap {
            Cap::Endpoint { rights, endpoint, badge } if rights.contains(Rights::WRITE) => {
                thread.sent = sent;
                thread.badge = badge;
                thread.grants = false;
                self.send(tcb, endpoint);
            }
            _ => self.suspend(tcb),
        }
    }

    /// A fault was answered: label 0 lets the thread try again, any other leaves it stopped.
    pub(crate) fn apply_fault_reply(&mut self, tcb: Handle<Tcb>, label: u16) {
        self.arena.get_mut(tcb).state = if label == 0 { State::Running } else { State::Inactive };
    }

    /// Stops a thread; what it waited for is cancelled.
    pub(crate) fn suspend(&mut self, tcb: Handle<Tcb>) {
        self.cancel_ipc(tcb, None);
        self.make_unready(tcb);
    }

    /// The last capability to a thread is going: it stops, and nothing remembers it.
    pub(crate) fn end_thread(&mut self, tcb: Handle<Tcb>) {
        self.suspend(tcb);
        if let Some(context) = self.arena.get(tcb).sched {
            // A donated context goes home; its own is free again.
            match self.arena.get(context).home {
                Some(home) if home != tcb => {
                    self.arena.get_mut(tcb).sched = None;
                    self.arena.get_mut(context).tcb = None;
                    self.reclaim_context(home);
                }
                _ => self.unbind_context(context),
            }
        }
        if let Some(context) = self.arena.get(tcb).home {
            self.unbind_context(context);
        }
        if let Some(vcpu) = self.arena.get_mut(tcb).vcpu.take() {
            self.arena.get_mut(vcpu).tcb = None;
        }
        let here = self.here();
        if self.cores[here].current == Some(tcb) {
            self.cores[here].current = None;
            self.cores[here].reschedule = true;
        }
    }
}
