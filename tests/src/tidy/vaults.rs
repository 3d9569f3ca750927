//! Unsafe code stands in listed files only, and each block says which invariant it leans on.

use super::{File, list, rust};

/// The list of the files that may hold unsafe code.
pub const LIST: &str = "tests/src/tidy/lists/unsafe.txt";
/// How far above its block a `SAFETY:` comment may begin, in lines of the same statement.
const STATEMENT_LINES_MAX: usize = 6;

/// Files with unsafe code that are not listed, and listed files (or folders) without.
pub fn files(files: &[File], listed: &str) -> Vec<String> {
    let listed = list::read(listed);
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let holds = rust::has_word(&rust::code(&file.text), "unsafe");
        if holds && !listed.iter().any(|(path, _)| list::covers(path, &file.path)) {
            findings.push(format!(
                "{}: unsafe code outside the vaults; move it into one, or argue for a line in {LIST}",
                file.path
            ));
        }
    }
    for (path, why) in listed {
        let needs = files
            .iter()
            .any(|file| list::covers(path, &file.path) && rust::has_word(&rust::code(&file.text), "unsafe"));
        if !needs {
            findings.push(format!("{path}: needs no unsafe code any more; take it off {LIST}"));
        }
        if why.is_empty() {
            findings.push(format!("{path}: {LIST} must say why"));
        }
    }
    findings
}

/// Unsafe blocks and implementations without a `SAFETY:` comment just above.
pub fn arguments(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let code = rust::code(&file.text);
        let (code, text): (Vec<&str>, Vec<&str>) = (code.lines().collect(), file.text.lines().collect());
        for (n, line) in code.iter().enumerate() {
            let opens = ["unsafe {", "unsafe impl"].iter().any(|token| line.contains(token));
            if opens && !is_argued(&code, &text, n) {
                findings.push(format!("{}:{}: no SAFETY: line above this unsafe code", file.path, n + 1));
            }
        }
    }
    findings
}

/// Whether the statement that line `n` belongs to has a `SAFETY:` comment above (or above the block's own line).
fn is_argued(code: &[&str], text: &[&str], n: usize) -> bool {
    let mut at = n;
    for _ in 0..STATEMENT_LINES_MAX {
        // Comments right above this line.
        let mut above = at;
        while above > 0 && is_comment_or_attribute(code[above - 1], text[above - 1]) {
            above -= 1;
            if text[above].contains("SAFETY:") {
                return true;
            }
        }
        if above < at || at == 0 || code[at - 1].trim_end().ends_with([';', '{', '}']) {
            return false;
        }
        at -= 1;
    }
    false
}

fn is_comment_or_attribute(code: &str, text: &str) -> bool {
    let text = text.trim_start();
    (text.starts_with("//") && code.trim().is_empty()) || text.starts_with("#[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_off_the_list_and_a_line_too_many_are_found() {
        let tree = [
            File::new("a.rs", "fn f() { unsafe { g() } }"),
            File::new("b.rs", "// unsafe\nconst A: &str = \"unsafe\";"),
        ];
        let findings = files(&tree, "b.rs because\n");
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("a.rs") && findings[1].starts_with("b.rs"));
        assert_eq!(files(&tree[..1], "a.rs because").len(), 0);
        assert_eq!(files(&tree[..1], "a.rs").len(), 1);
        let guest = [File::new("guests/g/src/main.rs", "unsafe fn f() {}")];
        assert_eq!(files(&guest, "guests/ because").len(), 0);
        assert_eq!(files(&guest, "others/ because").len(), 2);
    }

    #[test]
    fn a_block_without_an_argument_is_found() {
        let good = "// SAFETY: it is so.\nunsafe { a() }\n// SAFETY: and so.\nlet x =\n    unsafe { b() };\n";
        let bad = "// SAFETY: it is so.\nlet y = 1;\nunsafe { a() }\n";
        assert_eq!(arguments(&[File::new("a.rs", good)]), [""; 0]);
        assert_eq!(arguments(&[File::new("a.rs", bad)]).len(), 1);
        assert_eq!(arguments(&[File::new("a.rs", "unsafe impl Send for A {}")]).len(), 1);
    }
}
