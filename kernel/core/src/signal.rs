//! Notifications: signal and wait.

use crate::arena::Handle;
use crate::fastpath::Fast;
use crate::objects::Notification;
use crate::tcb::{State, Tcb};
use crate::transfer::R_BADGE;
use crate::{Kernel, Platform};
use abi::Error;

impl<P: Platform> Kernel<P> {
    /// Sets the bits of `badge`, and wakes the first waiter with all bits that are set. The last act of an entry: the waiter
    /// may run from now on.
    #[inline]
    pub(crate) fn signal(&mut self, notification: Handle<Notification>, badge: u32) -> Fast {
        let object = self.arena.get_mut(notification);
        object.word |= badge;
        let Some(tcb) = object.queue.head else { return Fast::Done };
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
