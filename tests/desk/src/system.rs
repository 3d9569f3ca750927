//! A system that runs, as a test sees it.

use crate::baton::Shared;
use crate::engine::{Engine, Limits};
use crate::jitter::TICKS_PER_US;
use crate::setup::Setup;
use crate::story::heard;
use crate::uart::Uart;
use abi::fault::FaultKind;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A system on the desk. It only goes on when the test says so, and a test fails when the kernel breaks an invariant.
pub struct System {
    pub(crate) shared: Arc<Shared>,
    speakers: Vec<(u8, String, bool)>,
    uart: Arc<Mutex<Uart>>,
    seed: Option<u64>,
}

impl System {
    /// The system of a manifest. A relative path begins at the folder of the package whose test it is.
    pub fn read(manifest: impl AsRef<Path>) -> Setup {
        Setup::read(manifest.as_ref())
    }

    /// The system of a manifest that stands in the test.
    pub fn text(manifest: &str) -> Setup {
        Setup::new(Ok(manifest.to_owned()))
    }

    pub(crate) fn started(
        engine: Engine,
        speakers: Vec<(u8, String, bool)>,
        uart: Arc<Mutex<Uart>>,
        seed: Option<u64>,
    ) -> Result<Self, String> {
        let system = Self { shared: Shared::new(engine), speakers, uart, seed };
        system.engine().limits = Limits { skip_to: 0, until_built: true };
        system.shared.drive();
        system.engine().limits.until_built = false;
        let failed = {
            let mut engine = system.engine();
            let not_built = !engine.is_built() || engine.is_off();
            engine.failure.take().or(not_built.then(|| "root could not build the system".to_owned()))
        };
        match failed {
            None => Ok(system),
            Some(what) => Err(system.tell(&what)),
        }
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.shared.lock()
    }

    fn uart(&self) -> MutexGuard<'_, Uart> {
        self.uart.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, what: &str) -> String {
        let engine = self.engine();
        let seed = self.seed.map_or("no seed".to_owned(), |seed| format!("seed {seed}"));
        format!("{what}\n{seed}, {} us after the start; said until then:\n{}", self.now_of(&engine), engine.story.end())
    }

    fn now_of(&self, engine: &Engine) -> u64 {
        engine.now() / TICKS_PER_US
    }

    #[track_caller]
    fn drive(&mut self, skip_to: u64) {
        self.engine().limits.skip_to = skip_to;
        self.shared.drive();
        self.shared.end(false);
        let failure = self.engine().failure.clone();
        if let Some(what) = failure {
            panic!("{}", self.tell(&what));
        }
    }

    /// Lets everybody work until all wait: for each other, for time to pass, or for something from outside.
    ///
    /// # Panics
    /// If the kernel breaks an invariant, or the system turns in a circle. So for all that lets it run.
    #[track_caller]
    pub fn run(&mut self) {
        self.drive(0);
    }

    /// Lets so many microseconds pass, with all that becomes due, and then all that can be done without more.
    #[track_caller]
    pub fn advance_us(&mut self, us: u64) {
        let now = self.engine().now();
        self.drive(now + us * TICKS_PER_US);
    }

    /// Lets time pass until it is so, at most ten seconds; it is looked at whenever all wait.
    ///
    /// # Panics
    /// If it is not so then.
    #[track_caller]
    pub fn run_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        const STEP_US: u64 = 1_000;
        const STEPS: u64 = 10_000;
        self.run();
        for _ in 0..STEPS {
            if is_so(self) {
                return;
            }
            self.advance_us(STEP_US);
        }
        panic!("{}", self.tell(&format!("{} s have passed, and it is not so: {what}", STEP_US * STEPS / 1_000_000)));
    }

    /// Microseconds after the start.
    pub fn now_us(&self) -> u64 {
        self.now_of(&self.engine())
    }

    /// How often the kernel was entered: its invariants were checked so often.
    pub fn kernel_entries(&self) -> u64 {
        self.engine().entries
    }

    /// An interrupt comes, once: that of the board's device `name`, or `NAME.irq.N`. Nothing runs before the test says so; with a
    /// seed, it arrives up to 100 us later.
    ///
    /// # Panics
    /// If the board has none of that name.
    #[track_caller]
    pub fn interrupt(&mut self, name: &str) {
        let mut engine = self.engine();
        let Some(intid) = engine.bus.intid(name) else {
            let names = engine.bus.names();
            drop(engine);
            panic!("the board has no interrupt `{name}`; its devices are {names}");
        };
        let at = engine.now() + engine.jitter.interrupt();
        engine.lines.raise(intid, at);
    }

    /// The component faults when it runs next, as if it had done what it may not.
    ///
    /// # Panics
    /// If the system has none of that name.
    #[track_caller]
    pub fn fault(&mut self, component: &str, kind: FaultKind) {
        self.must_have(component);
        self.engine().doomed.insert(component.to_owned(), kind);
    }

    #[track_caller]
    fn must_have(&self, component: &str) {
        let mut names = self.speakers.iter().map(|speaker| speaker.1.as_str()).filter(|name| *name != "kernel");
        if !names.clone().any(|name| name == component) {
            let names = names.by_ref().collect::<Vec<_>>().join(", ");
            panic!("the system has no component `{component}`; there are {names}");
        }
    }

    /// What a component has logged, line by line: `INFO ping is done`. It is there as soon as it was said.
    ///
    /// # Panics
    /// If the system has none of that name.
    #[track_caller]
    pub fn log(&self, component: &str) -> Vec<String> {
        self.must_have(component);
        let engine = self.engine();
        engine.story.lines.iter().filter(|line| line.who == component).map(|line| line.text.clone()).collect()
    }

    /// What came out of the UART, line by line, each with its source, as `cargo bulkhead run` shows it: consoles, and logs as soon as
    /// `log` and `console` have brought them out.
    pub fn wire(&self) -> Vec<String> {
        heard(&self.uart().sent, &self.speakers)
    }

    /// Types at the console of a component.
    ///
    /// # Panics
    /// If it has no console.
    #[track_caller]
    pub fn type_to(&mut self, component: &str, text: &str) {
        let Some(id) = self.speakers.iter().find(|who| who.1 == component && who.2).map(|who| who.0) else {
            panic!("the system has no component `{component}` with a console");
        };
        let select = bulkhead_tools::wire::select(id);
        self.uart().type_bytes(&[&select, text.as_bytes()].concat());
        self.engine().look();
    }

    /// Reads a register of a device, as its driver would.
    ///
    /// # Panics
    /// If the board has none of that name.
    #[track_caller]
    pub fn register(&mut self, device: &str, offset: u32) -> u32 {
        let mut engine = self.engine();
        let value = engine.bus.device(device).map(|device| device.load(offset, 4));
        engine.look();
        drop(engine);
        value.unwrap_or_else(|| panic!("the board has no device `{device}`"))
    }

    /// Writes a register of a device.
    ///
    /// # Panics
    /// If the board has none of that name.
    #[track_caller]
    pub fn set_register(&mut self, device: &str, offset: u32, value: u32) {
        let mut engine = self.engine();
        let stored = engine.bus.device(device).map(|device| device.store(offset, 4, value));
        engine.look();
        drop(engine);
        stored.unwrap_or_else(|| panic!("the board has no device `{device}`"));
    }

    /// Whether a component has threads: one that root has stopped, or that has not run yet, has none.
    ///
    /// # Panics
    /// If the system has none of that name.
    #[track_caller]
    pub fn is_alive(&self, component: &str) -> bool {
        self.must_have(component);
        let engine = self.engine();
        (0..engine.strands.len()).any(|id| engine.strands[id].name == component && engine.is_alive(id))
    }

    /// Whether root has switched the machine off.
    pub fn is_off(&self) -> bool {
        self.engine().is_off()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.shared.end(true);
    }
}
