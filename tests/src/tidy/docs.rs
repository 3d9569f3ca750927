//! The books say what is so: their manifests are checked, their links lead somewhere, and what they must name is named.

use super::{File, rust};

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Words after the fence, such as `toml manifest`.
    pub info: String,
    /// Line of the fence, counted from 1.
    pub line: usize,
    /// What stands between the fences.
    pub text: String,
}

/// All fenced blocks of a text.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (n, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info: info.trim().to_owned(), line: n + 1, text: String::new() }),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// What a block of TOML may be: a whole manifest, a board, or a piece of a Cargo.toml, which nobody checks.
pub const TOML_KINDS: &[&str] = &["toml manifest", "toml board", "toml cargo"];

/// Blocks of TOML that do not say what they are.
pub fn unmarked(files: &[File]) -> Vec<String> {
    let books = files.iter().filter(|file| file.path.ends_with(".md"));
    books
        .flat_map(|file| blocks(&file.text).into_iter().map(move |block| (file, block)))
        .filter(|(_, block)| block.info.starts_with("toml") && !TOML_KINDS.contains(&block.info.as_str()))
        .map(|(file, block)| format!("{}:{}: mark this block as one of {TOML_KINDS:?}", file.path, block.line))
        .collect()
}

/// Links of the books that lead to no file. `exists` is asked for paths from the workspace's folder.
pub fn dead_links(files: &[File], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (n, line) in file.text.lines().enumerate() {
            for (at, _) in line.match_indices("](") {
                let target = line[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
                if target.is_empty() || target.contains("://") {
                    continue;
                }
                let path = joined(folder, target);
                if !exists(&path) {
                    findings.push(format!("{}:{}: the link leads to `{path}`, which is not there", file.path, n + 1));
                }
            }
        }
    }
    findings
}

fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Names that a text must have between backticks, and has not.
pub fn unnamed<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().filter(|name| !text.contains(&format!("`{name}`"))).map(str::to_owned).collect()
}

/// Keys that the manifest's parser knows, read from its source: the strings of the lists named `KEYS`.
pub fn keys(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("const KEYS") {
        let list = source[at..].split(';').next().unwrap_or_default();
        found.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    found.sort();
    found.dedup();
    found
}

/// Tests that the promises name and that do not exist. A promise's row names a file between backticks, then tests.
pub fn broken_promises(text: &str, files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let mut file: Option<&File> = None;
        for name in line.split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") {
                file = files.iter().find(|file| file.path == name);
                if file.is_none() {
                    findings.push(format!("line {}: there is no `{name}`", n + 1));
                }
            } else if let Some(file) = file
                && !rust::code(&file.text).contains(&format!("fn {name}("))
            {
                findings.push(format!("line {}: {} has no test `{name}`", n + 1, file.path));
            }
        }
    }
    findings
}

/// The ways in which others were broken that a table must have, by their numbers, each with a test or the word that none is
/// claimed.
pub fn unanswered_ways(text: &str, count: usize) -> Vec<String> {
    let section = text.split("\n## ").find(|section| section.starts_with("How others were broken")).unwrap_or_default();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| #"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let mut findings = Vec::new();
    for n in 1..=count {
        match rows.get(n - 1) {
            Some(row) if row[0] == n.to_string() && row.len() == 4 => {
                let answer = row[3];
                if !answer.contains(".rs` `") && !answer.starts_with("not claimed: ") {
                    findings.push(format!("way {n}: names no test, and does not say `not claimed: ` and why"));
                }
            }
            _ => findings.push(format!("way {n}: there is no such row of four columns")),
        }
    }
    if rows.len() > count {
        findings.push(format!("{} rows, and {count} are known: count them in tidy.rs", rows.len()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_and_must_say_what_they_are() {
        let text = "a\n```toml manifest\nx = 1\n```\n```toml\ny = 2\n```\n";
        let found = blocks(text);
        assert_eq!((found[0].info.as_str(), found[0].line, found[0].text.as_str()), ("toml manifest", 2, "x = 1\n"));
        assert_eq!(unmarked(&[File::new("a.md", text)]).len(), 1);
    }

    #[test]
    fn a_link_to_nowhere_is_found() {
        let book = [File::new("tools/docs/a.md", "[b](b.md#x) [c](../README.md) [d](https://e.f) [g](#h)")];
        let exists = |path: &str| path == "tools/README.md";
        assert_eq!(dead_links(&book, &exists).len(), 1);
    }

    #[test]
    fn what_is_not_named_is_found() {
        assert_eq!(unnamed("`a` b", ["a", "b"]), ["b"]);
        assert_eq!(keys("const KEYS: &[&str] = &[\"x\", \"y\"];\nconst KEYS: &[&str] = &[\"x\"];"), ["x", "y"]);
    }

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        let files = [File::new("a.rs", "fn good() {}\n// fn bad() {}")];
        assert_eq!(broken_promises("| p | `a.rs` `good` |", &files).len(), 0);
        assert_eq!(broken_promises("| p | `a.rs` `bad` |\n| q | `b.rs` |", &files).len(), 2);
    }

    #[test]
    fn a_way_without_an_answer_is_found() {
        let table = |rows: &str| {
            format!("# x\n## How others were broken\n| # | a | b | c |\n|---|---|---|---|\n{rows}\n## y\n| 9 | z |\n")
        };
        let good = "| 1 | a | b | `a.rs` `good` |\n| 2 | a | b | not claimed: why |";
        assert_eq!(unanswered_ways(&table(good), 2), [""; 0]);
        assert_eq!(unanswered_ways(&table(good), 3).len(), 1);
        assert_eq!(unanswered_ways(&table(good), 1).len(), 1);
        assert_eq!(unanswered_ways(&table("| 1 | a | b | some day |"), 1).len(), 1);
        assert_eq!(unanswered_ways(&table("| 2 | a | b | `a.rs` `good` |"), 1).len(), 1);
        assert_eq!(unanswered_ways("", 1).len(), 1);
    }
}
