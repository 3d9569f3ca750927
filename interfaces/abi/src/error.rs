//! Why a call failed, and whose fault it was.

/// Whose fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller asked for something that cannot be.
    Caller,
    /// The other side of an IPC went away or could not take the message.
    Peer,
    /// A resource ran out: it may work later, or with more memory.
    Resource,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $blame:ident;)*) => {
        /// Status of a system call that did not succeed. 0 is success and no `Error`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Error { $($(#[$doc])* $name = $number,)* }

        impl Error {
            /// Every error there is.
            pub const ALL: &'static [Error] = &[$(Error::$name),*];

            /// The error of that status word; `None` for 0 and for words that the kernel never returns.
            pub const fn from_status(status: u32) -> Option<Self> {
                match status { $($number => Some(Error::$name),)* _ => None }
            }

            /// Whose fault it is.
            pub const fn blame(self) -> Blame {
                match self { $(Error::$name => Blame::$blame,)* }
            }
        }
    };
}

errors! {
    /// The capability address leads to no capability.
    EmptySlot = 1, Caller;
    /// The capability is of another type than the call needs.
    WrongType = 2, Caller;
    /// The capability lacks a right that the call needs.
    NoRights = 3, Caller;
    /// The object has no such method, or there is no such system call.
    NoSuchMethod = 4, Caller;
    /// An argument is outside its range.
    OutOfRange = 5, Caller;
    /// An address or offset is not aligned as it must be.
    Misaligned = 6, Caller;
    /// The destination slot already holds a capability.
    SlotOccupied = 7, Caller;
    /// The untyped has children: it can be neither copied nor reset.
    HasChildren = 8, Caller;
    /// The frame or table is mapped already.
    AlreadyMapped = 9, Caller;
    /// The frame or table is not mapped.
    NotMapped = 10, Caller;
    /// A table is missing where the mapping should go; map one first.
    MissingTable = 11, Caller;
    /// Something else is mapped at that address.
    AddressOccupied = 12, Caller;
    /// The object is in a state that does not allow this (bound already, running, not bound).
    WrongState = 13, Caller;
    /// The capability cannot be copied (untyped, table, reply); move it.
    NotCopyable = 14, Caller;
    /// Writable and executable at once, outside a guest's space.
    WriteExecute = 15, Caller;
    /// Not what a device frame, or what only a device frame, may do.
    DeviceMemory = 16, Caller;
    /// The interrupt has a handler already.
    IrqTaken = 17, Caller;
    /// The message or answer is shorter than the method needs.
    Truncated = 18, Caller;
    /// The priority is above the ceiling of the thread whose authority is used.
    PriorityCeiling = 19, Caller;
    /// The core does not exist or is not running.
    NoSuchCore = 20, Caller;
    /// Nothing was waiting, and the call was asked not to wait.
    WouldBlock = 32, Peer;
    /// The reply, endpoint or thread at the other side was deleted or suspended meanwhile.
    PeerGone = 33, Peer;
    /// The `Reply` object holds no caller.
    NoCaller = 34, Peer;
    /// The untyped has not enough room left.
    OutOfMemory = 48, Resource;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_its_status_word() {
        for &error in Error::ALL {
            assert_eq!(Error::from_status(error as u32), Some(error));
        }
        assert_eq!(Error::from_status(0), None);
    }
}
