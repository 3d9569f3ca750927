//! What a strand has below it: its system calls and accesses go to the engine.

use crate::baton::{Shared, leave};
use crate::engine::Engine;
use crate::faults::Fault;
use crate::jitter::TICKS_PER_US;
use abi::Error;
use abi::fault::FaultKind;
use runtime::host::{Kernel, Level};
use std::sync::{Arc, MutexGuard};

/// Ticks of the counter in a second.
const HZ: u32 = TICKS_PER_US as u32 * 1_000_000;

/// One end of the seam.
pub struct Port {
    shared: Arc<Shared>,
    id: usize,
    stack: u32,
}

impl Port {
    /// For a strand and its stack.
    pub fn new(shared: Arc<Shared>, id: usize, stack: u32) -> Self {
        Self { shared, id, stack }
    }

    /// Waits for the first turn; `false`: there is none.
    pub fn begin(&self) -> bool {
        self.shared.wait(self.shared.lock(), self.id).is_some()
    }

    /// The engine, if it is still this strand's turn; if not, the strand ends here.
    fn engine(&self) -> Option<MutexGuard<'_, Engine>> {
        let engine = self.shared.lock();
        if engine.strands[self.id].cancelled {
            drop(engine);
            leave();
            return None;
        }
        Some(engine)
    }

    /// Lets something happen, and waits until this strand goes on.
    fn let_happen<'a>(
        &'a self,
        mut engine: MutexGuard<'a, Engine>,
        event: impl FnOnce(&mut Engine),
    ) -> Option<MutexGuard<'a, Engine>> {
        self.shared.decide(&mut engine, event);
        let engine = self.shared.wait(engine, self.id);
        if engine.is_none() {
            leave();
        }
        engine
    }

    /// A moment at which somebody else may come between.
    fn moment(&self) -> Option<MutexGuard<'_, Engine>> {
        let mut engine = self.engine()?;
        let ticks = engine.jitter.access();
        engine.pass(ticks);
        if engine.is_disturbed() { self.let_happen(engine, |_| ()) } else { Some(engine) }
    }

    /// An access, made again if it faulted and the fault's handler said so. `None`: the strand is being unwound.
    fn access<T>(&self, mut access: impl FnMut(&mut Engine) -> Result<T, Fault>) -> Option<T> {
        let mut engine = self.moment()?;
        loop {
            match access(&mut engine) {
                Ok(value) => return Some(value),
                Err(fault) => engine = self.let_happen(engine, |engine| engine.fault(fault))?,
            }
        }
    }
}

impl Kernel for Port {
    fn syscall(&mut self, number: u32, registers: &mut [u32; 7]) {
        let answer = self.engine().and_then(|engine| {
            let engine = self.let_happen(engine, |engine| engine.syscall(self.id, number, registers))?;
            Some(engine.registers(self.id))
        });
        *registers = answer.unwrap_or([Error::PeerGone as u32, 0, 0, 0, 0, 0, 0]);
    }

    fn load(&mut self, address: u32, bytes: u32) -> u32 {
        self.access(|engine| engine.load(address, bytes)).unwrap_or(0)
    }

    fn store(&mut self, address: u32, bytes: u32, value: u32) {
        self.access(|engine| engine.store(address, bytes, value));
    }

    fn contents(&mut self, address: u32, bytes: u32) -> Vec<u8> {
        self.access(|engine| Ok(engine.contents(address, bytes))).unwrap_or_default()
    }

    fn counter(&mut self) -> Option<(u64, u32)> {
        // A tick each time, so that who only looks at the clock gets somewhere.
        let now = self.moment().map(|mut engine| {
            engine.pass(1);
            engine.now()
        });
        Some((now.unwrap_or(0), HZ))
    }

    fn stack_pointer(&self) -> Option<u32> {
        Some(self.stack)
    }

    fn say(&mut self, level: Level, text: &str) {
        if let Some(mut engine) = self.engine() {
            let (name, at_us) = (engine.strands[self.id].name.clone(), engine.now() / TICKS_PER_US);
            engine.story.say(&name, at_us, level, text);
        }
    }

    fn die(&mut self, _: u32, _: u32) -> ! {
        loop {
            // A handler may let it try again, and it dies again.
            if let Some(engine) = self.engine() {
                self.let_happen(engine, |engine| engine.fault(Fault::plain(FaultKind::Undefined)));
            }
        }
    }
}
