//! A component's thread on a thread of the host: how it begins and ends, and what it finds in its space.

use super::words::Level;
use super::{Gone, Kernel, ask, install, must};
use crate::entry::fixed;
use crate::lossy::{FRAME_BYTES_MAX, Writer};
use crate::mapped::Mapped;
use abi::boot::{self, BootInfo, UNTYPED_MAX, UntypedInfo};
use protocol::config::Config;
use protocol::layout;
use protocol::wire::{DEFMT, FRAME};
use std::any::Any;
use std::boxed::Box;
use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::string::String;
use std::sync::{Mutex, PoisonError};

thread_local! {
    static IPC_BUFFER: Cell<Option<Mapped>> = const { Cell::new(None) };
    static CONFIG: OnceCell<Option<&'static Config<'static>>> = const { OnceCell::new() };
    /// The tag of this thread's log frames, once it has a ring.
    static TAG: Cell<Option<u8>> = const { Cell::new(None) };
}

/// Runs a thread of a component on this thread of the host, from its entry to its end: `kernel` raises [`Gone`] when there is no
/// such thread any more. A panic of `main` kills the component's thread, as on the target.
pub fn thread(kernel: impl Kernel + 'static, main: impl FnOnce()) {
    install(kernel);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        prepare();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(main)) {
            if payload.is::<Gone>() {
                resume_unwind(payload);
            }
            crate::log::error!("panic: {=str}", message(&*payload));
            die(0, 0);
        }
        park()
    }));
    if let Err(payload) = ended
        && !payload.is::<Gone>()
    {
        resume_unwind(payload);
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("")
}

/// A component has its log from the start; root, whose stack lies elsewhere, maps it first.
fn prepare() {
    if stack_pointer().is_some_and(|stack| stack >= layout::STACKS)
        && let Some(config) = config()
    {
        enable_log(config.wire_id);
    }
}

/// Waits for ever.
pub fn park() -> ! {
    loop {
        if crate::Notification(layout::slot::EVENTS).wait().is_err() {
            crate::svc::yield_now();
        }
    }
}

/// Stops this thread by an undefined instruction, for its fault handler to tell and to act. The two numbers stand in r0 and r1.
pub fn die(code: u32, detail: u32) -> ! {
    must("the end of a thread", |kernel| kernel.die(code, detail))
}

fn stack_pointer() -> Option<u32> {
    ask(|kernel| kernel.stack_pointer()).flatten()
}

/// The component's configuration; `None` if it is damaged, and for root, which has none.
pub fn config() -> Option<&'static Config<'static>> {
    CONFIG.with(|known| {
        *known.get_or_init(|| {
            stack_pointer().filter(|&stack| stack >= layout::STACKS)?;
            read_config(crate::entry::constant(layout::CONFIG, layout::CONFIG_BYTES))
        })
    })
}

/// Reads a configuration, and keeps it for good: once for the same bytes, which are kept once, too.
fn read_config(bytes: &'static [u8]) -> Option<&'static Config<'static>> {
    static KEPT: Mutex<Option<HashMap<usize, &'static Config<'static>>>> = Mutex::new(None);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.get_or_insert_default();
    if let Some(known) = kept.get(&bytes.as_ptr().addr()) {
        return Some(known);
    }
    let config: &'static Config<'static> = Box::leak(Box::new(Config::read(bytes)?));
    kept.insert(bytes.as_ptr().addr(), config);
    Some(config)
}

/// From now on this is this thread's IPC buffer ([`IPC_BUFFER_ALIGN`](abi::message::IPC_BUFFER_ALIGN) bytes).
pub fn set_ipc_buffer(buffer: Mapped) {
    IPC_BUFFER.set(Some(buffer));
}

/// The calling thread's IPC buffer: where the layout says if it belongs to a component, else one of its own.
pub fn ipc_buffer() -> Mapped {
    IPC_BUFFER.get().unwrap_or_else(|| {
        let buffer = stack_pointer().map_or_else(|| Mapped::allocate(512), crate::space::ipc_buffer_of);
        set_ipc_buffer(buffer);
        buffer
    })
}

/// What the kernel tells root. For root alone.
pub fn boot_info() -> BootInfo {
    const HEAD_WORDS: usize = 7;
    let page = fixed(boot::ROOT_BOOT_INFO_ADDRESS, size_of::<BootInfo>() as u32);
    let word = |index: usize| page.read_u32(4 * index);
    let untyped = core::array::from_fn::<_, UNTYPED_MAX, _>(|n| {
        let at = HEAD_WORDS + 4 * n;
        UntypedInfo { page: word(at), size_bits: word(at + 1), device: word(at + 2), clean: word(at + 3) }
    });
    BootInfo {
        version: word(0),
        cores: word(1),
        counter_hz: word(2),
        payload_frames: word(3),
        system_offset: word(4),
        system_bytes: word(5),
        untyped_count: word(6),
        untyped,
    }
}

/// From now on words are logged: root's ring has been mapped. For root alone; other components log from the start.
pub fn enable_log(wire_id: u8) {
    TAG.set(Some(DEFMT | wire_id));
}

/// Tells whoever made the kernel, and writes a frame of plain text to the log ring.
pub(super) fn say(level: Level, text: &str) {
    ask(|kernel| kernel.say(level, text));
    let Some(tag) = TAG.get() else { return };
    let Some(mut ring) = Writer::new(fixed(layout::LOG_RING, 4096)) else { return };
    let line = std::format!("{} {text}", level.name());
    let mut frame = std::vec![FRAME, tag];
    frame.extend(line.bytes().filter(|&byte| byte != FRAME).take(FRAME_BYTES_MAX - 3));
    frame.push(FRAME);
    ring.put(&frame);
    ring.commit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::config::{CONFIG_VERSION, Named};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    /// Memory from the configuration's place on, what was said, and the numbers of calls.
    type Space = (Vec<u8>, Vec<String>, Vec<u32>);

    /// A machine that is one space.
    #[derive(Clone, Default)]
    struct Machine(Rc<RefCell<Space>>);

    const BASE: u32 = layout::CONFIG;

    impl Kernel for Machine {
        fn syscall(&mut self, number: u32, _: &mut [u32; 7]) {
            let mut machine = self.0.borrow_mut();
            machine.2.push(number);
            drop(machine);
            resume_unwind(Box::new(Gone));
        }
        fn load(&mut self, address: u32, bytes: u32) -> u32 {
            let memory = &self.0.borrow().0;
            let at = (address - BASE) as usize;
            memory[at..at + bytes as usize].iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
        }
        fn store(&mut self, address: u32, bytes: u32, value: u32) {
            let memory = &mut self.0.borrow_mut().0;
            let at = (address - BASE) as usize;
            memory[at..at + bytes as usize].copy_from_slice(&value.to_le_bytes()[..bytes as usize]);
        }
        fn contents(&mut self, address: u32, bytes: u32) -> Vec<u8> {
            let at = (address - BASE) as usize;
            self.0.borrow().0[at..at + bytes as usize].to_vec()
        }
        fn stack_pointer(&self) -> Option<u32> {
            Some(layout::stack_top(0))
        }
        fn say(&mut self, level: Level, text: &str) {
            self.0.borrow_mut().1.push(std::format!("{} {text}", level.name()));
        }
        fn die(&mut self, code: u32, _: u32) -> ! {
            self.0.borrow_mut().2.push(1000 + code);
            resume_unwind(Box::new(Gone))
        }
    }

    fn machine() -> Machine {
        let mut config = Config::empty("me");
        config.wire_id = 5;
        config.capabilities.push(Named { name: "it", slot: 9 });
        assert_eq!(config.version, CONFIG_VERSION);
        let mut memory = std::vec![0; 256];
        postcard::to_slice(&config, &mut memory).unwrap();
        memory.resize((layout::LOG_RING + 4096 - BASE) as usize, 0);
        Machine(Rc::new(RefCell::new((memory, Vec::new(), Vec::new()))))
    }

    #[test]
    fn a_thread_finds_its_configuration_and_its_words_go_to_its_ring() {
        let machine = machine();
        thread(machine.clone(), || {
            assert_eq!(config().and_then(|config| config.capability("it")), Some(9));
            crate::log::info!("{=u32} sheep", 3);
        });
        let ring = (layout::LOG_RING - BASE) as usize + abi::ring::RING_HEADER_BYTES;
        let state = machine.0.borrow();
        assert_eq!(&state.0[ring..ring + 15], b"\0\x85INFO 3 sheep\0");
        assert_eq!(
            (&state.1[..], &state.2[..]),
            (&[String::from("INFO 3 sheep")][..], &[abi::Syscall::Wait as u32][..])
        );
    }

    #[test]
    fn a_panic_is_told_and_kills_the_thread() {
        let machine = machine();
        thread(machine.clone(), || panic!("no {}", "good"));
        let state = machine.0.borrow();
        assert_eq!((&state.1[..], &state.2[..]), (&[String::from("ERROR panic: no good")][..], &[1000][..]));
    }

    #[test]
    fn a_thread_without_a_component_has_a_buffer_of_its_own_and_no_configuration() {
        install(|_: u32, _: &mut [u32; 7]| {});
        assert_eq!((ipc_buffer().len(), config().is_none()), (512, true));
        // Nobody listens: nothing happens.
        crate::log::error!("{=u32}", 1);
    }
}
