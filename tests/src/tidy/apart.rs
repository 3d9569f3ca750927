//! The checker of claims shares nothing with the composer that it checks: it reads the compiled system, and knows of nothing else.

use super::{File, rust};

/// Where the checker lives. Its tests may use anything.
const CHECKER: &str = "tools/src/claims/";
const TESTS: &str = "tools/src/claims/tests/";
/// What it may use.
const ALLOWED: &[&str] = &["std", "core", "abi", "system", "super", "self"];

/// Uses of anything else: `use` lines, and paths from the crate's root.
pub fn uses(files: &[File]) -> Vec<String> {
    let mine = files.iter().filter(|file| file.path.starts_with(CHECKER) && !file.path.starts_with(TESTS));
    let mut findings = Vec::new();
    for file in mine {
        for (n, line) in rust::code(&file.text).lines().enumerate() {
            let used = line.trim_start().strip_prefix("pub ").unwrap_or(line.trim_start());
            let local = |name: &str| files.iter().any(|file| file.path == format!("{CHECKER}{name}.rs"));
            let stranger = used
                .strip_prefix("use ")
                .map(|path| path.split("::").next().unwrap_or_default())
                .filter(|first| !ALLOWED.contains(first) && !local(first));
            if stranger.is_some() || line.contains("crate::") {
                findings.push(format!("{}:{}: the checker of claims may use {ALLOWED:?} only", file.path, n + 1));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_checker_may_not_use_is_found() {
        let file = |text: &str| [File::new("tools/src/claims/a.rs", text)];
        for good in ["use std::fmt;", "use super::node::Node;", "    use abi::Rights;", "pub use a::B;", "// crate::x"]
        {
            assert_eq!(uses(&file(good)), [""; 0], "{good}");
        }
        for bad in ["use crate::compose::layout::plan::Plan;", "use protocol::config::Config;", "fn f() { crate::x() }"]
        {
            assert_eq!(uses(&file(bad)).len(), 1, "{bad}");
        }
        assert_eq!(uses(&[File::new("tools/src/claims/tests/a.rs", "use proptest::prelude::*;")]).len(), 0);
    }
}
