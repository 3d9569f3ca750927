//! The command line: what can be asked for, and the exit code of each answer.

use crate::failure::{EXIT_BAD_INPUT, EXIT_NOBODY_READS, Failure, Result};
use crate::image::Image;
use crate::run::{self, expression};
use crate::{
    bench_command, composer, diff_command, interrupt, new_component, output, qemu, test_command, verify_command,
    workspace,
};
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Compose, build, run and test Bulkhead systems.
#[derive(Debug, Parser)]
#[command(name = "cargo bulkhead", bin_name = "cargo bulkhead", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compose, build, and boot on QEMU; without a manifest: an unmodified Debian Linux to a shell
    Run(RunArguments),
    /// Say every error in a manifest; nothing is built (0: none, 2: some)
    Check {
        /// The manifest
        manifest: PathBuf,
        /// Say it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Compose and build an image and its report
    Build {
        /// The manifest
        manifest: PathBuf,
        /// Build for this board instead of the manifest's
        #[arg(long)]
        board: Option<String>,
        /// The folder to write to
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Test everything: crates on the host, systems in QEMU; ends with `N passed, N failed`
    Test {
        /// Full counts of the soak, stress, power-cut and mutation runs
        #[arg(long)]
        long: bool,
    },
    /// Count what operations cost, and compare with the committed figures (1: something is worse by more than 2 %)
    Bench {
        /// Say it as JSON
        #[arg(long)]
        json: bool,
        /// Commit to what was measured
        #[arg(long)]
        accept: bool,
    },
    /// Say what authority a change grants or takes away
    Diff {
        /// The manifest as it was, or the folder of a built image
        old: PathBuf,
        /// The manifest as it is, or the folder of a built image
        new: PathBuf,
        /// Say it as JSON
        #[arg(long)]
        json: bool,
        /// End with 1 if anybody may do more than before
        #[arg(long)]
        fail_on_grant: bool,
    },
    /// Explore the kernel's logic on the simulated machine: small worlds whole, large ones at random (1: something is wrong)
    Verify(VerifyArguments),
    /// Make something of your own
    #[command(subcommand)]
    New(New),
}

#[derive(Args, Debug)]
struct VerifyArguments {
    /// For how long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    seconds: Duration,
    /// Where random numbers begin: the same seed gives the same traces
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Explore each small world to so many steps, however long that takes; without: for half of the time
    #[arg(long, value_name = "STEPS")]
    depth: Option<u32>,
    /// Leave an operation of the kernel's on translations or caches out, such as tlbiallis, to see that it is missed
    #[arg(long, value_name = "OPERATION")]
    without: Option<String>,
    /// Run a trace that was found before
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seconds", "seed", "depth", "without"])]
    replay: Option<PathBuf>,
}

impl VerifyArguments {
    fn run(self) -> Result<u8> {
        let Self { seconds: time, seed, depth, without, replay } = self;
        match replay {
            Some(file) => verify_command::replay(&file),
            None => verify_command::run(&verify_command::Options { time, seed, depth, without }),
        }
    }
}

#[derive(Debug, Subcommand)]
enum New {
    /// A component with its protocol, a host test, and a system that runs it
    Component {
        /// What it is called: small letters, digits and `-`
        name: String,
        /// Its folder, which must not exist; without: NAME
        #[arg(long, value_name = "FOLDER")]
        path: Option<PathBuf>,
    },
}

/// Exit codes: 0 when --until matched or, without it, the system powered off; 1 when something crashed that no policy covers, or
/// the system ended before --until matched; 2 for bad input, 124 at the timeout, 125 when QEMU was killed, 130 when interrupted, 141 when
/// nobody reads the output any more.
#[derive(Args, Debug)]
struct RunArguments {
    /// The manifest, or the image.json that `build` wrote
    manifest: Option<PathBuf>,
    /// Run on this board instead of the manifest's
    #[arg(long)]
    board: Option<String>,
    /// End with 0 when a line matches (by itself, or with its `[source] ` before it)
    #[arg(long, value_name = "REGEX")]
    until: Option<String>,
    /// End with 124 so long after the machine's start
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// The console takes a line of standard input when this matches its last line
    #[arg(long, value_name = "REGEX")]
    prompt: Option<String>,
    /// One instruction is one nanosecond, and two runs are the same to the byte
    #[arg(long)]
    deterministic: bool,
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is wanted, such as 30 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn image(manifest: Option<&Path>, board: Option<&str>) -> Result<Image> {
    let Some(manifest) = manifest else {
        return composer::build(&workspace::root().join("tests/systems/linux.toml"), board, None);
    };
    if manifest.extension().is_some_and(|extension| extension == "json") {
        let image = Image::read(manifest)?;
        return match board {
            Some(board) if board != image.board => Err(other_board(manifest, &image.board, board)),
            _ => Ok(image),
        };
    }
    composer::build(manifest, board, None)
}

fn other_board(image: &Path, built_for: &str, wanted: &str) -> Failure {
    let mend = match boards::all().iter().any(|board| board == wanted) {
        true => format!("build it for that one: cargo bulkhead build MANIFEST --board {wanted}"),
        false => format!("there is no board `{wanted}`: leave --board out"),
    };
    let what = format!("{}: this image is for the board `{built_for}`, not for `{wanted}`", image.display());
    Failure::new(what).mend(mend)
}

impl RunArguments {
    fn run(self) -> Result<u8> {
        // What is wrong with the words is told before anything is built.
        let until = self.until.as_deref().map(|text| expression("--until", text)).transpose()?;
        let prompt = self.prompt.as_deref().map(|text| expression("--prompt", text)).transpose()?;
        let image = image(self.manifest.as_deref(), self.board.as_deref())?;
        let qemu = qemu::Options { cores: image.cores, deterministic: self.deterministic, ..qemu::Options::default() };
        run::run(&image, &run::Options { until, timeout: self.timeout, prompt, qemu })
    }
}

fn obey(command: Command) -> Result<u8> {
    match command {
        Command::Run(arguments) => arguments.run(),
        Command::Check { manifest, json } => composer::check(&manifest, json),
        Command::Build { manifest, board, output } => {
            let image = composer::build(&manifest, board.as_deref(), output.as_deref())?;
            output::print(&format!("{}\n", image.elf.display()))?;
            Ok(0)
        }
        Command::Test { long } => test_command::run(long),
        Command::Bench { json, accept } => bench_command::run(bench_command::Options { json, accept }),
        Command::Diff { old, new, json, fail_on_grant } => {
            diff_command::run(&diff_command::Options { old, new, json, fail_on_grant })
        }
        Command::Verify(arguments) => arguments.run(),
        Command::New(New::Component { name, path }) => new_component::run(&name, path.as_deref()),
    }
}

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way, too, and go to standard output.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_BAD_INPUT } else { 0 });
        }
    };
    match interrupt::install().and_then(|()| obey(cli.command)) {
        Ok(code) => ExitCode::from(code),
        // Who reads no more has what they wanted.
        Err(failure) if failure.exit == EXIT_NOBODY_READS => ExitCode::from(failure.exit),
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("soon").is_err() && seconds("-1").is_err());
    }
}
