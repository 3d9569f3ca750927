//! Places of log lines in the books' transcripts: each line of a transcript that ends with a place in the tree was said there.

use super::{File, docs};
use regex::Regex;
use std::sync::LazyLock;

static SAID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\[[^\]]+\] (ERROR|WARN|INFO|DEBUG|TRACE) (.*) \(([^() ]+\.rs):(\d+)\)$").expect("it is well formed")
});
/// How many lines a log's text may stand below its macro.
const LINES_BELOW: usize = 2;

/// Lines of transcripts that are not said where they say, and how many were looked at.
pub fn stale(files: &[File]) -> (Vec<String>, usize) {
    let (mut findings, mut count) = (Vec::new(), 0);
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for block in docs::blocks(&file.text) {
            for (n, line) in block.text.lines().enumerate() {
                let Some(said) = SAID.captures(line) else { continue };
                count += 1;
                if !is_said(&said[1], &said[2], &said[3], said[4].parse().unwrap_or(0), files) {
                    let at = block.line + n + 1;
                    findings.push(format!("{}:{at}: {}:{} does not say `{}`", file.path, &said[3], &said[4], &said[2]));
                }
            }
        }
    }
    (findings, count)
}

fn is_said(level: &str, text: &str, path: &str, line: usize, files: &[File]) -> bool {
    let Some(file) = files.iter().find(|file| file.path == path) else { return false };
    let mut lines = file.text.lines().skip(line.saturating_sub(1));
    let Some(first) = lines.next().filter(|_| line > 0) else { return false };
    let Some((_, rest)) = first.split_once(&format!("{}!(", level.to_lowercase())) else { return false };
    // A macro that hands its arguments on says what its callers do.
    if rest.starts_with('$') {
        return true;
    }
    let source: Vec<&str> = std::iter::once(rest).chain(lines.take(LINES_BELOW)).collect();
    let source = source.join("\n");
    source.split('"').nth(1).is_some_and(|format| pattern(format).is_match(text))
}

/// What a format string can become.
fn pattern(format: &str) -> Regex {
    let parts = format.split('{').enumerate().map(|(n, part)| match part.split_once('}') {
        Some((_, rest)) if n > 0 => format!(".*{}", regex::escape(rest)),
        _ => regex::escape(part),
    });
    Regex::new(&format!("^{}$", parts.collect::<String>())).expect("its parts are escaped")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_said_where_it_says_is_found() {
        let source =
            "fn a() {\n    log::info!(\"{=str} is {=u32}. up\", name, 3);\n    log::warn!(\n        \"b\"\n    );\n}\n";
        let stale = |line: &str| {
            let book = format!("```text\n...\n{line}\n```\n");
            stale(&[File::new("a/b.rs", source), File::new("README.md", &book)])
        };
        let nothing = (Vec::new(), 1);
        assert_eq!(stale("[root] INFO it is 3. up (a/b.rs:2)"), nothing);
        assert_eq!(stale("[root] WARN b (a/b.rs:3)"), nothing);
        for wrong in [
            "[root] INFO it is 3. up (a/b.rs:3)",
            "[root] WARN it is 3. up (a/b.rs:2)",
            "[root] INFO it is 3! up (a/b.rs:2)",
            "[root] INFO it is 3. up (a/b.rs:200)",
            "[root] INFO it is 3. up (a/b.rs:0)",
            "[root] INFO it is 3. up (a/c.rs:2)",
        ] {
            assert!(stale(wrong).0[0].starts_with("README.md:3: "), "{wrong}");
        }
        assert_eq!(stale("[root]   from 10000158  sensor::run (sensor/src/main.rs:18)"), (Vec::new(), 0));
    }
}
