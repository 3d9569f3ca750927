//! Committed lists: a path a line, then what is said of it; `#` begins a comment. A path that ends with `/` is a folder, and
//! stands for all files below it.

/// Path and remark of each line.
pub fn read(text: &str) -> Vec<(&str, &str)> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or(line).trim())
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(char::is_whitespace).map_or((line, ""), |(path, rest)| (path, rest.trim())))
        .collect()
}

/// Whether a path of a list stands for that file.
pub fn covers(listed: &str, path: &str) -> bool {
    listed == path || listed.ends_with('/') && path.starts_with(listed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_are_read_and_comments_are_not() {
        assert_eq!(super::read("# no\n\na/b.rs  why so\nc # later\n"), [("a/b.rs", "why so"), ("c", "")]);
        assert!(super::covers("a/", "a/b.rs") && !super::covers("a", "a/b.rs") && !super::covers("a/", "ab/c.rs"));
    }
}
