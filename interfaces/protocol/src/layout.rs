//! Where things lie in a component's address space. The composer puts them there; the runtime finds
//! them there. A component that runs has no pointer to itself: its thread is known by its stack.

/// Where components are linked. The image may grow to [`STACKS`].
pub const LINK: u32 = 0x1000_0000;
/// Stacks: thread `n` has `STACKS + (n << STACK_STRIDE_BITS)` up to, at most, the next; the stack ends at the top
/// of that stride, below it lies nothing that is mapped.
pub const STACKS: u32 = 0x1800_0000;
/// log2 of the distance between two stacks. Aligned, so that any stack pointer tells its thread.
pub const STACK_STRIDE_BITS: u32 = 16;
/// The most threads of a component.
pub const THREADS_MAX: u32 = 16;
/// IPC buffers: thread `n` has the page at `IPC_BUFFERS + n * 4096`.
pub const IPC_BUFFERS: u32 = 0x1810_0000;
/// The component's [`Config`](crate::config::Config), encoded with postcard, readable. Up to [`CONFIG_BYTES`].
pub const CONFIG: u32 = 0x1812_0000;
/// Bytes reserved for the configuration.
pub const CONFIG_BYTES: u32 = 0x4000;
/// The component's log ring (one page, [`abi::ring`]), readable and writable.
pub const LOG_RING: u32 = 0x1813_0000;
/// Shared memories (channels, rings, device registers), one after the other, each on a page of its own. Their
/// addresses stand in the configuration.
pub const MEMORIES: u32 = 0x1820_0000;
/// A VMM sees the payload's files for its guest from here on, readable.
pub const PAYLOAD: u32 = 0x2000_0000;
/// A VMM sees its guest's RAM at the addresses at which the guest sees it: from 1 GiB on, up to 3 GiB.
pub const GUEST_RAM: u32 = 0x4000_0000;

/// Top of the stack of thread `n`.
pub const fn stack_top(thread: u32) -> u32 {
    STACKS + ((thread + 1) << STACK_STRIDE_BITS)
}

/// The thread whose stack holds that address.
pub const fn thread_of_stack(address: u32) -> u32 {
    (address - STACKS - 1) >> STACK_STRIDE_BITS
}

/// Where the IPC buffer of thread `n` lies.
pub const fn ipc_buffer(thread: u32) -> u32 {
    IPC_BUFFERS + thread * 4096
}

/// Fixed slots of a component's CNode. What the manifest grants stands from `FIRST_NAMED` on, by name in the configuration.
pub mod slot {
    /// The component's own CNode: it can rearrange what it has, and make what it has memory for.
    pub const CNODE: u32 = 1;
    /// Its first thread's notification: what interrupts, channels and peers signal.
    pub const EVENTS: u32 = 2;
    /// Root's endpoint, badged with the compartment's number: `vm` requests, and where its faults go.
    pub const ROOT: u32 = 3;
    /// First slot that the configuration names.
    pub const FIRST_NAMED: u32 = 8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_pointer_tells_its_thread_at_both_ends() {
        for thread in 0..THREADS_MAX {
            assert_eq!(thread_of_stack(stack_top(thread)), thread);
            assert_eq!(thread_of_stack(stack_top(thread) - (1 << STACK_STRIDE_BITS) + 1), thread);
        }
        assert!(stack_top(THREADS_MAX - 1) <= IPC_BUFFERS);
        assert!(ipc_buffer(THREADS_MAX) <= CONFIG && CONFIG + CONFIG_BYTES <= LOG_RING);
    }
}
