//! What stands behind a device's registers: a model that the test gives, or plain memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A device, as its driver sees it. A test that wants to look at its device while the system has it gives an
/// `Arc<Mutex<_>>` of it.
pub trait Device: Send {
    /// The driver loads `bytes` bytes (1, 2 or 4) from `offset`.
    fn load(&mut self, offset: u32, bytes: u32) -> u32;

    /// The driver stores to `offset`.
    fn store(&mut self, offset: u32, bytes: u32, value: u32);

    /// Whether it pulls its interrupt line.
    fn line(&self) -> bool {
        false
    }

    /// It is `now_us` microseconds after the start. The answer is when the device wants to be told again, if nothing else happens.
    fn time(&mut self, now_us: u64) -> Option<u64> {
        let _ = now_us;
        None
    }
}

impl<D: Device> Device for Arc<Mutex<D>> {
    fn load(&mut self, offset: u32, bytes: u32) -> u32 {
        self.lock().unwrap_or_else(PoisonError::into_inner).load(offset, bytes)
    }
    fn store(&mut self, offset: u32, bytes: u32, value: u32) {
        self.lock().unwrap_or_else(PoisonError::into_inner).store(offset, bytes, value);
    }
    fn line(&self) -> bool {
        self.lock().unwrap_or_else(PoisonError::into_inner).line()
    }
    fn time(&mut self, now_us: u64) -> Option<u64> {
        self.lock().unwrap_or_else(PoisonError::into_inner).time(now_us)
    }
}

/// Registers that hold what was written last, zero at first: what a device is that has no model.
#[derive(Clone, Debug, Default)]
pub struct Registers(BTreeMap<u32, u8>);

impl Device for Registers {
    fn load(&mut self, offset: u32, bytes: u32) -> u32 {
        (0..bytes).rev().fold(0, |word, n| word << 8 | u32::from(self.0.get(&(offset + n)).copied().unwrap_or(0)))
    }
    fn store(&mut self, offset: u32, bytes: u32, value: u32) {
        self.0.extend((0..bytes).map(|n| (offset + n, (value >> (8 * n)) as u8)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_hold_what_was_written_in_any_width() {
        let mut registers = Registers::default();
        registers.store(4, 4, 0x0403_0201);
        registers.store(6, 2, 0xbbaa);
        assert_eq!((registers.load(4, 4), registers.load(7, 1), registers.load(8, 4)), (0xbbaa_0201, 0xbb, 0));
    }
}
