//! What a command needs and the machine lacks: installed with the system's package manager where it may be, saying
//! so; else the one line to type is told.

use crate::failure::{EXIT_INTERRUPTED, EXIT_TIMEOUT, Failure, Result};
use crate::{process, progress};
use std::process::Command;
use std::time::Duration;

const UPDATE_LIMIT: Duration = Duration::from_secs(300);
const INSTALL_LIMIT: Duration = Duration::from_secs(900);

/// Something that the tool can install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// QEMU for 32-bit Arm.
    Qemu,
    /// A Rust compiler with the source of its library.
    RustWithSource,
}

impl Need {
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Qemu => &["qemu-system-arm"],
            Self::RustWithSource => &["rustc-web", "rust-web-src"],
        }
    }

    fn why(self) -> &'static str {
        match self {
            Self::Qemu => "QEMU for Arm is not installed",
            Self::RustWithSource => "no Rust compiler here can build for armv7a-none-eabi",
        }
    }

    /// The words of the command that installs it, as root.
    fn words(self) -> Vec<&'static str> {
        let mut words = vec!["apt-get", "install", "--yes", "--no-install-recommends"];
        words.extend(self.packages());
        words
    }

    /// The one line to type.
    pub fn line(self) -> String {
        format!("sudo {}", self.words().join(" "))
    }
}

fn with_authority(words: &[&str]) -> Option<Command> {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new(words[0])
    } else {
        let may = process::output(Command::new("sudo").args(["-n", "true"]), Duration::from_secs(10)).is_ok();
        if !may {
            return None;
        }
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "--", "env", "DEBIAN_FRONTEND=noninteractive", words[0]]);
        sudo
    };
    command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
    Some(command)
}

/// Installs what is needed, or fails with the line to type. `there` looks whether it is there.
pub fn install(need: Need, there: impl Fn() -> bool) -> Result<()> {
    let lacking = || Failure::new(need.why()).mend(format!("type `{}`", need.line()));
    if !process::on_path("apt-get") {
        return Err(Failure::new(need.why())
            .mend(format!("install the equivalent of Debian's {} for this system", need.packages().join(" and "))));
    }
    let Some(mut command) = with_authority(&need.words()) else { return Err(lacking()) };
    let arrived = || match there() {
        true => Ok(()),
        false => Err(Failure::new(format!("{}, even though `{}` ended well", need.why(), need.words().join(" ")))
            .mend(format!("type `{}` and read what it says; what it installs must be on the PATH", need.line()))),
    };
    let what = format!("{}; installing with `{}`", need.why(), need.words().join(" "));
    let mut install = || progress::run(&what, &mut command, INSTALL_LIMIT, process::each_line_unbroken);
    // What was interrupted, or has not ended, is not tried again.
    let final_word = |failure: &Failure| [EXIT_INTERRUPTED, EXIT_TIMEOUT].contains(&failure.exit);
    match install() {
        Ok(()) => return arrived(),
        Err(failure) if final_word(&failure) => return Err(failure),
        Err(_) => {}
    }
    // The lists may be old or missing: once more with new ones.
    if let Some(mut update) = with_authority(&["apt-get", "update"]) {
        let what = "fetching the lists of packages with `apt-get update`";
        match progress::run(what, &mut update, UPDATE_LIMIT, process::each_line_unbroken) {
            Err(failure) if final_word(&failure) => return Err(failure),
            Err(failure) => eprintln!("bulkhead: {failure}"),
            Ok(()) => {}
        }
    }
    install().map_err(|failure| match final_word(&failure) {
        true => failure,
        false => Failure::new(format!("{}, and installing failed:\n{}", need.why(), failure.what))
            .mend(format!("see whether this machine has a network, type `{}` and read what it says", need.line())),
    })?;
    arrived()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_type_is_one_line() {
        assert_eq!(Need::Qemu.line(), "sudo apt-get install --yes --no-install-recommends qemu-system-arm");
        assert!(Need::RustWithSource.line().ends_with("rustc-web rust-web-src"));
    }
}
