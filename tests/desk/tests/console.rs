//! The real console with clients of its own: real rings, the PL011's registers and interrupt, and what stands on the wire.

use desk::System;
use protocol::layout::slot;
use runtime::ring::{Reader, Writer};
use runtime::{Notification, space};
use std::fmt::Write as _;
use std::time::Instant;

/// One end of a console channel: the rings, and how to wake the console.
struct Terminal {
    output: Writer,
    input: Reader,
    wake: Notification,
}

impl Terminal {
    fn find() -> Self {
        let config = space::config().expect("it has a configuration");
        let ring = |name| config.memory(name).and_then(|memory| space::memory(&memory)).expect("it has a console");
        Self {
            output: Writer::new(ring("console.tx")).expect("a ring"),
            input: Reader::new(ring("console.rx")).expect("a ring"),
            wake: Notification(config.capability("console.signal").expect("it can wake the console")),
        }
    }

    /// Writes all of it, waiting for room.
    fn say(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let moved = self.output.push(bytes);
            bytes = &bytes[moved.bytes..];
            if moved.signal {
                self.wake.signal().expect("the console is there");
            }
            if moved.bytes == 0 {
                self.wait();
            }
        }
    }

    fn wait(&self) {
        Notification(slot::EVENTS).wait().expect("it has its events");
    }

    /// The next byte that was typed.
    fn hear(&mut self) -> u8 {
        let mut byte = [0];
        loop {
            let moved = self.input.pop(&mut byte);
            if moved.signal {
                self.wake.signal().expect("the console is there");
            }
            if moved.bytes == 1 {
                return byte[0];
            }
            self.wait();
        }
    }
}

/// Answers each line in capital letters.
fn shell(_: u32) {
    let mut terminal = Terminal::find();
    terminal.say(b"> ");
    let mut line = Vec::new();
    loop {
        match terminal.hear() {
            b'\n' => {
                line.make_ascii_uppercase();
                terminal.say(&line);
                terminal.say(b"\n> ");
                line.clear();
            }
            byte => line.push(byte),
        }
    }
}

const LINES: usize = 300;

/// Says more than its ring holds, all at once.
fn talker(_: u32) {
    let mut terminal = Terminal::find();
    let text = (0..LINES).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "line {n} of the talker");
        text
    });
    terminal.say(text.as_bytes());
}

const SYSTEM: &str = "
    [system]
    version = 1
    [component.one]
    crate = \"shell\"
    [component.two]
    crate = \"shell\"
    [component.talker]
    crate = \"talker\"
    [component.mute]
    crate = \"mute\"
    console = false
";

fn system(seed: Option<u64>) -> System {
    let setup = System::text(SYSTEM).program("shell", shell).program("talker", talker).program("mute", |_| ());
    seed.into_iter().fold(setup, desk::Setup::seed).start()
}

fn said(system: &System, who: &str) -> Vec<String> {
    let prefix = format!("[{who}] ");
    system.wire().iter().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

#[test]
fn what_is_typed_goes_to_its_client_and_the_answer_comes_back() {
    let began = Instant::now();
    let mut system = system(None);
    system.run();
    system.type_to("one", "hello\n");
    system.type_to("two", "you\n");
    system.run();
    assert_eq!(said(&system, "one"), ["> HELLO", "> "]);
    assert_eq!(said(&system, "two"), ["> YOU", "> "]);
    println!("a console with clients: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
}

#[test]
fn more_than_rings_and_fifos_hold_arrives_whole_in_both_directions() {
    for seed in 0..10 {
        let mut system = system(Some(seed));
        // Longer than the UART's FIFO by far; a second line while the first is answered.
        let text: String = (0..40).map(|n| format!("word {n} ")).collect();
        system.type_to("one", &format!("{text}\n"));
        system.advance_us(50_000);
        system.type_to("one", "short\n");
        system.advance_us(200_000);
        assert_eq!(
            said(&system, "one"),
            [format!("> {}", text.to_uppercase()), "> SHORT".to_owned(), "> ".to_owned()],
            "seed {seed}"
        );
        let lines: Vec<String> = (0..LINES).map(|n| format!("line {n} of the talker")).collect();
        assert_eq!(said(&system, "talker"), lines, "seed {seed}");
    }
}

#[test]
fn nobody_types_to_who_has_no_console() {
    let mut system = system(None);
    let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| system.type_to("mute", "x"))).unwrap_err();
    assert_eq!(error.downcast_ref::<String>().unwrap(), "the system has no component `mute` with a console");
}

#[test]
fn a_client_that_is_built_again_goes_on_with_its_rings() {
    let manifest = SYSTEM.replace("[component.two]", "on-crash = \"restart\"\n[component.two]");
    let mut system =
        System::text(&manifest).program("shell", shell).program("talker", talker).program("mute", |_| ()).start();
    system.run();
    system.fault("one", desk::FaultKind::Data);
    system.type_to("one", "lost\n");
    system.advance_us(50_000);
    assert_eq!(system.log("root").last().unwrap(), "INFO one crashed: restarted, 1 times by now");
    // Rings outlive their client: it reads what was typed at the one that died.
    assert_eq!(said(&system, "one"), ["> > LOST", "> "]);
}
