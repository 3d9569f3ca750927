//! Manifest text to [`Manifest`]: syntax, keys and types.

mod claims;
mod parts;
mod section;
pub mod units;

pub use parts::name as check_name;

use super::manifest::{Manifest, OnFault};
use super::problem::{At, Problem, Span};
use parts::{channel, component, vm};
use section::Section;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The version of the manifest that this is.
pub const MANIFEST_VERSION: u64 = 1;

/// Reads a manifest. The problems are all that could be found; the manifest holds what could be read.
pub fn parse(text: &str) -> (Manifest, Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let span = error.span().unwrap_or(0..0);
            if error.message() == DUPLICATE {
                let key = text.get(span.clone()).unwrap_or("a key");
                return Problem::at(&span, format!("`{key}` stands twice"), "again").help("keep one of them");
            }
            Problem::at(&span, format!("this is not TOML: {}", error.message()), "here").help(remedy(error.message()))
        })
        .collect();
    let mut manifest = Manifest::default();
    if problems.is_empty() {
        top(table.get_ref(), &mut manifest, &mut problems);
    }
    (manifest, problems)
}

/// What the parser says of a key that stands twice in its table.
const DUPLICATE: &str = "duplicate key";

/// What mends a fault of the syntax, by what the parser says of it.
fn remedy(message: &str) -> &'static str {
    let remedies = [
        ("must be quoted", "write it in quotes: KEY = \"TEXT\""),
        ("string", "a text stands in quotes, and ends with one: KEY = \"TEXT\""),
        ("table", "a table's name stands in brackets, such as [vm.NAME]; inline ones in braces"),
        ("array", "a list stands in brackets, with commas: KEY = [\"ONE\", \"TWO\"]"),
        ("no value", "write KEY = VALUE, or a table's name in brackets, such as [vm.NAME]"),
    ];
    let known = remedies.iter().find(|(part, _)| message.contains(part)).map(|&(_, remedy)| remedy);
    known.unwrap_or("a line is KEY = VALUE or [TABLE]; values are \"TEXT\", a number, true, false, or a [LIST]")
}

fn top<'a>(table: &'a DeTable<'a>, manifest: &mut Manifest, problems: &mut Vec<Problem>) {
    const KEYS: &[&str] = &["system", "vm", "component", "channel", "claim"];
    let mut whole = Section::new("the manifest".to_owned(), table, 0..0, KEYS, &["disk", "net"], problems);
    match whole.table("system") {
        Some((table, span)) => system(table, span, manifest, problems),
        None => whole.missing("system", "write [system], version = 1 and board = \"qemu-virt\""),
    }
    for (name, table, span) in named("vm", table, problems) {
        manifest.vms.extend(vm(name, table, span, problems));
    }
    for (name, table, span) in named("component", table, problems) {
        manifest.components.extend(component(name, table, span, problems));
    }
    for (name, table, span) in named("channel", table, problems) {
        manifest.channels.extend(channel(name, table, span, problems));
    }
    manifest.claims = claims::claims(table, problems);
}

fn system<'a>(table: &'a DeTable<'a>, span: Span, manifest: &mut Manifest, problems: &mut Vec<Problem>) {
    const KEYS: &[&str] = &["version", "board", "name", "on-fault"];
    let mut section = Section::new("[system]".to_owned(), table, span, KEYS, &[], problems);
    if !section.has("version") {
        section.missing("version", "write version = 1");
    }
    if let Some(version) = section.integer_such_as("version", 0, u64::MAX, MANIFEST_VERSION)
        && version.value != MANIFEST_VERSION
    {
        let message = format!("the manifest is of version {}, this tool reads {MANIFEST_VERSION}", version.value);
        section.problem(Problem::at(&version.span, message, "unknown version").help("write version = 1"));
    }
    manifest.board = section.string("board");
    manifest.name = section.string("name");
    manifest.on_fault = on_fault(&mut section);
}

fn on_fault(section: &mut Section<'_, '_>) -> OnFault {
    let after = section.within("on-fault", &["reset-after"], |inner| {
        if !inner.has("reset-after") {
            inner.missing("reset-after", "write on-fault = { reset-after = \"2s\" }");
        }
        Some(
            inner
                .duration_us("reset-after")
                .map_or(OnFault::Halt, |after| OnFault::ResetAfter(after.value.div_ceil(1000))),
        )
    });
    if let Some(after) = after {
        return after;
    }
    let choices = [("halt", OnFault::Halt), ("reset", OnFault::Reset)];
    section.choice("on-fault", &choices).map_or(OnFault::Halt, |chosen| chosen.value)
}

/// The tables `[kind.NAME]`, in the order in which they stand in the file.
fn named<'a>(
    kind: &str,
    whole: &'a DeTable<'a>,
    problems: &mut Vec<Problem>,
) -> Vec<(At<String>, &'a DeTable<'a>, Span)> {
    let Some(value) = whole.get(kind) else { return Vec::new() };
    let wrong = |span: &Span| {
        Problem::at(span, format!("`{kind}` must be tables with names"), "not a table")
            .help(format!("write [{kind}.NAME], and its keys below it"))
    };
    let Some(tables) = value.get_ref().as_table() else {
        problems.push(wrong(&value.span()));
        return Vec::new();
    };
    let mut entries: Vec<(&Spanned<_>, &Spanned<DeValue<'a>>)> = tables.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let mut found = Vec::new();
    for (name, value) in entries {
        match value.get_ref().as_table() {
            Some(table) => found.push((At::new(name.get_ref().to_string(), name.span()), table, value.span())),
            None => problems.push(wrong(&name.span())),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_manifest_is_read_in_its_own_order() {
        let (manifest, problems) = parse(
            r#"
            [system]
            version = 1
            on-fault = { reset-after = "1500ms" }
            [vm.z]
            kernel = "z"
            ram = "16MiB"
            [vm.a]
            kernel = "a"
            ram = "32MiB"
            budget = "1ms"
            [component.c]
            crate = "c"
            [channel.x]
            from = ["c"]
            to = "d"
            "#,
        );
        assert_eq!(problems, []);
        let names: Vec<_> = manifest.vms.iter().map(|vm| vm.name.value.as_str()).collect();
        assert_eq!(names, ["z", "a"]);
        assert_eq!(manifest.on_fault, OnFault::ResetAfter(1500));
        assert_eq!(manifest.vms[1].time.budget_us.as_ref().unwrap().value, 1000);
        assert_eq!(manifest.channels[0].to[0].value, "d");
    }

    #[test]
    fn all_problems_are_found_in_one_go() {
        let (_, problems) = parse("[system]\nversion = 2\nbord = 1\n[vm.a]\nram = 1\nwatchdog = \"2s\"\n");
        assert_eq!(problems.len(), 5, "{problems:#?}");
    }
}
