//! Golden transcripts: what each source says, in its order, without what changes from run to run.
//!
//! Sources are kept apart, and what one writes to its console and what it logs, since the order between them is a matter of timing. `BULKHEAD_UPDATE=1` writes what was seen.

use crate::harness::{Ended, root};
use std::fmt::Write as _;

/// Set to 1, transcripts are written instead of compared.
pub const UPDATE: &str = "BULKHEAD_UPDATE";

/// Replaces what changes: numbers of eight hexadecimal digits and more, the build's hash, `0x...`, places in sources (with
/// the line's number), and decimal counts of more than four digits.
pub fn normalise(line: &str) -> String {
    let line = without_place(line);
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        out.push_str(&rest[..at]);
        let word = &rest[at..];
        let inside = out.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(word.len());
        let token = &word[..end];
        out.push_str(if !inside && changes(token) { "#" } else { token });
        rest = &word[end..];
    }
    out.push_str(rest);
    out
}

fn changes(token: &str) -> bool {
    let hexadecimal = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
    match token.strip_prefix("0x") {
        Some(digits) => hexadecimal(digits),
        None => {
            let digits = token.chars().filter(char::is_ascii_digit).count();
            hexadecimal(token) && (token.len() >= 8 && digits > 0 || digits == token.len() && digits > 4)
        }
    }
}

/// A log line ends with its place: ` (path/file.rs:12)`.
fn without_place(line: &str) -> &str {
    match line.rfind(" (") {
        Some(at) if line.ends_with(')') && line[at..].contains(".rs:") => &line[..at],
        _ => line,
    }
}

/// The transcript of some sources.
pub fn transcript(ended: &Ended, sources: &[&str]) -> String {
    let mut text = String::new();
    for source in sources {
        let (logged, written): (Vec<&str>, Vec<&str>) =
            ended.said(source).into_iter().partition(|line| without_place(line) != *line);
        for line in written.into_iter().chain(logged) {
            let _ = writeln!(text, "[{source}] {}", normalise(line).trim_end());
        }
    }
    text
}

/// Compares with `tests/golden/NAME.txt`, or writes it.
#[track_caller]
pub fn check(name: &str, ended: &Ended, sources: &[&str]) {
    let path = root().join("tests/golden").join(name).with_extension("txt");
    let seen = transcript(ended, sources);
    if std::env::var_os(UPDATE).is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap_or(&path)).expect("the folder can be made");
        std::fs::write(&path, seen).expect("a transcript can be written");
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        seen == wanted,
        "{} differs (write it anew with {UPDATE}=1)\n--- wanted\n{wanted}--- seen\n{seen}--- all\n{}",
        path.display(),
        ended.story()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_replaced_and_nothing_else() {
        for (line, normal) in [
            (
                "INFO bulkhead on qemu-virt, build 4ae0bff6dc440f27 (kernel/armv7/src/log.rs:17)",
                "INFO bulkhead on qemu-virt, build #",
            ),
            ("died: at address 0xdead0000, pc 0x1000", "died: at address #, pc #"),
            ("ping 3: answered (tests/components/ping/src/main.rs:15)", "ping 3: answered"),
            ("encodings: 61589 undefined", "encodings: # undefined"),
            ("access forms: 59 of 59", "access forms: 59 of 59"),
            ("a facade is decided", "a facade is decided"),
        ] {
            assert_eq!(normalise(line), normal);
        }
    }

    #[test]
    fn sources_are_kept_apart() {
        let ended = Ended {
            code: Some(0),
            out: "[a] 1\n[b] x\n[a] 2\n".into(),
            err: String::new(),
            took: std::time::Duration::ZERO,
        };
        assert_eq!(transcript(&ended, &["a", "b"]), "[a] 1\n[a] 2\n[b] x\n");
    }
}
