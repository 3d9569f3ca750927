//! What a guest's kernel is told at its start.

use super::kernel::Kernel;
use crate::compose::manifest::ConsoleKind;

/// A Linux that panics asks for a warm reset at once, which this machine takes for what it is. Without this, a kernel that has no driver for the
/// pvpanic, such as Debian's, would stay where it is and nobody would know.
const PANIC: &str = "panic=-1 reboot=panic_warm";

/// The command line: what the manifest says, or a console; for a Linux whose manifest does not say what a panic means, that too.
pub fn cmdline(kernel: &Kernel, console: ConsoleKind, given: Option<&str>) -> String {
    let default = match console {
        ConsoleKind::Pl011 => "console=ttyAMA0",
        ConsoleKind::Virtio => "console=hvc0",
    };
    let line = given.unwrap_or(default);
    let is_linux = matches!(kernel, Kernel::ZImage { .. });
    let decided = line
        .split_whitespace()
        .take_while(|word| *word != "--")
        .any(|word| word.starts_with("panic=") || word.starts_with("reboot="));
    if !is_linux || decided {
        return line.to_owned();
    }
    // What follows `--` is for the first program.
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let end = words.iter().position(|word| *word == "--").unwrap_or(words.len());
    words.insert(end, PANIC);
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_is_told_what_to_do_when_it_panics_unless_the_manifest_says() {
        let linux = Kernel::ZImage { unpacked_bytes: 0 };
        let raw = Kernel::Raw { load: 0, entry: 0 };
        let of = |kernel, given| cmdline(kernel, ConsoleKind::Virtio, given);
        assert_eq!(of(&linux, None), format!("console=hvc0 {PANIC}"));
        assert_eq!(of(&linux, Some("quiet")), format!("quiet {PANIC}"));
        assert_eq!(of(&linux, Some("")), PANIC);
        assert_eq!(of(&linux, Some("rdinit=/x -- panic=1")), format!("rdinit=/x {PANIC} -- panic=1"));
        for given in ["panic=5", "quiet reboot=warm", "panic=0 x"] {
            assert_eq!(of(&linux, Some(given)), given);
        }
        assert_eq!(of(&raw, None), "console=hvc0");
        assert_eq!(cmdline(&raw, ConsoleKind::Pl011, None), "console=ttyAMA0");
    }
}
