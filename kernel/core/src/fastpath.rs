//! The fast path: a call to a passive server that waits, and its answer; a message to an active one; a signal.
//! With nothing else to decide.
//!
//! Each function looks at all that could make the case another one before it changes anything, and answers `None`
//! then: the general code of `ipc.rs` does the same, at length, and is what these two must agree with
//! (`tests/ipc.rs` runs both). What is spared: queues of more than one thread, the scheduler, the clock.

use crate::arena::Handle;
use crate::cap::Cap;
use crate::lookup;
use crate::objects::{Endpoint, Waiters};
use crate::queue::Queue;
use crate::tcb::{Sent, State, Tcb};
use crate::transfer::{R_BADGE, R_INFO, R_WORDS};
use crate::vcpu::Vcpu;
use crate::{Kernel, Platform};
use abi::Rights;
use abi::message::{MessageInfo, REGISTER_BYTES, REGISTER_WORDS};
use abi::method::NOTHING;

/// The message's part of a context: descriptor and words.
const MESSAGE: core::ops::Range<usize> = R_INFO..R_WORDS + REGISTER_WORDS;

/// How a call that took the fast path ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fast {
    /// That thread runs from now on, and nothing is left to decide.
    Runs(Handle<Tcb>),
    /// The caller goes on, unless the scheduler finds another.
    Done,
}

impl<P: Platform> Kernel<P> {
    /// Whether nobody who is ready is more urgent than that.
    #[inline(always)]
    fn most_urgent(&mut self, priority: u8) -> bool {
        i32::from(priority) >= self.core().ready.top()
    }

    /// A `Call` on an endpoint, with the right to it, where a passive server waits; or the one that does nothing.
    #[inline(always)]
    pub(crate) fn fast_call(&mut self, tcb: Handle<Tcb>) -> Option<Fast> {
        let registers = &self.arena.get(tcb).context.r;
        let info = MessageInfo(registers[R_INFO]);
        let slot = lookup::direct(&self.arena, tcb, registers[0])?;
        let (rights, endpoint, badge) = match self.arena.get(slot).cap {
            Cap::Endpoint { rights, endpoint, badge } => (rights, endpoint, badge),
            Cap::Null | Cap::Notification { .. } | Cap::Reply { .. } => return None,
            _ if info.label() == NOTHING => {
                self.arena.get_mut(tcb).context.r[0] = 0;
                return Some(Fast::Done);
            }
            _ => return None,
        };
        if !rights.contains(Rights::WRITE) {
            return None;
        }
        let to = self.fast_donate(tcb, endpoint, Sent::Call)?;
        let (client, server) = self.arena.pair_mut(tcb, to);
        client.grants = rights.contains(Rights::GRANT);
        server.context.r[0] = 0;
        server.context.r[R_BADGE] = badge;
        server.context.r[MESSAGE].copy_from_slice(&client.context.r[MESSAGE]);
        if !info.is_short() {
            self.deliver_long(tcb, to, info, rights.contains(Rights::GRANT));
        }
        Some(Fast::Runs(to))
    }

    /// An exit of the guest that `tcb` runs, whose VMM waits.
    #[inline(always)]
    pub(crate) fn fast_exit(&mut self, tcb: Handle<Tcb>, vcpu: Handle<Vcpu>) -> Option<Handle<Tcb>> {
        let Cap::Endpoint { rights, endpoint, badge } = self.arena.get(tcb).fault_handler.cap else { return None };
        if !rights.contains(Rights::WRITE) {
            return None;
        }
        let to = self.fast_donate(tcb, endpoint, Sent::Exit)?;
        let (exit, server) = self.arena.pair_mut(vcpu, to);
        let exit = &exit.exit;
        server.context.r[0] = 0;
        server.context.r[R_BADGE] = badge;
        server.context.r[R_INFO] = MessageInfo::new(exit.kind as u16, REGISTER_BYTES).0;
        server.context.r[R_WORDS..R_WORDS + REGISTER_WORDS].copy_from_slice(&exit.words);
        Some(to)
    }

    /// Makes `from` wait for the answer of the passive server that waits alone at `endpoint`, which runs from now on, on
    /// the context of `from`. `None`: it is not so simple, and nothing has changed.
    #[inline(always)]
    fn fast_donate(&mut self, from: Handle<Tcb>, endpoint: Handle<Endpoint>, sent: Sent) -> Option<Handle<Tcb>> {
        let point = self.arena.get(endpoint);
        let to = point.queue.head?;
        if point.waiters != Waiters::Receivers || point.queue.tail != Some(to) {
            return None;
        }
        let server = self.arena.get(to);
        let reply = server.reply?;
        let priority = server.priority;
        if server.sched.is_some() || !self.most_urgent(priority) {
            return None;
        }
        let context = self.arena.get(from).sched?;

        let point = self.arena.get_mut(endpoint);
        point.queue = Queue::EMPTY;
        point.waiters = Waiters::None;
        let server = self.arena.get_mut(to);
        server.state = State::Running;
        server.reply = None;
        server.sched = Some(context);
        let object = self.arena.get_mut(reply);
        object.caller = Some(from);
        object.receiver = None;
        object.donated = Some(context);
        self.arena.get_mut(context).tcb = Some(to);
        let client = self.arena.get_mut(from);
        client.sched = None;
        client.state = State::AwaitingReply(reply);
        client.sent = sent;
        self.core().current = Some(to);
        Some(to)
    }

    /// The answer of a passive server to the caller whose context it runs on, and its next wait.
    #[inline(always)]
    pub(crate) fn fast_reply_receive(&mut self, tcb: Handle<Tcb>) -> Option<Fast> {
        let registers = &self.arena.get(tcb).context.r;
        let info = MessageInfo(registers[R_INFO]);
        let (endpoint, reply) = (registers[0], registers[R_BADGE]);
        let slot = lookup::direct(&self.arena, tcb, reply)?;
        let Cap::Reply { reply } = self.arena.get(slot).cap else { return None };
        let slot = lookup::direct(&self.arena, tcb, endpoint)?;
        let Cap::Endpoint { rights, endpoint, .. } = self.arena.get(slot).cap else { return None };
        let object = self.arena.get(reply);
        let (caller, context) = (object.caller?, object.donated?);
        debug_assert!(object.receiver.is_none());
        let client = self.arena.get(caller);
        let (sent, priority) = (client.sent, client.priority);
        let simple = rights.contains(Rights::READ)
            && client.sched.is_none()
            && matches!(sent, Sent::Call | Sent::Exit)
            && self.is_lent(context, tcb)
            && self.arena.get(endpoint).waiters == Waiters::None;
        if !simple || !self.most_urgent(priority) {
            return None;
        }

        let object = self.arena.get_mut(reply);
        object.caller = None;
        object.donated = None;
        object.receiver = Some(tcb);
        self.arena.get_mut(context).tcb = Some(caller);
        let point = self.arena.get_mut(endpoint);
        point.queue = Queue { head: Some(tcb), tail: Some(tcb) };
        point.waiters = Waiters::Receivers;
        let (server, client) = self.arena.pair_mut(tcb, caller);
        server.state = State::Receiving(endpoint);
        server.sched = None;
        server.reply = Some(reply);
        client.sched = Some(context);
        client.state = State::Running;
        if sent == Sent::Call {
            client.context.r[0] = 0;
            client.context.r[MESSAGE].copy_from_slice(&server.context.r[MESSAGE]);
            self.core().current = Some(caller);
            if !info.is_short() {
                self.deliver_long(tcb, caller, info, true);
            }
        } else {
            self.core().current = Some(caller);
            self.apply_exit_reply(tcb, caller, info.label());
            if self.arena.get(caller).state != State::Running {
                self.make_unready(caller);
                return Some(Fast::Done);
            }
        }
        Some(Fast::Runs(caller))
    }

    /// A message, without an answer, to a thread that waits for one and has time of its own.
    #[inline(always)]
    pub(crate) fn fast_send(&mut self, tcb: Handle<Tcb>) -> Option<Fast> {
        let registers = &self.arena.get(tcb).context.r;
        let info = MessageInfo(registers[R_INFO]);
        let slot = lookup::direct(&self.arena, tcb, registers[0])?;
        let Cap::Endpoint { rights, endpoint, badge } = self.arena.get(slot).cap else { return None };
        let point = self.arena.get(endpoint);
        let to = point.queue.head?;
        if !rights.contains(Rights::WRITE) || point.waiters != Waiters::Receivers || self.arena.get(to).sched.is_none()
        {
            return None;
        }

        self.dequeue(endpoint, to);
        self.unlink_receiver(to);
        let (client, server) = self.arena.pair_mut(tcb, to);
        client.context.r[0] = 0;
        server.context.r[0] = 0;
        server.context.r[R_BADGE] = badge;
        server.context.r[MESSAGE].copy_from_slice(&client.context.r[MESSAGE]);
        server.state = State::Running;
        if !info.is_short() {
            self.deliver_long(tcb, to, info, rights.contains(Rights::GRANT));
        }
        Some(self.wake(to))
    }

    /// A signal. Nobody else makes one: an address of more than one step is looked up here, too.
    #[inline(always)]
    pub(crate) fn fast_signal(&mut self, tcb: Handle<Tcb>) -> Option<Fast> {
        let slot = lookup::lookup(&self.arena, tcb, self.arena.get(tcb).context.r[0]).ok()?;
        match self.arena.get(slot).cap {
            Cap::Notification { rights, notification, badge } if rights.contains(Rights::WRITE) => {
                self.arena.get_mut(tcb).context.r[0] = 0;
                Some(self.signal(notification, badge))
            }
            _ => None,
        }
    }
}
