//! Running a system in QEMU as a user would, by `cargo bulkhead run`, one at a time, and reading what it says.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How much longer than its own time-out a run may take: building, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// The workspace's folder.
pub fn root() -> PathBuf {
    bulkhead_tools::workspace::root()
}

/// A system to run.
#[derive(Clone, Debug)]
pub struct Run {
    manifest: PathBuf,
    words: Vec<String>,
    input: String,
    environment: Vec<(String, String)>,
    timeout_s: u32,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Exit code; `None` for a signal.
    pub code: Option<i32>,
    /// Standard output: lines with their source before them.
    pub out: String,
    /// Standard error: the tool's own words.
    pub err: String,
    /// How long it took, without waiting for its turn.
    pub took: Duration,
}

/// Keeps all QEMU runs of all test programs apart, however many threads and processes libtest has.
pub fn turn() -> File {
    let folder = bulkhead_tools::workspace::own();
    std::fs::create_dir_all(&folder).expect("the target folder can be made");
    let file = File::create(folder.join("qemu-turn")).expect("the target folder can be written");
    file.lock().expect("files can be locked");
    file
}

/// The tool. Built once in a process, from the sources as they are.
pub fn tool() -> &'static Path {
    static TOOL: OnceLock<PathBuf> = OnceLock::new();
    TOOL.get_or_init(|| {
        let mut cargo = bulkhead_tools::toolchain::cargo("build");
        cargo.args(["--quiet", "--package", "bulkhead-tools", "--bin", "bulkhead"]);
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "the tool does not build");
        bulkhead_tools::workspace::target().join("debug/bulkhead")
    })
}

impl Run {
    /// A system of `tests/systems`, by its name, with a time-out for the machine.
    pub fn system(name: &str, timeout_s: u32) -> Self {
        Self::manifest(root().join("tests/systems").join(name).with_extension("toml"), timeout_s)
    }

    /// Any manifest.
    pub fn manifest(manifest: PathBuf, timeout_s: u32) -> Self {
        Self { manifest, words: Vec::new(), input: String::new(), environment: Vec::new(), timeout_s }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.words.extend([key.to_owned(), value.to_owned()]);
        self
    }

    /// On that board.
    pub fn board(self, board: &str) -> Self {
        self.with("--board", board)
    }

    /// Ends when a line matches.
    pub fn until(self, expression: &str) -> Self {
        self.with("--until", expression)
    }

    /// Input goes to a console whose last line matches this.
    pub fn prompt(self, expression: &str) -> Self {
        self.with("--prompt", expression)
    }

    /// What is typed.
    pub fn input(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.input);
        self
    }

    /// Sets a variable for the tool.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it to its end.
    pub fn go(self) -> Ended {
        let _turn = turn();
        let mut command = Command::new(tool());
        command.arg("run").arg(&self.manifest).args(&self.words).arg("--timeout").arg(self.timeout_s.to_string());
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).current_dir(root());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begin = Instant::now();
        let mut child = command.spawn().expect("the tool starts");
        let mut stdin = child.stdin.take().expect("it was piped");
        // The tool may end before it has read everything.
        let _ = stdin.write_all(self.input.as_bytes());
        drop(stdin);
        let out = collect(child.stdout.take().expect("it was piped"));
        let err = collect(child.stderr.take().expect("it was piped"));
        let deadline = Instant::now() + PATIENCE + Duration::from_secs(self.timeout_s.into());
        let code = loop {
            match child.try_wait().expect("a child can be waited for") {
                Some(status) => break status.code(),
                None if Instant::now() > deadline => {
                    child.kill().expect("a child can be killed");
                    child.wait().expect("a child can be waited for");
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let [out, err] = [out, err].map(|thread| thread.join().expect("a reader does not panic"));
        Ended { code, out, err, took: begin.elapsed() }
    }
}

/// Builds a system of `tests/systems` into a folder, as `cargo bulkhead build -o` does.
pub fn build(name: &str, folder: &Path) {
    build_on(name, None, folder);
}

/// The same for another board than the manifest's.
pub fn build_on(name: &str, board: Option<&str>, folder: &Path) {
    let _turn = turn();
    let manifest = root().join("tests/systems").join(name).with_extension("toml");
    let mut command = Command::new(tool());
    command.arg("build").arg(manifest).arg("-o").arg(folder).current_dir(root());
    command.args(board.map(|board| ["--board", board]).into_iter().flatten());
    let output = command.output().expect("the tool starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn collect(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is what there is.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Ended {
    /// Everything, for a test that fails.
    pub fn story(&self) -> String {
        let mut story = String::new();
        let _ = write!(story, "exit {:?}\n{}\n--- the tool said:\n{}", self.code, self.out, self.err);
        story
    }

    /// The exit code must be this one.
    #[track_caller]
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.story());
        self
    }

    /// What one source said, line by line.
    pub fn said(&self, source: &str) -> Vec<&str> {
        let prefix = format!("[{source}] ");
        self.out.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
    }

    /// A source must have said this line.
    #[track_caller]
    pub fn says(&self, source: &str, line: &str) -> &Self {
        assert!(self.said(source).contains(&line), "[{source}] never said {line:?}\n{}", self.story());
        self
    }

    /// Some line must contain this.
    #[track_caller]
    pub fn tells(&self, text: &str) -> &Self {
        assert!(self.out.contains(text) || self.err.contains(text), "nobody said {text:?}\n{}", self.story());
        self
    }

    /// No line may contain this.
    #[track_caller]
    pub fn never_tells(&self, text: &str) -> &Self {
        assert!(!self.out.contains(text), "somebody said {text:?}\n{}", self.story());
        self
    }
}
