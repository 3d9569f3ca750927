//! The kernel's book has its tables of calls from the descriptions in `abi`, between marks.

use abi::Syscall;
use abi::describe::{CapType, Description, Kind};
use abi::method::DESCRIPTIONS;
use abi::{Error, Rights};

const BEGIN: &str = "<!-- made from interfaces/abi: ";
const END: &str = "<!-- end -->";

/// A text with what stands between its marks made anew.
///
/// # Errors
/// A mark that nothing is made for, or one without an end.
pub fn made(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once(BEGIN) {
        let (what, behind) = behind.split_once(" -->").ok_or("a mark has no end")?;
        let (_, behind) = behind.split_once(END).ok_or_else(|| format!("`{what}` has no `{END}`"))?;
        let table = table(what).ok_or_else(|| format!("nothing is made for `{what}`"))?;
        out.push_str(&format!("{before}{BEGIN}{what} -->\n{table}{END}"));
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

/// What must have a mark.
pub fn wanted() -> Vec<String> {
    let objects = DESCRIPTIONS.iter().filter_map(|methods| methods[0].object);
    let methods = objects.map(|object| format!("methods of {object:?}"));
    ["system calls", "kinds of words"].map(str::to_owned).into_iter().chain(methods).collect()
}

/// Marks that a text lacks.
pub fn missing(text: &str) -> Vec<String> {
    wanted().into_iter().filter(|what| !text.contains(&format!("{BEGIN}{what} -->"))).collect()
}

fn table(what: &str) -> Option<String> {
    match what {
        "system calls" => Some(system_calls()),
        "kinds of words" => Some(kinds()),
        _ => {
            let object = what.strip_prefix("methods of ")?;
            let is_it = |methods: &&&[&Description]| methods[0].object.is_some_and(|ty| format!("{ty:?}") == object);
            DESCRIPTIONS.iter().find(is_it).map(|methods| self::methods(methods))
        }
    }
}

fn rows(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    // A column in which nobody has anything to say is left out.
    let used: Vec<bool> = (0..head.len()).map(|n| rows.iter().any(|row| !row[n].is_empty())).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let kept = cells.zip(&used).filter(|(_, used)| **used).map(|(cell, _)| cell);
        kept.fold(String::from("|"), |line, cell| if cell.is_empty() { line + " |" } else { line + " " + cell + " |" })
            + "\n"
    };
    let mut text = line(&mut head.iter().copied());
    text.push_str(&format!("|{}\n", "---|".repeat(used.iter().filter(|used| **used).count())));
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

fn system_calls() -> String {
    rows(
        &["call", "on", "needs", "what it does", "errors"],
        Syscall::ALL.iter().map(|call| {
            let call = call.description();
            let mut needs = rights(call.rights);
            if call.reply {
                needs.push_str("; a `Reply` in r12, or 0");
            }
            let object = call.object.map_or(String::new(), |object| format!("{object:?}"));
            vec![format!("`{} {}`", call.name, call.number), object, needs, prose(call), errors(call)]
        }),
    )
}

fn methods(methods: &[&Description]) -> String {
    rows(
        &["method", "needs", "words", "answer", "what it does", "errors"],
        methods.iter().map(|method| {
            let words: Vec<String> =
                method.words.iter().map(|word| format!("`{}`{}", word.name, kind(word.kind))).collect();
            vec![
                format!("`{} {:#x}`", method.name, method.number),
                rights(method.rights),
                words.join("; "),
                method.answer.join("; "),
                prose(method),
                errors(method),
            ]
        }),
    )
}

/// The lines of a description as one, without links that only rustdoc can follow.
fn prose(call: &Description) -> String {
    let joined = call.text.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let (mut out, mut rest) = (String::new(), joined.as_str());
    while let Some((before, behind)) = rest.split_once("](crate::") {
        let name = before.rfind('[').unwrap_or(0);
        out.push_str(&before[..name]);
        out.push_str(&before[name + 1..]);
        rest = behind.split_once(')').map_or("", |(_, behind)| behind);
    }
    out + rest
}

fn errors(call: &Description) -> String {
    call.errors.iter().map(|(error, why)| format!("`{error:?}`: {why}")).collect::<Vec<_>>().join("; ")
}

fn rights(rights: Rights) -> String {
    rights.iter_names().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

/// What a word may be, in brackets.
fn kind(kind: Kind) -> String {
    let capability = |ty: CapType, needed: Rights| match needed.is_empty() {
        true => format!("{ty:?}"),
        false => format!("{ty:?}, {}", rights(needed)),
    };
    let text = match kind {
        Kind::Free => return String::new(),
        Kind::Capability(ty, needed) => capability(ty, needed),
        Kind::OptionalCapability(ty, needed) => format!("{}; or 0", capability(ty, needed)),
        Kind::AnyCapability => String::from("any capability"),
        Kind::Slot => String::from("a slot"),
        Kind::EmptySlot => String::from("an empty slot"),
        Kind::EmptySlots => String::from("an empty slot of it, and the next ones if it is several"),
        Kind::Objects => {
            let most = abi::object::RETYPE_COUNT_MAX;
            format!("type in bits 7-0, `size_bits` in 15-8, count in 31-16, 1-{most}")
        }
        Kind::Flags(mask) => format!("bits of {mask:#x}"),
        Kind::Number(ranges) => {
            let range = |&(least, most): &(u32, u32)| match least + 1 == most {
                true => format!("{least} or {most}"),
                false => format!("{least}-{most}"),
            };
            ranges.iter().map(range).collect::<Vec<_>>().join(", ")
        }
        Kind::Core => String::from("a core"),
        Kind::Priority => String::from("a priority"),
        Kind::FrameAddress => String::from("a multiple of the frame's size"),
        Kind::Offset(align) => format!("in the frame, a multiple of {align}"),
        Kind::Bytes(align, most) => format!("a multiple of {align} up to {most}, in the frame"),
        Kind::BudgetUs => String::from("microseconds, 1 to the next word"),
        Kind::PeriodUs => String::from("microseconds"),
    };
    format!(" ({text})")
}

/// What is wrong with a word that is not of its kind.
fn kinds() -> String {
    let of = |what: &str, kind: Kind| {
        let errors: Vec<String> = kind.errors().iter().map(|error| format!("`{error:?}` {}", when(*error))).collect();
        vec![what.to_owned(), errors.join("; ")]
    };
    rows(
        &["a word that is", "is refused with"],
        [
            of("a capability's address", Kind::Capability(CapType::Tcb, Rights::WRITE)),
            of("any capability's address", Kind::AnyCapability),
            of("a slot's number", Kind::Slot),
            of("an empty slot's number", Kind::EmptySlot),
            of("a number, flags, or a budget", Kind::Number(&[])),
            of("an offset or a length", Kind::Offset(1)),
            of("an address to map at", Kind::FrameAddress),
            of("a core", Kind::Core),
            of("a priority", Kind::Priority),
        ],
    )
}

fn when(error: Error) -> &'static str {
    match error {
        Error::EmptySlot => "if there is nothing (and for slot 0, which nobody can use)",
        Error::OutOfRange => "if it is none of those that there are",
        Error::WrongType => "for a capability of another type",
        Error::NoRights => "for one that lacks a right",
        Error::SlotOccupied => "if there is something",
        Error::Misaligned => "if it is no multiple of what it must be",
        Error::NoSuchCore => "if there is no such core, or it does not run",
        Error::PriorityCeiling => "above the ceiling of the authority",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_marks_is_made_anew_and_the_rest_is_kept() {
        let text = format!("a\n{BEGIN}methods of Power -->\nold\n{END}\nb\n");
        let new = made(&text).unwrap();
        assert!(new.starts_with("a\n") && new.ends_with(&format!("{END}\nb\n")) && !new.contains("old"), "{new}");
        assert!(
            new.contains("| `Power::Off 0xe01` | Switches the machine off. | `WrongState`: the board can't |"),
            "{new}"
        );
        assert_eq!(made(&new).unwrap(), new);
        assert!(made(&format!("{BEGIN}nonsense -->{END}")).is_err());
        assert!(made(&format!("{BEGIN}methods of Power -->")).is_err());
    }

    #[test]
    fn a_mark_that_is_missing_is_told() {
        assert_eq!(missing("").len(), wanted().len());
        assert!(!missing(&format!("{BEGIN}system calls -->")).contains(&String::from("system calls")));
    }

    #[test]
    fn what_only_rustdoc_can_follow_is_no_link() {
        let call = Description { text: &[" A [`B`](crate::b::B)", " and [c](#c)."], ..*Syscall::Yield.description() };
        assert_eq!(prose(&call), "A `B` and [c](#c).");
    }
}
