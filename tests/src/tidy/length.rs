//! A file is one room: at most 400 lines. The few that are longer are listed with their length, and may only shrink.

use super::{File, list};

/// The list of longer files.
pub const LIST: &str = "tests/src/tidy/lists/long.txt";
/// The most lines of a file.
pub const LINES_MAX: usize = 400;
/// How much more the list may say than the file has: an edit that shrinks a file must not fail a test for three lines.
const SLACK: usize = 20;

/// Files that are too long, and lines of the list that are no longer right.
pub fn lengths(files: &[File], listed: &str) -> Vec<String> {
    let listed = list::read(listed);
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        let allowed = listed.iter().find(|(path, _)| *path == file.path).map(|(_, most)| most.parse().unwrap_or(0));
        match allowed {
            None if lines > LINES_MAX => {
                findings.push(format!("{}: {lines} lines, {LINES_MAX} are the most; cut it by ideas", file.path));
            }
            Some(most) if lines > most => findings.push(format!("{}: grew from {most} to {lines} lines", file.path)),
            Some(_) if lines <= LINES_MAX => {
                findings.push(format!("{}: has only {lines} lines; take it off {LIST}", file.path));
            }
            Some(most) if most > lines + SLACK => {
                findings.push(format!("{}: shrank to {lines} lines; write that into {LIST}", file.path));
            }
            _ => {}
        }
    }
    for (path, _) in listed {
        if !files.iter().any(|file| file.path == path) {
            findings.push(format!("{path}: is gone; take it off {LIST}"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_found_and_may_only_shrink() {
        let file = |lines: usize| vec![File::new("a.rs", &"x\n".repeat(lines))];
        assert_eq!(lengths(&file(400), "").len(), 0);
        assert_eq!(lengths(&file(401), "").len(), 1);
        assert_eq!(lengths(&file(450), "a.rs 450").len(), 0);
        assert_eq!(lengths(&file(451), "a.rs 450").len(), 1);
        assert_eq!(lengths(&file(410), "a.rs 450").len(), 1);
        assert_eq!(lengths(&file(300), "a.rs 450").len(), 1);
        assert_eq!(lengths(&file(3), "b.rs 450").len(), 1);
    }
}
