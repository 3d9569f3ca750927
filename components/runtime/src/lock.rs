//! Vault: a short lock between the threads of one component, and memory that is taken once.
//!
//! A thread that finds the lock taken waits at a notification; nobody spins. The lock is not held over IPC.
#![allow(unsafe_code, reason = "shared interior, guarded by the lock's word")]

use crate::object::Notification;
use abi::syscall::CPtr;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const AWAITED: u32 = 2;

/// A value that one thread at a time may use.
#[derive(Debug)]
pub struct Lock<T> {
    state: AtomicU32,
    notification: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: L: the value is only reached through a guard, and there is one guard at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// A lock that is free. Before [`set_notification`](Self::set_notification), a thread that must wait yields instead.
    pub const fn new(value: T) -> Self {
        Self { state: AtomicU32::new(FREE), notification: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Where threads wait: a notification that nothing else uses, with rights to signal and to wait.
    pub fn set_notification(&self, notification: Notification) {
        self.notification.store(notification.0, Ordering::Relaxed);
    }

    /// Takes the lock; waits while another thread has it.
    #[inline(always)]
    pub fn lock(&self) -> Guard<'_, T> {
        if self.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.wait();
        }
        Guard { lock: self }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        let taken = self.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then_some(Guard { lock: self })
    }

    #[cold]
    #[inline(never)]
    fn wait(&self) {
        while self.state.swap(AWAITED, Ordering::Acquire) != FREE {
            let notification: CPtr = self.notification.load(Ordering::Relaxed);
            if notification == 0 || Notification(notification).wait().is_err() {
                crate::svc::yield_now();
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        let notification: CPtr = self.notification.load(Ordering::Relaxed);
        if notification != 0 {
            // If the kernel refuses, there is nobody to wake.
            let _ = Notification(notification).signal();
        }
    }
}

/// Holds a lock until it is dropped.
#[derive(Debug)]
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: L: this guard is the only one.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: L: this guard is the only one, and it is borrowed for writing.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.lock.state.swap(FREE, Ordering::Release) == AWAITED {
            self.lock.wake();
        }
    }
}

/// A static value that is taken once, for what is too large for a stack.
#[derive(Debug)]
pub struct Place<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: P: the value is reached by whoever took it first, and by nobody else.
unsafe impl<T: Send> Sync for Place<T> {}

impl<T> Place<T> {
    /// A value to be taken.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value, the first time; `None` from then on.
    #[allow(clippy::mut_from_ref, reason = "it is handed out once")]
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: P: `taken` was false, so this is the only reference there will ever be.
        Some(unsafe { &mut *self.value.get() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use abi::Syscall;
    use std::sync::{Arc, Condvar, Mutex};
    use std::thread;

    /// A notification among threads of the host.
    fn notification() -> impl Fn() + Clone + Send {
        let word = Arc::new((Mutex::new(false), Condvar::new()));
        move || {
            let word = word.clone();
            host::install(move |number: u32, r: &mut [u32; 7]| {
                let mut set = word.0.lock().unwrap();
                r[0] = 0;
                if number == Syscall::Signal as u32 {
                    *set = true;
                    word.1.notify_one();
                } else {
                    assert_eq!(number, Syscall::Wait as u32);
                    while !*set {
                        set = word.1.wait(set).unwrap();
                    }
                    *set = false;
                }
            });
        }
    }

    #[test]
    fn nobody_is_let_in_twice_and_nobody_is_forgotten() {
        let lock = Arc::new(Lock::new((0_u32, 0_u32)));
        lock.set_notification(Notification(5));
        let install = notification();
        let threads: std::vec::Vec<_> = (0..4)
            .map(|_| {
                let (lock, install) = (lock.clone(), install.clone());
                thread::spawn(move || {
                    install();
                    for round in 0..2000 {
                        let mut pair = lock.lock();
                        pair.0 += 1;
                        if round % 64 == 0 {
                            thread::yield_now();
                        }
                        pair.1 += 1;
                        assert_eq!(pair.0, pair.1);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*lock.try_lock().unwrap(), (8000, 8000));
    }

    #[test]
    fn a_place_is_taken_once() {
        static PLACE: Place<[u32; 4]> = Place::new([1; 4]);
        assert_eq!(PLACE.take(), Some(&mut [1; 4]));
        assert_eq!(PLACE.take(), None);
        let lock = Lock::new(());
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(lock.try_lock().is_some());
    }
}
