//! Claims: `[[claim]]`.

use super::section::Section;
use crate::compose::manifest::{Claim, ClaimKind, Ends};
use crate::compose::problem::{At, Problem, Span};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const KINDS: &[&str] = &["no-flow", "only-via", "exclusive"];

/// All claims, in their order.
pub fn claims<'a>(whole: &'a DeTable<'a>, problems: &mut Vec<Problem>) -> Vec<Claim> {
    let Some(value) = whole.get("claim") else { return Vec::new() };
    let wrong = |span: &Span| {
        Problem::at(span, "`claim` must be a list of tables".to_owned(), "not a list of tables")
            .help("write [[claim]], and its keys below it")
    };
    let Some(items) = value.get_ref().as_array() else {
        problems.push(wrong(&value.span()));
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items.iter() {
        match item.get_ref().as_table() {
            Some(table) => found.extend(claim(table, item.span(), problems)),
            None => problems.push(wrong(&item.span())),
        }
    }
    found
}

fn claim<'a>(table: &'a DeTable<'a>, span: Span, problems: &mut Vec<Problem>) -> Option<Claim> {
    const KEYS: &[&str] = &["no-flow", "only-via", "exclusive", "except", "trust", "time"];
    let mut section = Section::new("[[claim]]".to_owned(), table, span.clone(), KEYS, &[], problems);
    let given: Vec<(&str, &Spanned<DeValue<'a>>)> =
        KINDS.iter().filter_map(|kind| Some((*kind, table.get(*kind)?))).collect();
    let (except, trust, time) = (section.strings("except"), section.strings("trust"), section.flag("time"));
    let &(name, value) = match &given[..] {
        [] => {
            section.problem(
                Problem::at(&span, "[[claim]] claims nothing", "no claim")
                    .help("write one of no-flow = [\"A\", \"B\"], only-via = { ... } and exclusive = \"X\""),
            );
            return None;
        }
        [one] => one,
        [first, second, ..] => {
            let message = format!("[[claim]] has both `{}` and `{}`", first.0, second.0);
            section.problem(
                Problem::at(&second.1.span(), message, "the second")
                    .also(&first.1.span(), "the first")
                    .help("write two claims"),
            );
            return None;
        }
    };
    if name == "exclusive" {
        let out_of_place = [("except", except.first().map(|at| &at.span)), ("time", time.as_ref().map(|at| &at.span))];
        for (key, span) in out_of_place.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            let message = format!("`{key}` says nothing about what is exclusive");
            section.problem(
                Problem::at(span, message, "out of place").help("it is about flows: take it out, or claim no-flow"),
            );
        }
    }
    let kind = match name {
        "no-flow" => no_flow(&mut section, value),
        "only-via" => only_via(&mut section, value),
        _ => exclusive(&mut section, value),
    };
    Some(Claim { span: value.span(), kind: kind?, except, trust, time: time.is_some_and(|time| time.value) })
}

/// `["A", "B"]`, or `{ from = "A", to = "B" }`.
fn no_flow<'a>(section: &mut Section<'a, '_>, value: &Spanned<DeValue<'a>>) -> Option<ClaimKind> {
    if value.get_ref().is_table() {
        const KEYS: &[&str] = &["from", "to"];
        return section.within("no-flow", KEYS, |inner| Some(ClaimKind::NoFlow(from_to(inner)?)));
    }
    let names = section.strings("no-flow");
    two(section, "no-flow", names, &value.span()).map(|names| ClaimKind::NoFlow(Ends::Between(names)))
}

/// `{ between = ["A", "B"], via = "C" }`, or with `from` and `to`.
fn only_via<'a>(section: &mut Section<'a, '_>, value: &Spanned<DeValue<'a>>) -> Option<ClaimKind> {
    const KEYS: &[&str] = &["between", "from", "to", "via"];
    if !value.get_ref().is_table() {
        section.problem(
            Problem::at(&value.span(), "`only-via` in [[claim]] must be a table", "not a table")
                .help("write only-via = { between = [\"A\", \"B\"], via = \"C\" }"),
        );
        return None;
    }
    section.within("only-via", KEYS, |inner| {
        let via = inner.strings("via");
        if !inner.has("via") {
            inner.missing("via", "write via = [\"C\"]: compartments or channels");
        }
        let ends = if inner.has("between") {
            let (names, span) = (inner.strings("between"), inner.span());
            if inner.has("from") || inner.has("to") {
                inner.problem(
                    Problem::at(&span, "`only-via` has `between` beside `from` or `to`", "in this table")
                        .help("`between` means both ways, `from` and `to` one: keep one of them"),
                );
            }
            Ends::Between(two(inner, "between", names, &span)?)
        } else {
            from_to(inner)?
        };
        Some(ClaimKind::OnlyVia(ends, via))
    })
}

/// `"X"`, or `{ of = "X", to = "A" }`.
fn exclusive<'a>(section: &mut Section<'a, '_>, value: &Spanned<DeValue<'a>>) -> Option<ClaimKind> {
    if !value.get_ref().is_table() {
        return section.string("exclusive").map(|of| ClaimKind::Exclusive(of, Vec::new()));
    }
    const KEYS: &[&str] = &["of", "to"];
    section.within("exclusive", KEYS, |inner| {
        let to = inner.strings("to");
        let of = inner.required_string("of", "write of = \"device.NAME\"");
        Some(ClaimKind::Exclusive(of?, to))
    })
}

fn from_to(section: &mut Section<'_, '_>) -> Option<Ends> {
    for key in ["from", "to"] {
        if !section.has(key) {
            section.missing(key, &format!("write {key} = \"A\""));
        }
    }
    let (from, to) = (section.strings("from"), section.strings("to"));
    (!from.is_empty() && !to.is_empty()).then_some(Ends::FromTo(from, to))
}

fn two(section: &mut Section<'_, '_>, key: &str, names: Vec<At<String>>, span: &Span) -> Option<Vec<At<String>>> {
    if names.len() < 2 {
        let message = format!("`{key}` in {} needs two ends", section.title());
        let help = format!("write {key} = [\"A\", \"B\"]; nothing flows either way then");
        section.problem(Problem::at(span, message, "fewer than two").help(help));
        return None;
    }
    Some(names)
}
