//! A board in QEMU: its command line, its life, and its end.

use crate::failure::{EXIT_CRASHED, EXIT_QEMU_KILLED, Failure, Result};
use crate::interrupt::Group;
use crate::packages::{self, Need};
use crate::process::{self, Kept};
use boards::Board;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PROGRAM: &str = "qemu-system-arm";
/// Names another QEMU to use.
pub const PROGRAM_VARIABLE: &str = "BULKHEAD_QEMU";
/// QEMU traces this when the machine switches itself off; it does not when it resets.
const POWER_OFF_TRACE: &str = "qemu_system_shutdown_request";
/// QEMU says this when it ends since a signal told it to.
const TOLD_TO_END: &str = "terminating on signal";
/// What makes two runs the same, beside what the machine wants for it.
pub const FIXED: [&str; 6] = ["-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "base=2024-01-01,clock=vm"];
/// No reset, and a trace of the machine's own end.
pub const ONE_LIFE: [&str; 3] = ["-no-reboot", "-trace", POWER_OFF_TRACE];
const COMPLAINT_BYTES_MAX: usize = 16 << 10;
const END_LIMIT: Duration = Duration::from_secs(5);

/// How to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Cores that the machine has; 0 for one.
    pub cores: u32,
    /// One instruction is one nanosecond, and two runs are the same to the byte.
    pub deterministic: bool,
    /// A plugin of QEMU's, with its arguments.
    pub plugin: Option<String>,
    /// Further words for QEMU.
    pub extra: Vec<String>,
}

/// Why QEMU has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The machine has switched itself off.
    PoweredOff,
    /// The machine has reset itself (QEMU is told to end then).
    Reset,
}

/// QEMU's words for a board and an image.
pub fn arguments(board: &Board, elf: &Path, options: &Options) -> Result<Vec<String>> {
    let qemu = board.qemu.as_ref().ok_or_else(|| {
        Failure::new(format!("the board `{}` is not one that QEMU has", board.name))
            .mend("choose another one with --board, or build the image and boot it on the real board")
    })?;
    let mut machine = qemu.machine.clone();
    if options.deterministic && !qemu.deterministic.is_empty() {
        machine = format!("{machine},{}", qemu.deterministic);
    }
    let mut words: Vec<String> = vec!["-M".into(), machine, "-cpu".into(), qemu.cpu.clone()];
    let cores = options.cores.max(1);
    words.extend(["-smp".into(), cores.to_string(), "-m".into(), qemu.memory_mib.to_string()]);
    if cores > 1 && !has_to_spare(cores) {
        words.extend(["-accel", "tcg,thread=single"].map(String::from));
    }
    // The wire is on standard input and output. No interrupt key of QEMU's own: all bytes belong to the guests.
    words.extend(["-display", "none", "-monitor", "none", "-nic", "none"].map(String::from));
    words.extend(["-chardev", "stdio,id=wire,signal=off", "-serial", "chardev:wire"].map(String::from));
    words.extend(ONE_LIFE.map(String::from));
    if options.deterministic {
        words.extend(FIXED.map(String::from));
    }
    if let Some(plugin) = &options.plugin {
        words.extend(["-plugin".into(), plugin.clone()]);
    }
    words.extend(options.extra.iter().cloned());
    words.extend(["-kernel".into(), elf.display().to_string()]);
    Ok(words)
}

/// Whether the host has more processors than the machine has cores. If not, QEMU runs them in turns on one: a core that waits for the
/// kernel's lock would keep the processor from the one that has it, for as long as the host's scheduler thinks fit.
fn has_to_spare(cores: u32) -> bool {
    std::thread::available_parallelism().is_ok_and(|host| host.get() > cores as usize)
}

/// A running QEMU. It is killed when this is dropped.
#[derive(Debug)]
pub struct Qemu {
    child: Kept,
    group: Option<Group>,
    complaints: Arc<Mutex<String>>,
}

fn program() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os(PROGRAM_VARIABLE) {
        let chosen = PathBuf::from(chosen);
        if !process::is_program(&chosen) {
            return Err(Failure::new(format!("{PROGRAM_VARIABLE} names no program: {}", chosen.display()))
                .mend(format!("set it to the path of a {PROGRAM}, or unset it")));
        }
        return Ok(chosen);
    }
    if !process::on_path(PROGRAM) {
        packages::install(Need::Qemu, || process::on_path(PROGRAM))?;
    }
    Ok(PROGRAM.into())
}

/// What mends an end that came before the first word.
pub fn mend_silence() -> String {
    match std::env::var_os(PROGRAM_VARIABLE) {
        Some(chosen) => format!("see whether {} is a {PROGRAM}: {PROGRAM_VARIABLE} names it", chosen.to_string_lossy()),
        None => "if the machine has reset itself, its kernel gave up before its console was there".to_owned(),
    }
}

fn keep_complaints(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let complaints = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&complaints);
    std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = pipe.read(&mut bytes) {
            let Ok(mut kept) = kept.lock() else { return };
            if kept.len() < COMPLAINT_BYTES_MAX {
                kept.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        }
    });
    complaints
}

impl Qemu {
    /// Starts a board with an image; its wire is the two pipes.
    pub fn start(board: &Board, elf: &Path, options: &Options) -> Result<(Self, ChildStdin, ChildStdout)> {
        Self::start_with(&arguments(board, elf, options)?)
    }

    /// Starts QEMU with these words; standard input and output are whatever they say.
    pub fn start_with(words: &[String]) -> Result<(Self, ChildStdin, ChildStdout)> {
        let program = program()?;
        // Should this tool be killed, its QEMU goes with it.
        let mut command = if process::on_path("setpriv") {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        // A group of its own: the terminal's interrupt is this tool's to handle.
        command.args(words).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Kept(process::spawn(&mut command)?);
        let pipes = |child: &mut Child| Some((child.stdin.take()?, child.stdout.take()?, child.stderr.take()?));
        let (input, output, errors) =
            pipes(&mut child.0).ok_or_else(|| Failure::new("QEMU was started without its pipes"))?;
        let group = Group::of(&child.0);
        Ok((Self { child, group, complaints: keep_complaints(errors) }, input, output))
    }

    /// What QEMU has said on standard error, without the traces that were asked for.
    fn complaints(&self) -> String {
        let kept = self.complaints.lock().map(|kept| kept.clone()).unwrap_or_default();
        kept.lines().filter(|line| !line.contains(POWER_OFF_TRACE)).collect::<Vec<_>>().join("\n")
    }

    /// Waits for the end, once the wire is silent for good.
    pub fn end(mut self) -> Result<End> {
        let deadline = Instant::now() + END_LIMIT;
        let status = loop {
            match self.child.0.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err(Failure::new("QEMU closed its wire but does not end").exit(EXIT_CRASHED)),
                Err(error) => return Err(Failure::new(format!("QEMU is lost: {error}")).exit(EXIT_CRASHED)),
            }
        };
        self.group.take().map(Group::forget).unwrap_or_default();
        // Its last words may still be on their way through the pipe.
        std::thread::sleep(Duration::from_millis(20));
        let complaints = self.complaints();
        // Asked politely, it ends well.
        let asked = complaints.lines().find(|line| line.contains(TOLD_TO_END));
        if let Some(how) = asked.map(str::to_owned).or(status.signal().map(|_| status.to_string())) {
            let what = format!("QEMU was killed, or died of a fault of its own ({how})\n{complaints}");
            return Err(Failure::new(what.trim_end())
                .mend("see who sends it signals; if it is out of memory, give the system less or the host more")
                .exit(EXIT_QEMU_KILLED));
        }
        if !status.success() {
            let what = format!("QEMU died ({status})\n{complaints}");
            return Err(Failure::new(what.trim_end()));
        }
        let traced = self.complaints.lock().is_ok_and(|kept| kept.contains(POWER_OFF_TRACE));
        Ok(if traced { End::PoweredOff } else { End::Reset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(options: &Options) -> String {
        let board = boards::find("qemu-virt").unwrap();
        arguments(&board, Path::new("x.elf"), options).unwrap().join(" ")
    }

    #[test]
    fn a_board_becomes_a_command_line() {
        let plain = words(&Options::default());
        assert!(
            plain.starts_with("-M virt,virtualization=on,gic-version=2,highmem=off -cpu cortex-a15 -smp 1 -m 1024")
        );
        assert!(!plain.contains("-accel"));
        let four = words(&Options { cores: 4, ..Options::default() });
        assert!(four.contains("-smp 4 ") && four.contains("thread=single") != has_to_spare(4), "{four}");
        assert!(plain.contains("-nic none") && plain.ends_with("-kernel x.elf") && !plain.contains("-icount"));
        let fixed = words(&Options { deterministic: true, plugin: Some("p.so".into()), ..Options::default() });
        assert!(fixed.contains("-icount shift=0,sleep=off -seed 1 -rtc base=2024-01-01,clock=vm"), "{fixed}");
        assert!(fixed.contains("highmem=off,dtb-randomness=off") && fixed.contains("-plugin p.so"), "{fixed}");
    }

    #[test]
    fn a_board_that_qemu_lacks_is_told() {
        let mut board = boards::find("qemu-virt").unwrap();
        board.qemu = None;
        let failure = arguments(&board, Path::new("x"), &Options::default()).unwrap_err();
        assert!(failure.what.contains("`qemu-virt`") && failure.mend.is_some());
    }
}
