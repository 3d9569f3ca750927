//! QEMU's monitor, on a socket: what a test sees of a machine from outside.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

const PROMPT: &str = "(qemu) ";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A monitor that listens.
pub struct Monitor(UnixStream);

impl Monitor {
    /// QEMU's words for a monitor at that socket, of which nothing may be left from before.
    pub fn words(socket: &Path) -> Vec<String> {
        let _ = std::fs::remove_file(socket);
        vec!["-monitor".to_owned(), format!("unix:{},server=on,wait=off", socket.display())]
    }

    /// Connects as soon as QEMU is there, until the deadline. `None` if QEMU ends meanwhile.
    pub fn connect(socket: &Path, deadline: Instant) -> Option<Self> {
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{}: {error}", socket.display()),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a stream has a time-out");
        let mut monitor = Self(stream);
        monitor.prompt()?;
        Some(monitor)
    }

    /// What it says up to its next prompt; `None` if QEMU has ended.
    fn prompt(&mut self) -> Option<String> {
        let (mut said, mut byte) = (String::new(), [0]);
        while !said.ends_with(PROMPT) {
            self.0.read_exact(&mut byte).ok()?;
            said.push(byte[0].into());
        }
        Some(said)
    }

    /// What it answers; `None` if QEMU has ended.
    pub fn ask(&mut self, command: &str) -> Option<String> {
        self.0.write_all(format!("{command}\n").as_bytes()).ok()?;
        self.prompt()
    }

    /// Memory, by physical address, as it is now.
    #[track_caller]
    pub fn memory(&mut self, address: u64, bytes: u64, file: &Path) -> Vec<u8> {
        let command = format!("pmemsave {address:#x} {bytes:#x} \"{}\"", file.display());
        let said = self.ask(&command).expect("the monitor listens");
        let memory = std::fs::read(file).unwrap_or_else(|error| panic!("{command}: {error}\n{said}"));
        assert_eq!(memory.len() as u64, bytes, "{said}");
        memory
    }
}
