//! Notifications: signal and wait.

use crate::arena::Handle;
use crate::cap::{Cap, Slot};
use crate::fastpath::Fast;
use crate::objects::Notification;
use crate::tcb::{State, Tcb};
use crate::transfer::{R_BADGE, R_INFO};
use crate::{Kernel, Platform};
use abi::syscall::NOTIFIED;
use abi::{Error, Rights};
use core::mem::offset_of;

impl<P: Platform> Kernel<P> {
    /// Sets the bits of `badge`, and wakes the first waiter with all bits that are set. The last act of an entry: the waiter
    /// may run from now on.
    #[inline]
    pub(crate) fn signal(&mut self, notification: Handle<Notification>, badge: u32) -> Fast {
        let object = self.arena.get_mut(notification);
        object.word |= badge;
        let Some(tcb) = object.queue.head else { return self.signal_bound(notification) };
        let word = core::mem::take(&mut object.word);
        let mut queue = object.queue;
        queue.remove(&mut self.arena, tcb);
        self.arena.get_mut(notification).queue = queue;
        let thread = self.arena.get_mut(tcb);
        thread.context.r[R_BADGE] = word;
        thread.context.r[0] = 0;
        thread.state = State::Running;
        self.wake(tcb)
    }

    /// Nobody waits at the notification. If the thread that it is bound to receives messages, it gets the word instead of one.
    #[inline(never)]
    fn signal_bound(&mut self, notification: Handle<Notification>) -> Fast {
        if let Some(tcb) = self.arena.get(notification).bound
            && let State::Receiving(endpoint) = self.arena.get(tcb).state
            && self.receive_word(tcb)
        {
            self.dequeue(endpoint, tcb);
            self.unlink_receiver(tcb);
            self.arena.get_mut(tcb).state = State::Running;
            return self.wake(tcb);
        }
        Fast::Done
    }

    /// Gives a thread the word of its bound notification, if there is one that is not zero. A passive server gets none: it has
    /// no time to look at it.
    pub(crate) fn receive_word(&mut self, tcb: Handle<Tcb>) -> bool {
        let thread = self.arena.get(tcb);
        let Cap::Notification { notification, .. } = thread.bound.cap else { return false };
        if thread.sched.is_none() {
            return false;
        }
        let word = core::mem::take(&mut self.arena.get_mut(notification).word);
        if word != 0 {
            let registers = &mut self.arena.get_mut(tcb).context.r;
            registers[0] = NOTIFIED;
            registers[R_INFO] = 0;
            registers[R_BADGE] = word;
        }
        word != 0
    }

    /// Binds the notification in `source` to a thread.
    ///
    /// # Errors
    /// `WrongState` if either has a partner already.
    pub(crate) fn bind_notification(&mut self, tcb: Handle<Tcb>, source: Handle<Slot>) -> Result<(), Error> {
        let slot = Tcb::slot(&self.arena, tcb, offset_of!(Tcb, bound));
        let Cap::Notification { rights, notification, .. } = self.arena.get(source).cap else {
            return Err(Error::WrongType);
        };
        if !rights.contains(Rights::READ) {
            return Err(Error::NoRights);
        }
        if !self.arena.get(slot).cap.is_null() || self.arena.get(notification).bound.is_some() {
            return Err(Error::WrongState);
        }
        self.copy_cap(source, slot, Rights::all(), 0)?;
        self.arena.get_mut(notification).bound = Some(tcb);
        if let State::Receiving(_) = self.arena.get(tcb).state {
            // It may have been signalled already.
            self.signal_bound(notification);
        }
        Ok(())
    }

    /// A capability to a notification is going: if it is the one by which it is bound to a thread, that ends.
    pub(crate) fn unbind_notification(&mut self, notification: Handle<Notification>, slot: Handle<Slot>) {
        if let Some(tcb) = self.arena.get(notification).bound
            && Tcb::slot(&self.arena, tcb, offset_of!(Tcb, bound)) == slot
        {
            self.arena.get_mut(notification).bound = None;
        }
    }

    /// `tcb` takes the word of a notification, or waits for one that is not zero.
    ///
    /// # Errors
    /// `WouldBlock` if it is zero and `wait` is false.
    #[inline]
    pub(crate) fn wait(
        &mut self,
        tcb: Handle<Tcb>,
        notification: Handle<Notification>,
        wait: bool,
    ) -> Result<(), Error> {
        let word = core::mem::take(&mut self.arena.get_mut(notification).word);
        if word != 0 {
            let thread = self.arena.get_mut(tcb);
            thread.context.r[R_BADGE] = word;
            thread.context.r[0] = 0;
            return Ok(());
        }
        if !wait {
            return Err(Error::WouldBlock);
        }
        self.arena.get_mut(tcb).state = State::Waiting(notification);
        self.make_unready(tcb);
        let mut queue = self.arena.get(notification).queue;
        queue.push(&mut self.arena, tcb);
        self.arena.get_mut(notification).queue = queue;
        Ok(())
    }
}
