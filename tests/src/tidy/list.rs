//! Committed lists: a path a line, then what is said of it; `#` begins a comment.

/// Path and remark of each line.
pub fn read(text: &str) -> Vec<(&str, &str)> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or(line).trim())
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(char::is_whitespace).map_or((line, ""), |(path, rest)| (path, rest.trim())))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_are_read_and_comments_are_not() {
        assert_eq!(super::read("# no\n\na/b.rs  why so\nc # later\n"), [("a/b.rs", "why so"), ("c", "")]);
    }
}
