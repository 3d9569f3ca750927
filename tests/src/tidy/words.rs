//! Words that committed text never has: names of package hosts, and marks of unfinished work.

use super::File;

/// The words, in halves, so that this file does not hold them.
const WORDS: &[(&str, &str)] = &[
    ("crates", ".io"),
    ("docs", ".rs"),
    ("lib", ".rs/"),
    ("pypi", ".org"),
    ("npmjs", ".org"),
    ("proxy.golang", ".org"),
    ("static.rust-lang", ".org"),
    ("arti", "factory"),
    ("todo", "!("),
    ("unimplemented", "!("),
    ("FIX", "ME"),
    ("XX", "X"),
    ("#[ig", "nore"),
];
/// Files in which cargo writes the source of each package.
const EXEMPT: &[&str] = &["Cargo.lock"];

/// Where the words stand.
pub fn forbidden(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !EXEMPT.contains(&file.path.as_str())) {
        for (n, line) in file.text.lines().enumerate() {
            for (head, tail) in WORDS {
                let word = [*head, *tail].concat();
                if holds(line, &word) {
                    findings.push(format!("{}:{}: `{word}` does not belong into committed text", file.path, n + 1));
                }
            }
        }
    }
    findings
}

/// Whether a word stands there, not as a part of a longer one.
fn holds(line: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        let bounded = |edge: Option<char>, outside: Option<char>| !joins(edge) || !joins(outside);
        // `src/docs` with its ending is a file of ours, not a host.
        let path = before == Some('/') && !line[..at].ends_with("//");
        !path && bounded(word.chars().next(), before) && bounded(word.chars().next_back(), after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_found_and_its_like_is_not() {
        for (head, tail) in WORDS {
            let line = format!("see {head}{tail} there");
            assert_eq!(forbidden(&[File::new("a.md", &line)]).len(), 1, "{line}");
            assert_eq!(forbidden(&[File::new("Cargo.lock", &line)]).len(), 0);
        }
        assert_eq!(forbidden(&[File::new("a.md", "FIXMENTS, XXXL, mod docs;")]).len(), 0);
    }
}
