//! Messages: their descriptor word and the buffer for what does not fit in registers.

/// Bytes of a message that travel in registers r2-r5.
pub const REGISTER_BYTES: usize = 16;
/// Words of a message that travel in registers.
pub const REGISTER_WORDS: usize = REGISTER_BYTES / 4;
/// The longest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 480;
/// Words in the message area of an [`IpcBuffer`].
pub const MESSAGE_WORDS_MAX: usize = MESSAGE_BYTES_MAX / 4;
/// Alignment that an IPC buffer's address must have, in bytes.
pub const IPC_BUFFER_ALIGN: u32 = 512;

/// Descriptor of a message: label in bits 31:16, one transferred capability in bit 15, length in
/// bytes in bits 9:0.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct MessageInfo(pub u32);

impl MessageInfo {
    /// Bit that says that one capability travels with the message.
    pub const CAP: u32 = 1 << 15;
    /// Mask of the length field.
    pub const LENGTH_MASK: u32 = 0x3ff;

    /// A descriptor with `label` and a length of `bytes` (at most [`MESSAGE_BYTES_MAX`]; more is cut).
    pub const fn new(label: u16, bytes: usize) -> Self {
        let length = if bytes > MESSAGE_BYTES_MAX { MESSAGE_BYTES_MAX } else { bytes };
        Self((label as u32) << 16 | length as u32)
    }

    /// The same descriptor, saying that the capability named in the IPC buffer goes along.
    pub const fn with_cap(self) -> Self {
        Self(self.0 | Self::CAP)
    }

    /// What the message is: a method of a kernel object, or whatever two components agreed on.
    pub const fn label(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Length in bytes, never more than [`MESSAGE_BYTES_MAX`] whatever the word says.
    pub const fn length(self) -> usize {
        let length = (self.0 & Self::LENGTH_MASK) as usize;
        if length > MESSAGE_BYTES_MAX { MESSAGE_BYTES_MAX } else { length }
    }

    /// Whether a capability travels with the message.
    pub const fn has_cap(self) -> bool {
        self.0 & Self::CAP != 0
    }

    /// Whether the whole message fits in registers and carries no capability: the fast path.
    pub const fn is_short(self) -> bool {
        self.0 & (Self::CAP | Self::LENGTH_MASK) <= REGISTER_BYTES as u32
    }
}

impl core::fmt::Debug for MessageInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MessageInfo")
            .field("label", &self.label())
            .field("length", &self.length())
            .field("cap", &self.has_cap())
            .finish()
    }
}

/// The part of a thread's IPC frame that the kernel reads and writes, through its own window.
///
/// 512 bytes, aligned to [`IPC_BUFFER_ALIGN`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct IpcBuffer {
    /// The message. Words 0-3 travel in registers and are not looked at here.
    pub words: [u32; MESSAGE_WORDS_MAX],
    /// Capability address of the capability to send, if the descriptor says that there is one.
    pub send_cap: u32,
    /// Capability address of the CNode that receives a capability; 0: none is accepted.
    pub receive_cnode: u32,
    /// Index of the receiving slot in that CNode.
    pub receive_index: u32,
    /// Reserved, zero.
    pub reserved: [u32; 5],
}

const _: () = assert!(core::mem::size_of::<IpcBuffer>() == IPC_BUFFER_ALIGN as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_keeps_its_parts_apart() {
        let info = MessageInfo::new(0xbeef, 17).with_cap();
        assert_eq!((info.label(), info.length(), info.has_cap()), (0xbeef, 17, true));
        assert!(!info.is_short());
        assert!(MessageInfo::new(1, 16).is_short());
        assert!(!MessageInfo::new(1, 17).is_short());
        assert!(!MessageInfo::new(1, 4).with_cap().is_short());
    }

    #[test]
    fn a_length_is_never_more_than_the_buffer_whatever_the_word_says() {
        assert_eq!(MessageInfo(0xffff_ffff).length(), MESSAGE_BYTES_MAX);
        assert_eq!(MessageInfo::new(0, 100_000).length(), MESSAGE_BYTES_MAX);
    }
}
