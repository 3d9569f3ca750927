//! `lib.rs` and `main.rs` wire; they hold no logic. A heuristic: a `lib.rs` has modules, uses and attributes; a `main.rs` defines
//! nothing but functions, and few lines of them.

use super::{File, list, rust};

/// The list of the `lib.rs` that are a whole room, and why.
pub const LIST: &str = "tests/src/tidy/lists/rooms.txt";
/// The most lines of code of a `main.rs`.
pub const MAIN_LINES_MAX: usize = 60;

/// What does more than wire.
pub fn logic(files: &[File], listed: &str) -> Vec<String> {
    let listed = list::read(listed);
    let mut findings = Vec::new();
    for file in files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let is_listed = listed.iter().any(|(path, _)| list::covers(path, &file.path));
        let by_itself = listed.iter().any(|(path, _)| *path == file.path);
        let (code, _) = rust::without_tests(&rust::code(&file.text));
        let found = match name {
            "lib.rs" => library(&code),
            "main.rs" => program(&code),
            _ => None,
        };
        match found {
            Some((line, what)) if !is_listed => findings.push(format!("{}:{line}: {what}", file.path)),
            None if by_itself => findings.push(format!("{}: only wires now; take it off {LIST}", file.path)),
            _ => {}
        }
    }
    for (path, why) in listed {
        if why.is_empty() || !files.iter().any(|file| list::covers(path, &file.path)) {
            findings.push(format!("{path}: {LIST} must name a file that exists, and say why"));
        }
    }
    findings
}

/// First line at the top level that begins an item which is neither a module nor a use.
fn library(code: &str) -> Option<(usize, String)> {
    let mut depth = 0i32;
    for (n, line) in code.lines().enumerate() {
        let words = line.trim_start();
        if depth == 0 && !words.is_empty() && !words.starts_with(['#', '}', ')', ']']) {
            let item = words.strip_prefix("pub ").or(words.strip_prefix("pub(crate) ")).unwrap_or(words);
            if !["mod ", "use ", "extern crate "].iter().any(|allowed| item.starts_with(allowed)) {
                return Some((n + 1, format!("a lib.rs wires, and this is logic: `{}`", words.trim_end())));
            }
        }
        depth += line.chars().map(|c| i32::from("{([".contains(c)) - i32::from("})]".contains(c))).sum::<i32>();
    }
    None
}

fn program(code: &str) -> Option<(usize, String)> {
    const DEFINITIONS: &[&str] = &["struct", "enum", "trait", "impl", "union", "macro_rules"];
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    for (n, line) in code.lines().enumerate() {
        let words = line.trim_start();
        let item = words.strip_prefix("pub ").unwrap_or(words);
        if DEFINITIONS.iter().any(|word| item.split(|c: char| !c.is_alphanumeric() && c != '_').next() == Some(word)) {
            return Some((n + 1, format!("a main.rs wires, and this is a definition: `{}`", words.trim_end())));
        }
    }
    (lines > MAIN_LINES_MAX)
        .then(|| (1, format!("{lines} lines of code, and a main.rs that wires needs at most {MAIN_LINES_MAX}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logic_in_a_library_root_is_found() {
        let good = "//! Docs.\n#![no_std]\n#[cfg(test)]\nmod tests;\npub mod a;\npub use a::{\n    B,\n    C,\n};\n";
        assert_eq!(logic(&[File::new("x/src/lib.rs", good)], ""), [""; 0]);
        for bad in ["pub fn f() {}", "const A: u32 = 1;", "struct B;", "impl C {}"] {
            assert_eq!(logic(&[File::new("x/src/lib.rs", bad)], "").len(), 1, "{bad}");
        }
        assert_eq!(logic(&[File::new("x/src/lib.rs", "fn f() {}")], "x/src/lib.rs so").len(), 0);
        assert_eq!(logic(&[File::new("x/src/lib.rs", good)], "x/src/lib.rs so").len(), 1);
        assert_eq!(logic(&[File::new("x/src/lib.rs", "fn f() {}")], "x/ so").len(), 0);
        assert_eq!(logic(&[File::new("y/src/lib.rs", "fn f() {}")], "x/ so").len(), 2);
    }

    #[test]
    fn logic_in_a_program_is_found() {
        let main = |text: &str| vec![File::new("x/src/main.rs", text)];
        assert_eq!(logic(&main("fn main() { x::main() }"), "").len(), 0);
        assert_eq!(logic(&main("struct A;\nfn main() {}"), "").len(), 1);
        assert_eq!(logic(&main(&"f();\n".repeat(61)), "").len(), 1);
    }
}
