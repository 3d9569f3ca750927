//! Where the instructions of an operation go, as text.

use crate::bench_count::Split;
use crate::bench_measure::{Longest, MASKED};
use crate::bench_table::Row;
use crate::symbols::Symbols;
use std::collections::BTreeMap;

const FUNCTIONS_MAX: usize = 6;

/// A function's share of an operation.
pub type Share = (String, f64);

/// Sums up by function: the innermost one of our own. Only what has a name counts; the largest come first.
pub fn by_function(symbols: &Symbols<'_>, counts: &[(u64, f64)]) -> Vec<Share> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (address, count) in counts {
        *sums.entry(own(&symbols.names(*address))).or_default() += count;
    }
    let mut shares: Vec<Share> = sums.into_iter().collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

/// The innermost function that is not the library's, without its place.
fn own(frames: &[String]) -> String {
    let library = |frame: &&String| {
        let path = frame.rsplit_once(" (").map_or("", |(_, place)| place);
        !(path.starts_with('/') || path.contains("library/") || frame.starts_with("core::"))
    };
    let frame = frames.iter().find(library).or_else(|| frames.first());
    let name = frame.map_or("?", |frame| frame.rsplit_once(" (").map_or(frame.as_str(), |(name, _)| name));
    short(name)
}

/// The last two parts of a path, without its generic arguments; an assembler's label without its offset.
fn short(name: &str) -> String {
    let mut depth = 0;
    let plain: String = name
        .chars()
        .filter(|&c| {
            depth += i32::from(c == '<');
            let outside = depth == 0;
            depth -= i32::from(c == '>');
            outside
        })
        .collect();
    let parts: Vec<&str> = plain.split("::").filter(|part| !part.is_empty() && !part.starts_with("{impl")).collect();
    let last = parts[parts.len().saturating_sub(2)..].join("::");
    last.split("+0x").next().unwrap_or_default().to_owned()
}

/// A paragraph for each figure above its goal of which it is known.
pub fn shown(rows: &[Row], shares: &BTreeMap<String, Vec<Share>>) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| row.meets_goal() == Some(false)) {
        let (Some(split), Some(measured)) = (&row.split, row.measured) else { continue };
        let above = measured - row.figure.goal.unwrap_or(measured);
        text += &format!("\n{}: {above:.0} above its goal. {}\n", row.figure.name, halves(split));
        let functions = functions(shares.get(&row.figure.name).map_or(&[][..], Vec::as_slice));
        if !functions.is_empty() {
            text += &format!("  of the kernel: {functions}\n");
        }
    }
    text
}

/// How large the legs are that a figure is made of.
pub fn legs(rows: &[Row], legs: &BTreeMap<String, Vec<f64>>) -> String {
    let mut text = String::new();
    for row in rows {
        let (Some(legs), Some(split)) = (legs.get(&row.figure.name), &row.split) else { continue };
        let [before, server, after] = legs[..] else { continue };
        text += &format!(
            "\n{}: the caller encodes {before:.0}, the server decodes and encodes {server:.0}, the caller decodes {after:.0}; \
             the kernel between them {:.0}\n",
            row.figure.name,
            split.hyp_to_component + split.hyp_to_guest
        );
    }
    text
}

/// Where interrupts are masked for the longest, and what that means for who waits for one.
pub fn masked(rows: &[Row], longest: &[Longest]) -> String {
    let Some(most) = longest.iter().max_by_key(|longest| longest.length) else { return String::new() };
    let by = if most.by_trap { "a trap" } else { "an interrupt" };
    let mut text = format!("\n{MASKED}: {} in `{}`, after {by}\n", most.length, most.system);
    text += &format!("  of the kernel: {}\n", functions(&most.functions));
    for other in longest.iter().filter(|other| other.system != most.system) {
        let first = other.functions.first().map_or("?", |(name, _)| name.as_str());
        text += &format!("  in `{}`: {}, most of it in {first}\n", other.system, other.length);
    }
    let measured = |name: &str| rows.iter().find(|row| row.figure.name == name).and_then(|row| row.measured);
    if let Some(best) = measured("irq-component-best") {
        let bound = best + most.length as f64;
        text += &format!(
            "  with irq-component-best, that is about the longest that the most urgent driver waits: {bound:.0}\n"
        );
    }
    text
}

fn functions(shares: &[Share]) -> String {
    let shares = shares.iter().take(FUNCTIONS_MAX).filter(|share| share.1 >= 1.0);
    shares.map(|(name, count)| format!("{name} {count:.0}")).collect::<Vec<_>>().join(", ")
}

fn halves(split: &Split) -> String {
    let parts = [
        ("kernel until a component runs", split.hyp_to_component),
        ("components", split.component),
        ("kernel until a guest runs", split.hyp_to_guest),
    ];
    let parts = parts.iter().filter(|part| part.1 >= 0.5).map(|(what, count)| format!("{what} {count:.0}"));
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_table::Figures;

    #[test]
    fn names_become_short() {
        assert_eq!(short("kernel_core::vgic::<impl kernel_core::kernel::Kernel<P>>::sync"), "vgic::sync");
        assert_eq!(short("<kernel_armv7::platform::Armv7 as x::Platform>::map::{closure#0}"), "map::{closure#0}");
        assert_eq!(short("hyp_trap+0x3c"), "hyp_trap");
        let frames =
            ["core::ptr::read (/rustc/x.rs:1)", "a::b::c (kernel/x.rs:2)", "d (kernel/x.rs:3)"].map(String::from);
        assert_eq!(own(&frames), "b::c");
        assert_eq!(own(&[]), "?");
    }

    #[test]
    fn only_what_is_above_its_goal_is_told() {
        let figures: Figures =
            toml::from_str("[[figure]]\nname = \"a\"\ngoal = 1\n[[figure]]\nname = \"b\"\ngoal = 9\n").unwrap();
        let measured = BTreeMap::from([("a".to_owned(), 5.0), ("b".to_owned(), 5.0)]);
        let split = Split { hyp_to_component: 3.0, component: 2.0, ..Split::default() };
        let splits = BTreeMap::from([("a".to_owned(), split), ("b".to_owned(), split)]);
        let shares = BTreeMap::from([("a".to_owned(), vec![("f".to_owned(), 2.0), ("g".to_owned(), 0.2)])]);
        let text = shown(&figures.compare(&measured, &splits), &shares);
        let wanted = "\na: 4 above its goal. kernel until a component runs 3, components 2\n  of the kernel: f 2\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn legs_and_the_longest_stretch_are_told() {
        let figures: Figures = toml::from_str("[[figure]]\nname = \"irq-component-best\"\n").unwrap();
        let measured = BTreeMap::from([("ask".to_owned(), 9.0), ("irq-component-best".to_owned(), 300.0)]);
        let split = Split { hyp_to_component: 250.0, component: 90.0, ..Split::default() };
        let rows = figures.compare(&measured, &BTreeMap::from([("ask".to_owned(), split)]));
        let told = legs(&rows, &BTreeMap::from([("ask".to_owned(), vec![50.0, 30.0, 10.0])]));
        let wanted = "\nask: the caller encodes 50, the server decodes and encodes 30, the caller decodes 10; the kernel between them 250\n";
        assert_eq!(told, wanted);
        let longest = |system: &str, length, by_trap| {
            let functions = vec![("f".to_owned(), 4.0), ("g".to_owned(), 0.5)];
            Longest { system: system.to_owned(), length, by_trap, functions }
        };
        let told = masked(&rows, &[longest("a", 7, true), longest("b", 5000, false)]);
        let wanted = "\nmasked-longest: 5000 in `b`, after an interrupt\n  of the kernel: f 4\n  in `a`: 7, most of it in f\n  \
                      with irq-component-best, that is about the longest that the most urgent driver waits: 5300\n";
        assert_eq!(told, wanted);
        assert_eq!(masked(&rows, &[]), "");
    }
}
