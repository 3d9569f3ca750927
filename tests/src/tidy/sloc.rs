//! How large the kernel is: lines that are neither blank nor comment, outside of tests and of the simulated machine.

use super::{File, rust};

/// The most lines of the kernel.
pub const KERNEL_LINES_MAX: usize = 8000;
const KERNEL: &[&str] = &["kernel/core/src/", "kernel/armv7/src/", "kernel/image/src/", "kernel/zimage/src/"];
const SIMULATION: &str = "kernel/core/src/sim/";

/// Lines of each crate of the kernel, by the start of its paths.
pub fn kernel(files: &[File]) -> Vec<(&'static str, usize)> {
    let tests = test_files(files);
    let count = |folder: &str| {
        let own = files.iter().filter(|file| file.is_rust() && file.path.starts_with(folder));
        let own = own.filter(|file| !file.path.starts_with(SIMULATION));
        own.filter(|file| !tests.contains(&file.path)).map(|file| lines(&file.text)).sum()
    };
    KERNEL.iter().map(|&folder| (folder, count(folder))).collect()
}

fn lines(text: &str) -> usize {
    let (code, _) = rust::without_tests(&rust::code(text));
    // A line of a long literal is blank now, and code all the same.
    let source: Vec<&str> = text.lines().collect();
    code.lines().enumerate().filter(|(n, line)| !line.trim().is_empty() || is_literal(source.get(*n))).count()
}

fn is_literal(line: Option<&&str>) -> bool {
    line.is_some_and(|line| line.trim_start().starts_with('"'))
}

/// Files that are modules of tests.
fn test_files(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let (_, modules) = rust::without_tests(&rust::code(&file.text));
        let folder = match file.path.strip_suffix(".rs") {
            Some(stem) if stem.ends_with("/mod") || stem.ends_with("/lib") || stem.ends_with("/main") => {
                stem.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()
            }
            Some(stem) => stem.to_owned(),
            None => continue,
        };
        for module in modules {
            found.push(format!("{folder}/{module}.rs"));
            found.push(format!("{folder}/{module}/mod.rs"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_counted_and_the_rest_is_not() {
        let tree = [
            File::new(
                "kernel/core/src/a.rs",
                "//! Docs.\n\nfn a() {\n    // why\n    b()\n}\n#[cfg(test)]\nmod tests;\n",
            ),
            File::new("kernel/core/src/a/tests.rs", "fn t() {}\n"),
            File::new("kernel/core/src/sim/mod.rs", "fn s() {}\n"),
            File::new("kernel/armv7/src/lib.rs", "fn c() {}\n#[cfg(test)]\nmod tests {\n    fn d() {}\n}\n"),
            File::new("kernel/zimage/src/main.rs", "fn z() {}\nfn y() {}\n"),
            File::new("tools/src/lib.rs", "fn e() {}\n"),
        ];
        let counted: Vec<usize> = kernel(&tree).into_iter().map(|(_, lines)| lines).collect();
        assert_eq!(counted, [3, 1, 0, 2]);
    }
}
