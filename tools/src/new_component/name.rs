//! What a new component may be called: the manifest, cargo and the tool each have names of their own.

use crate::compose;
use crate::failure::{Failure, Result};
use crate::workspace::Package;

/// What Rust and cargo keep for themselves, and what the example's own dependencies are called.
const OTHERS: &[(&[&str], &str)] = &[
    (
        &[
            "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
            "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
            "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct",
            "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while",
            "yield",
        ],
        "a word of Rust's",
    ),
    (&["alloc", "core", "proc-macro", "std", "test"], "a crate of Rust's own"),
    (&["build", "deps", "examples", "incremental"], "a folder that cargo makes beside programs"),
    (&["abi", "postcard-schema", "protocol", "runtime", "serde"], "a crate that the new one uses"),
    (&["client", "ring", "uart"], "the name of capabilities that exist, so no channel can have it"),
];

/// Whether a component, a crate and a channel can be called so.
pub fn check(name: &str, packages: &[Package]) -> Result<()> {
    if let Err((what, mend)) = compose::check_name("component", name) {
        return Err(Failure::new(what).mend(mend));
    }
    let taken = |by: &str| Failure::new(format!("the name `{name}` is taken: it is {by}")).mend("choose another name");
    if let Some((_, by)) = OTHERS.iter().find(|(names, _)| names.contains(&name)) {
        return Err(taken(by));
    }
    match packages.iter().any(|package| package.name == name) {
        true => Err(taken("a package of the workspace")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_be_free_and_a_name() {
        let packages = [Package { name: "echo".to_owned(), program: true }];
        assert_eq!(check("front-door", &packages), Ok(()));
        let told = |name: &str| check(name, &packages).unwrap_err().to_string();
        assert_eq!(
            told("Front door"),
            "`Front door` can't be the name of a component\n  to mend it: a name begins with a small letter, and has small \
             letters, digits and `-`, 24 at most"
        );
        assert_eq!(
            told("log"),
            "the name `log` is taken\n  to mend it: `kernel`, `root`, `console` and `log` are in every system: choose another name"
        );
        let taken = |name: &str, by: &str| {
            assert_eq!(
                told(name),
                format!("the name `{name}` is taken: it is {by}\n  to mend it: choose another name")
            );
        };
        taken("echo", "a package of the workspace");
        taken("loop", "a word of Rust's");
        taken("std", "a crate of Rust's own");
        taken("deps", "a folder that cargo makes beside programs");
        taken("runtime", "a crate that the new one uses");
        taken("uart", "the name of capabilities that exist, so no channel can have it");
    }
}
