//! The top level is fixed.

/// What may stand there, and why it is there.
const ALLOWED: &[&str] = &[
    "Cargo.toml",
    "kernel",
    "components",
    "vmm-server",
    "interfaces",
    "boards",
    "tools",
    "tests",
    "README.md",
    // What every project has there.
    "Cargo.lock",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "CHANGELOG.md",
];

/// Entries that do not belong there, and those that are missing. Names that begin with a dot are free.
pub fn top_level(entries: &[String]) -> Vec<String> {
    let strange = entries.iter().filter(|entry| !entry.starts_with('.') && !ALLOWED.contains(&entry.as_str()));
    let strange = strange.map(|entry| format!("{entry}: the top level is fixed; find it a room below"));
    let missing = ALLOWED.iter().filter(|allowed| !entries.iter().any(|entry| entry == *allowed));
    strange.chain(missing.map(|missing| format!("{missing}: is missing at the top level"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_entry_and_a_missing_one_are_found() {
        let mut entries: Vec<String> = ALLOWED.iter().map(|&name| name.to_owned()).collect();
        entries.push(".cargo".to_owned());
        assert_eq!(top_level(&entries).len(), 0);
        entries[0] = "scripts".to_owned();
        assert_eq!(top_level(&entries).len(), 2);
    }
}
