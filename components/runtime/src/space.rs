//! What lies in a component's space at fixed places, or where its configuration says.

use crate::entry::{constant, fixed};
use crate::mapped::Mapped;
use abi::boot;
use protocol::config::{Config, File, Memory, Vm};
use protocol::layout;

pub use crate::entry::{boot_info, config, enable_log};

/// The calling thread's IPC buffer: found by its stack, since a thread has no pointer to itself.
#[cfg(target_os = "none")]
pub fn ipc_buffer() -> Mapped {
    ipc_buffer_of(crate::entry::stack_pointer())
}

/// The calling thread's IPC buffer.
#[cfg(not(target_os = "none"))]
pub fn ipc_buffer() -> Mapped {
    crate::host::thread::ipc_buffer()
}

/// The IPC buffer of the thread with that stack.
pub(crate) fn ipc_buffer_of(stack: u32) -> Mapped {
    if stack < layout::STACKS {
        fixed(boot::ROOT_IPC_BUFFER_ADDRESS, 512)
    } else {
        fixed(layout::ipc_buffer(layout::thread_of_stack(stack)), 512)
    }
}

/// A memory that the configuration names. `None` if it does not lie where memories lie.
pub fn memory(memory: &Memory<'_>) -> Option<Mapped> {
    let end = memory.address.checked_add(memory.bytes)?;
    let inside = memory.address >= layout::MEMORIES && end <= layout::PAYLOAD && memory.address.is_multiple_of(4);
    inside.then(|| fixed(memory.address, memory.bytes))
}

/// A VMM's window on its guest's RAM.
pub fn guest_ram(vm: &Vm<'_>) -> Option<Mapped> {
    vm.ram_base.checked_add(vm.ram_bytes)?;
    (vm.ram_base >= layout::GUEST_RAM).then(|| fixed(vm.ram_base, vm.ram_bytes))
}

/// A file for a guest, as its VMM sees it.
pub fn payload_file(file: &File<'_>) -> Option<Mapped> {
    let end = file.source.checked_add(file.bytes)?;
    (file.source >= layout::PAYLOAD && end <= layout::GUEST_RAM).then(|| fixed(file.source, file.bytes))
}

/// The payload, all of it. For root alone.
pub fn root_payload(frames: u32) -> &'static [u8] {
    let bytes = frames.min(boot::root_slot::PAYLOAD_FRAMES_MAX) << 21;
    constant(boot::ROOT_PAYLOAD_ADDRESS, bytes)
}

/// The page at which root maps frames while it fills them.
pub fn root_scratch() -> Mapped {
    fixed(boot::ROOT_SCRATCH_ADDRESS, 4096)
}

/// The same for 2 MiB.
pub fn root_scratch_block() -> Mapped {
    fixed(boot::ROOT_SCRATCH_BLOCK_ADDRESS, 1 << 21)
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
