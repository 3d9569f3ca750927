//! Endpoints and replies: send, call, receive, answer.

use crate::arena::Handle;
use crate::objects::{Endpoint, Reply, SchedContext, Waiters};
use crate::tcb::{Sent, State, Tcb};
use crate::transfer::{R_INFO, R_WORDS};
use crate::{Kernel, Platform};
use abi::Error;
use abi::message::{MessageInfo, REGISTER_WORDS};

impl<P: Platform> Kernel<P> {
    /// `from` sends what its `sent`, `badge` and `grants` say. If nobody receives, it waits.
    #[inline(never)]
    pub(crate) fn send(&mut self, from: Handle<Tcb>, endpoint: Handle<Endpoint>) {
        let point = self.arena.get(endpoint);
        match (point.waiters, point.queue.head) {
            (Waiters::Receivers, Some(to)) => {
                self.dequeue(endpoint, to);
                self.deliver(from, to);
                self.arena.get_mut(to).state = State::Running;
                self.hand_over(from, to);
            }
            _ => {
                self.arena.get_mut(from).state = State::Sending(endpoint);
                self.make_unready(from);
                self.enqueue(endpoint, from, Waiters::Senders);
            }
        }
    }

    /// Whether who would receive next is a passive server.
    pub(crate) fn waits_without_time(&self, endpoint: Handle<Endpoint>) -> bool {
        let point = self.arena.get(endpoint);
        point.waiters == Waiters::Receivers && point.queue.head.is_some_and(|to| self.arena.get(to).sched.is_none())
    }

    /// Adds a thread that is in no queue to an endpoint's.
    fn enqueue(&mut self, endpoint: Handle<Endpoint>, tcb: Handle<Tcb>, waiters: Waiters) {
        let mut queue = self.arena.get(endpoint).queue;
        queue.push(&mut self.arena, tcb);
        let point = self.arena.get_mut(endpoint);
        point.queue = queue;
        point.waiters = waiters;
    }

    #[inline(always)]
    pub(crate) fn dequeue(&mut self, endpoint: Handle<Endpoint>, tcb: Handle<Tcb>) {
        let mut queue = self.arena.get(endpoint).queue;
        queue.remove(&mut self.arena, tcb);
        let point = self.arena.get_mut(endpoint);
        point.queue = queue;
        if queue.is_empty() {
            point.waiters = Waiters::None;
        }
    }

    /// After `to` has received from `from`: who waits for whom, and who has the time.
    #[inline(never)]
    fn hand_over(&mut self, from: Handle<Tcb>, to: Handle<Tcb>) {
        let reply = self.unlink_receiver(to);
        if self.arena.get(from).sent == Sent::Send {
            // The sender goes on; so does the receiver, if it has time.
            self.make_ready(to);
            return;
        }
        let Some(reply) = reply else {
            // The receiver gave no place to keep a caller: it took the message, and there will be no answer.
            self.make_ready(to);
            self.fail_caller(from, Error::PeerGone);
            return;
        };
        self.arena.get_mut(from).state = State::AwaitingReply(reply);
        let passive = self.arena.get(to).sched.is_none();
        let donated = if passive { self.donate(from, to) } else { None };
        let object = self.arena.get_mut(reply);
        object.caller = Some(from);
        object.donated = donated;
        if donated.is_some() && self.running() == Some(from) {
            self.switch_to(to);
        } else {
            self.make_unready(from);
            self.make_ready(to);
        }
    }

    #[inline(always)]
    pub(crate) fn unlink_receiver(&mut self, to: Handle<Tcb>) -> Option<Handle<Reply>> {
        let reply = self.arena.get_mut(to).reply.take()?;
        self.arena.get_mut(reply).receiver = None;
        Some(reply)
    }

    /// `to` receives from an endpoint, keeping a caller in `reply`. Without `wait`, it does not block.
    ///
    /// # Errors
    /// `WouldBlock` if nobody sends and `wait` is false; `WrongState` if another thread receives into `reply`.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        to: Handle<Tcb>,
        endpoint: Handle<Endpoint>,
        reply: Option<Handle<Reply>>,
        wait: bool,
    ) -> Result<(), Error> {
        if let Some(reply) = reply
            && self.arena.get(reply).receiver.is_some()
        {
            return Err(Error::WrongState);
        }
        if self.receive_word(to) {
            return Ok(());
        }
        if !wait && self.arena.get(endpoint).waiters != Waiters::Senders {
            return Err(Error::WouldBlock);
        }
        if let Some(caller) = reply.and_then(|reply| self.arena.get(reply).caller) {
            // It is given up: its caller will never be answered.
            self.cancel_ipc(caller, Some(Error::PeerGone));
        }
        if self.arena.get(to).sched.is_none() {
            self.refuse_senders(endpoint);
        }
        let point = self.arena.get(endpoint);
        match (point.waiters, point.queue.head) {
            (Waiters::Senders, Some(from)) => {
                if let Some(reply) = reply {
                    self.arena.get_mut(to).reply = Some(reply);
                    self.arena.get_mut(reply).receiver = Some(to);
                }
                self.dequeue(endpoint, from);
                self.deliver(from, to);
                if self.arena.get(from).sent == Sent::Send {
                    let sender = self.arena.get_mut(from);
                    sender.state = State::Running;
                    sender.set_status(Ok(()));
                    self.unlink_receiver(to);
                    self.make_ready(from);
                } else {
                    self.hand_over(from, to);
                }
            }
            _ => {
                if let Some(reply) = reply {
                    self.arena.get_mut(reply).receiver = Some(to);
                }
                let thread = self.arena.get_mut(to);
                thread.reply = reply;
                thread.state = State::Receiving(endpoint);
                self.make_unready(to);
                self.enqueue(endpoint, to, Waiters::Receivers);
            }
        }
        Ok(())
    }

    /// `from` answers the caller in `reply`; a donated context goes back. Whether `from` lost its context so.
    ///
    /// # Errors
    /// `NoCaller`.
    #[inline]
    pub(crate) fn answer(&mut self, from: Handle<Tcb>, reply: Handle<Reply>) -> Result<(), Error> {
        let object = self.arena.get_mut(reply);
        let Some(caller) = object.caller.take() else { return Err(Error::NoCaller) };
        let donated = object.donated.take();
        let returned =
            donated.is_some_and(|context| self.is_lent(context, from)) && self.arena.get(caller).sched.is_none();
        if returned {
            self.donate(from, caller);
        } else if donated.is_some() {
            self.reclaim_context(caller);
        }
        let info = MessageInfo(self.arena.get(from).context.r[R_INFO]);
        match self.arena.get(caller).sent {
            Sent::Send | Sent::Call => {
                let (server, client) = self.arena.pair_mut(from, caller);
                client.context.r[0] = 0;
                client.context.r[R_INFO..R_WORDS + REGISTER_WORDS]
                    .copy_from_slice(&server.context.r[R_INFO..R_WORDS + REGISTER_WORDS]);
                client.state = State::Running;
                if !info.is_short() {
                    self.deliver_long(from, caller, info, true);
                }
            }
            Sent::Fault => self.apply_fault_reply(caller, info.label()),
            Sent::Exit => self.apply_exit_reply(from, caller, info.label()),
        }
        if returned && self.running() == Some(from) && self.arena.get(caller).state == State::Running {
            // The answer's thread has no time left to run on; its caller goes on where it was.
            self.switch_to(caller);
        } else {
            if returned {
                self.make_unready(from);
            }
            self.make_ready(caller);
        }
        Ok(())
    }

    /// A passive server that has just given its time back can take no message whose sender does not wait for an answer: those
    /// before the next call fail.
    fn refuse_senders(&mut self, endpoint: Handle<Endpoint>) {
        while let point = self.arena.get(endpoint)
            && point.waiters == Waiters::Senders
            && let Some(from) = point.queue.head
            && self.arena.get(from).sent == Sent::Send
        {
            self.cancel_ipc(from, Some(Error::WrongState));
        }
    }

    /// Whether a thread runs on that context, and it is not the thread's own.
    #[inline(always)]
    pub(crate) fn is_lent(&self, context: Handle<SchedContext>, to: Handle<Tcb>) -> bool {
        self.arena.get(to).sched == Some(context) && self.arena.get(to).home != Some(context)
    }

    /// Ends a thread's waiting, wherever it waits. With an error, its call fails with that and it goes on; without, it
    /// is left inactive.
    #[inline(never)]
    pub(crate) fn cancel_ipc(&mut self, tcb: Handle<Tcb>, error: Option<Error>) {
        match self.arena.get(tcb).state {
            State::Inactive | State::Running => {}
            State::Sending(endpoint) | State::Receiving(endpoint) => {
                self.dequeue(endpoint, tcb);
                self.unlink_receiver(tcb);
            }
            State::AwaitingReply(reply) => {
                let object = self.arena.get_mut(reply);
                object.caller = None;
                object.donated = None;
                self.reclaim_context(tcb);
            }
            State::Waiting(notification) => {
                let mut queue = self.arena.get(notification).queue;
                queue.remove(&mut self.arena, tcb);
                self.arena.get_mut(notification).queue = queue;
            }
            State::Idle => self.end_idle(tcb),
        }
        match error {
            Some(error) => self.fail_caller(tcb, error),
            None => self.arena.get_mut(tcb).state = State::Inactive,
        }
    }

    /// A thread whose message will not be answered: a component's call fails; a faulting component, or a guest
    /// whose exit nobody handles, can't go on and stops.
    fn fail_caller(&mut self, tcb: Handle<Tcb>, error: Error) {
        let thread = self.arena.get_mut(tcb);
        let waits = matches!(thread.state, State::Receiving(_) | State::Waiting(_));
        if waits || matches!(thread.sent, Sent::Send | Sent::Call) {
            thread.state = State::Running;
            thread.set_status(Err(error));
            self.make_ready(tcb);
        } else {
            thread.state = State::Inactive;
            self.make_unready(tcb);
        }
    }
}
