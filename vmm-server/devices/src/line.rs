//! What a device is given instead of a host: an interrupt line, and a place for its bytes.

/// The interrupt line of a device.
pub trait Line {
    /// The device drives its line: `true` is asserted. Called only when the level changes.
    fn set(&mut self, level: bool);
}

impl<F: FnMut(bool)> Line for F {
    fn set(&mut self, level: bool) {
        self(level)
    }
}

/// Where a byte stream ends: the far side of a wire.
pub trait Output {
    /// The device sends one byte. An output that is full drops it.
    fn put(&mut self, byte: u8);

    /// Bytes that the output takes now without dropping one. A device that can wait does; a PL011 cannot.
    fn room(&self) -> usize {
        usize::MAX
    }
}

impl<F: FnMut(u8)> Output for F {
    fn put(&mut self, byte: u8) {
        self(byte)
    }
}
