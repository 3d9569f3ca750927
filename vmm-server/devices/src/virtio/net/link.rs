//! What a network device wants from its host: frames in, frames out.

/// The far side of a network device: a port of a switch, say. Frames are whole Ethernet frames, without their checksum.
pub trait Link {
    /// Begins a frame of that many bytes. False if it is not taken now, be it for lack of room or because this VM has had its share
    /// (see [`Pace`](super::Pace)): the frame waits, and the device wants to be served when that changes. A frame that was
    /// begun and not sent is forgotten.
    fn open(&mut self, bytes: usize) -> bool;
    /// The next bytes of the frame that was begun.
    fn put(&mut self, bytes: &[u8]);
    /// The frame is complete.
    fn send(&mut self);

    /// How many bytes the first frame has that waits for the guest.
    fn waiting(&mut self) -> Option<usize>;
    /// Copies from that frame, from `offset` on.
    fn take(&mut self, offset: usize, into: &mut [u8]);
    /// That frame has been dealt with: the next one is the first.
    fn next(&mut self);
}
