//! What lies in a component's space at fixed places, or where its configuration says.

use crate::mapped::Mapped;
#[cfg(target_os = "none")]
use abi::boot;
use protocol::config::{Config, Memory};
#[cfg(target_os = "none")]
use protocol::layout;

#[cfg(target_os = "none")]
pub use crate::entry::{
    boot_info, config, enable_log, guest_ram, memory, payload_file, root_payload, root_scratch, root_scratch_block,
};

/// The calling thread's IPC buffer: found by its stack, since a thread has no pointer to itself.
#[cfg(target_os = "none")]
pub fn ipc_buffer() -> Mapped {
    let stack = crate::entry::stack_pointer();
    if stack < layout::STACKS {
        crate::entry::fixed(boot::ROOT_IPC_BUFFER_ADDRESS, 512)
    } else {
        crate::entry::fixed(layout::ipc_buffer(layout::thread_of_stack(stack)), 512)
    }
}

/// The calling thread's IPC buffer.
#[cfg(not(target_os = "none"))]
pub fn ipc_buffer() -> Mapped {
    crate::host::ipc_buffer()
}

/// Every memory of the configuration whose name is `prefix`, a number, and `suffix`, from 0 on without gaps.
pub fn numbered<'a>(config: &'a Config<'_>, prefix: &'a str, suffix: &'a str) -> impl Iterator<Item = Memory<'a>> {
    (0..protocol::config::MEMORIES_MAX).map_while(move |number| numbered_memory(config, prefix, number, suffix))
}

/// The memory whose name is `prefix`, `number`, and `suffix`.
pub fn numbered_memory<'a>(config: &Config<'a>, prefix: &str, number: usize, suffix: &str) -> Option<Memory<'a>> {
    config.memories.iter().find(|memory| is_numbered(memory.name, prefix, number, suffix)).copied()
}

/// The capability whose name is `prefix`, `number`, and `suffix`.
pub fn numbered_capability(config: &Config<'_>, prefix: &str, number: usize, suffix: &str) -> Option<u32> {
    config.capabilities.iter().find(|named| is_numbered(named.name, prefix, number, suffix)).map(|named| named.slot)
}

fn is_numbered(name: &str, prefix: &str, number: usize, suffix: &str) -> bool {
    name.strip_prefix(prefix)
        .and_then(|rest| rest.strip_suffix(suffix))
        .is_some_and(|digits| !digits.starts_with('+') && digits.parse() == Ok(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::config::Named;

    #[test]
    fn numbered_names_are_found() {
        assert!(is_numbered("client.12.tx", "client.", 12, ".tx"));
        assert!(!is_numbered("client.12.tx", "client.", 1, ".tx"));
        assert!(!is_numbered("client.+1.tx", "client.", 1, ".tx"));
        assert!(is_numbered("ring.0", "ring.", 0, ""));
        let mut config = Config::empty("x");
        config.capabilities.push(Named { name: "client.1.signal", slot: 9 });
        for (name, tag) in [("ring.1", 1), ("ring.0", 0), ("ring.3", 3)] {
            config.memories.push(Memory { name, address: 0, bytes: 0, tag });
        }
        assert_eq!(numbered_capability(&config, "client.", 1, ".signal"), Some(9));
        let tags: std::vec::Vec<u32> = numbered(&config, "ring.", "").map(|memory| memory.tag).collect();
        assert_eq!(tags, [0, 1]);
    }
}
