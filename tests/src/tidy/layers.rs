//! Who may depend on whom: the arrows of the house, held against `cargo metadata`.

use serde_json::Value;

/// One dependency of a crate of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// Folder of the crate that uses.
    pub user: String,
    /// What it uses: a folder of the workspace, or a package from outside.
    pub used: Used,
    /// When.
    pub kind: Kind,
}

/// What is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Used {
    /// A crate of the workspace, by its folder.
    Inside(String),
    /// Any other, by its name.
    Outside(String),
}

/// When a dependency is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Always.
    Normal,
    /// While testing.
    Dev,
    /// While building.
    Build,
}

/// A row of the table: a crate (or, with `/*`, all in a folder), and what it may use.
struct Row {
    user: &'static str,
    normal: &'static [&'static str],
    /// While testing, besides.
    dev: &'static [&'static str],
    build: &'static [&'static str],
    place: Place,
}

/// Where a crate runs: what it may take from outside depends on that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Board,
    Host,
}

const fn row(user: &'static str, normal: &'static [&'static str], dev: &'static [&'static str]) -> Row {
    Row { user, normal, dev, build: &[], place: Place::Board }
}

/// The arrows. Some of them the first drawing of the house did not have: `tools` uses `interfaces/protocol`, since the composer
/// writes the configuration that a component finds at its start; it uses `components/root`, and `components/runtime` for the seam
/// between the two, since it replays the boot on the kernel core: root's part of that is root's own code, not a copy of it that could
/// differ; and the build scripts of the kernel use `boards`, of which they make constants, so that no crate of the kernel does.
const ROWS: &[Row] = &[
    row("interfaces/abi", &[], &[]),
    row("interfaces/protocol", &["interfaces/abi"], &[]),
    row("interfaces/system", &["interfaces/abi"], &[]),
    Row { place: Place::Host, ..row("boards", &[], &[]) },
    row("kernel/core", &["interfaces/abi"], &["kernel/core"]),
    Row { build: &["boards"], ..row("kernel/armv7", &["interfaces/abi", "kernel/core"], &[]) },
    Row { build: &["boards"], ..row("kernel/image", &["kernel/armv7"], &[]) },
    row("kernel/zimage", &["interfaces/abi"], &[]),
    row("components/runtime", &["interfaces/abi", "interfaces/protocol"], &[]),
    row("components/root", &["interfaces/abi", "interfaces/protocol", "interfaces/system", "components/runtime"], &[]),
    // A component's tests may run a whole system on the desk.
    row("components/*", &["interfaces/abi", "interfaces/protocol", "components/runtime"], &["tests/desk"]),
    row("vmm-server/devices", &["interfaces/abi"], &[]),
    row(
        "vmm-server/server",
        &["interfaces/abi", "interfaces/protocol", "components/runtime", "vmm-server/devices"],
        &[],
    ),
    Row {
        place: Place::Host,
        ..row(
            "tools",
            &[
                "interfaces/abi",
                "interfaces/protocol",
                "interfaces/system",
                "boards",
                "kernel/core",
                "components/runtime",
                "components/root",
            ],
            &[],
        )
    },
    // Systems on the desk run everything but guests; only tests use them.
    Row {
        place: Place::Host,
        ..row(
            "tests/desk",
            &[
                "interfaces/abi",
                "interfaces/protocol",
                "boards",
                "kernel/core",
                "components/*",
                "vmm-server/devices",
                "tools",
            ],
            &["tests/components/*"],
        )
    },
    // Tests of the whole run everything, and nobody uses them.
    Row {
        place: Place::Host,
        ..row(
            "tests",
            &[
                "interfaces/*",
                "boards",
                "kernel/core",
                "components/*",
                "vmm-server/*",
                "tools",
                "tests/components/*",
                "tests/guests/*",
            ],
            &[],
        )
    },
    row(
        "tests/components/*",
        &["interfaces/abi", "interfaces/protocol", "components/runtime", "tests/components/*"],
        &["tests/desk"],
    ),
    // A guest knows its machine, not the kernel below it: of the ABI it may know the table of its own registers.
    row("tests/guests/*", &["interfaces/abi", "tests/guests/*"], &[]),
];

/// What may come from outside onto a board.
const ON_BOARD: &[&str] = &[
    "aarch32-cpu",
    "arrayvec",
    "bitflags",
    "defmt",
    "heapless",
    "intrusive-collections",
    "postcard",
    "postcard-schema",
    "serde",
];
/// What else may run on the host: tools and tests.
const ON_HOST: &[&str] = &[
    "addr2line",
    "anstream",
    "assert_cmd",
    "clap",
    "cpio",
    "crc32fast",
    "ctrlc",
    "defmt-decoder",
    "dtoolkit",
    "indicatif",
    "insta",
    "layout-rs",
    "libtest-mimic",
    "loom",
    "miette",
    "object",
    "proptest",
    "regex",
    "rustix",
    "serde_json",
    "shuttle",
    "stateright",
    "tempfile",
    "toml",
    "trybuild",
    "virtio-drivers",
    "vm-fdt",
    "xshell",
    "zerocopy",
];

fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(parent) => {
            folder.strip_prefix(parent).and_then(|rest| rest.strip_prefix('/')).is_some_and(|name| !name.contains('/'))
        }
        None => pattern == folder,
    }
}

/// Arrows that the table does not have.
pub fn violations(crates: &[String], arrows: &[Arrow]) -> Vec<String> {
    let row = |folder: &str| ROWS.iter().find(|row| matches(row.user, folder));
    let strangers = crates.iter().filter(|folder| row(folder).is_none());
    let mut findings: Vec<String> = strangers
        .map(|folder| format!("{folder}: no layer is named for this crate in tests/src/tidy/layers.rs"))
        .collect();
    for arrow in arrows {
        let Some(row) = row(&arrow.user) else { continue };
        let lists = match arrow.kind {
            Kind::Normal => vec![row.normal],
            Kind::Dev => vec![row.normal, row.dev],
            Kind::Build => vec![row.build],
        };
        let (allowed, used) = match &arrow.used {
            Used::Inside(folder) => (lists.concat().iter().any(|pattern| matches(pattern, folder)), folder),
            Used::Outside(name) => {
                let host = row.place == Place::Host || arrow.kind != Kind::Normal;
                (ON_BOARD.contains(&name.as_str()) || host && ON_HOST.contains(&name.as_str()), name)
            }
        };
        if !allowed {
            findings.push(format!("{}: may not use {used} ({:?})", arrow.user, arrow.kind));
        }
    }
    findings
}

/// Crates and arrows of what `cargo metadata --no-deps` says; `None` if it is not that.
pub fn read(metadata: &Value) -> Option<(Vec<String>, Vec<Arrow>)> {
    let root = metadata["workspace_root"].as_str()?;
    let inside = |path: &str| path.strip_prefix(root).map(|path| path.trim_start_matches('/').to_owned());
    let (mut crates, mut arrows) = (Vec::new(), Vec::new());
    for package in metadata["packages"].as_array()? {
        let manifest = package["manifest_path"].as_str()?;
        let folder = inside(manifest.strip_suffix("/Cargo.toml")?)?;
        for dependency in package["dependencies"].as_array()? {
            let name = dependency["name"].as_str()?.to_owned();
            let used = match dependency["path"].as_str() {
                Some(path) => inside(path).map_or(Used::Outside(name), Used::Inside),
                None => Used::Outside(name),
            };
            let kind = match dependency["kind"].as_str() {
                Some("dev") => Kind::Dev,
                Some("build") => Kind::Build,
                _ => Kind::Normal,
            };
            arrows.push(Arrow { user: folder.clone(), used, kind });
        }
        crates.push(folder);
    }
    Some((crates, arrows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(user: &str, used: &str, kind: Kind) -> Vec<String> {
        violations(&[], &[Arrow { user: user.to_owned(), used: Used::Inside(used.to_owned()), kind }])
    }

    fn outside(user: &str, used: &str, kind: Kind) -> Vec<String> {
        violations(&[], &[Arrow { user: user.to_owned(), used: Used::Outside(used.to_owned()), kind }])
    }

    #[test]
    fn an_arrow_that_points_the_wrong_way_is_found() {
        assert_eq!(inside("kernel/armv7", "kernel/core", Kind::Normal).len(), 0);
        assert_eq!(inside("kernel/core", "kernel/armv7", Kind::Normal).len(), 1);
        assert_eq!(inside("components/console", "components/log", Kind::Normal).len(), 1);
        assert_eq!(inside("components/runtime", "kernel/core", Kind::Normal).len(), 1);
        assert_eq!(inside("components/net", "tests/desk", Kind::Normal).len(), 1);
        assert_eq!(inside("components/net", "tests/desk", Kind::Dev).len(), 0);
        assert_eq!(inside("tests/desk", "vmm-server/server", Kind::Normal).len(), 1);
        assert_eq!(inside("kernel/armv7", "boards", Kind::Normal).len(), 1);
        assert_eq!(inside("kernel/armv7", "boards", Kind::Build).len(), 0);
        assert_eq!(inside("tests/components/ping", "tests/components/pong", Kind::Normal).len(), 0);
        assert_eq!(inside("tools", "tests", Kind::Dev).len(), 1);
        assert_eq!(inside("tools", "components/root", Kind::Normal).len(), 0);
        assert_eq!(inside("tools", "components/console", Kind::Normal).len(), 1);
        assert_eq!(inside("components/root", "tools", Kind::Dev).len(), 1);
    }

    #[test]
    fn a_crate_without_a_layer_and_a_package_that_nobody_knows_are_found() {
        assert_eq!(violations(&["misc/thing".to_owned()], &[]).len(), 1);
        assert_eq!(violations(&["components/net".to_owned()], &[]).len(), 0);
        assert_eq!(outside("kernel/core", "bitflags", Kind::Normal).len(), 0);
        assert_eq!(outside("kernel/core", "proptest", Kind::Normal).len(), 1);
        assert_eq!(outside("kernel/core", "proptest", Kind::Dev).len(), 0);
        assert_eq!(outside("tools", "left-pad", Kind::Normal).len(), 1);
    }

    #[test]
    fn metadata_is_read() {
        let metadata = serde_json::json!({ "workspace_root": "/w", "packages": [{
            "manifest_path": "/w/kernel/core/Cargo.toml",
            "dependencies": [
                { "name": "bulkhead-abi", "path": "/w/interfaces/abi", "kind": null },
                { "name": "proptest", "kind": "dev" },
            ],
        }] });
        let (crates, arrows) = read(&metadata).unwrap();
        assert_eq!(crates, ["kernel/core"]);
        assert_eq!(arrows[0].used, Used::Inside("interfaces/abi".to_owned()));
        assert_eq!((&arrows[1].used, arrows[1].kind), (&Used::Outside("proptest".to_owned()), Kind::Dev));
        assert!(read(&serde_json::json!({})).is_none());
    }
}
