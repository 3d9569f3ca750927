//! The kernel's last words, read for a person: the code addresses among them get names, the syndrome its meaning.

use crate::symbols::Symbols;

/// What each line of an epitaph begins with.
pub const START: &str = "!bulkhead epitaph";
/// What the last one ends with.
pub const END: &str = "!bulkhead epitaph: end";
/// What a kernel that did not even start says, in one line.
pub const CANNOT_START: &str = "!bulkhead cannot start";
/// The most lines that are kept of one.
pub const LINES_MAX: usize = 200;

/// A word of 32 bits in an epitaph, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    label: String,
    value: u32,
}

/// Whether a line begins an epitaph.
pub fn starts(line: &str) -> bool {
    line.contains(START) || line.contains(CANNOT_START)
}

/// Whether a line ends one.
pub fn ends(line: &str) -> bool {
    line.trim_end().ends_with(END) || line.contains(CANNOT_START)
}

fn word(token: &str) -> Option<u32> {
    let digits = match token.strip_prefix("0x") {
        Some(digits) if digits.len() <= 8 => digits,
        None if token.len() == 8 => token,
        _ => return None,
    };
    u32::from_str_radix(digits, 16).ok()
}

const STACK: &str = "stack";

/// What a word is called that follows one of that name: the next register, or one more of the stack.
fn following(label: &str) -> String {
    let register = label.strip_prefix('r').and_then(|number| number.parse::<u8>().ok());
    register.and_then(|number| number.checked_add(1)).map_or_else(|| STACK.to_owned(), |next| format!("r{next}"))
}

/// The words of a line with their names.
fn words(line: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut label = STACK.to_owned();
    for token in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|token| !token.is_empty()) {
        match word(token) {
            Some(value) => {
                let next = following(&label);
                found.push(Word { label: std::mem::replace(&mut label, next), value });
            }
            None => label = token.to_owned(),
        }
    }
    found
}

/// What the exception class of a syndrome says (ARM DDI 0406C, B3.13.6).
fn syndrome(value: u32) -> &'static str {
    match value >> 26 {
        0x00 => "unknown reason, or undefined instruction",
        0x01 => "WFI or WFE",
        0x03 => "CP15 access",
        0x04 => "CP15 access, 64 bits",
        0x05 => "CP14 access",
        0x06 => "CP14 LDC or STC",
        0x07 => "coprocessor 0-13 (floating point)",
        0x08 => "coprocessor 10 identification",
        0x0c => "CP14 access, 64 bits",
        0x11 => "SVC",
        0x12 => "HVC",
        0x13 => "SMC",
        0x20 => "prefetch abort of a lower mode",
        0x21 => "prefetch abort of Hyp mode",
        0x24 => "data abort of a lower mode",
        0x25 => "data abort of Hyp mode",
        _ => "reserved exception class",
    }
}

/// What can be told about an epitaph with the kernel's symbols at hand.
pub fn story(lines: &[String], symbols: &Symbols<'_>) -> Vec<String> {
    tell(lines, |address| symbols.names(address))
}

fn tell(lines: &[String], names: impl Fn(u64) -> Vec<String>) -> Vec<String> {
    let mut story = Vec::new();
    for Word { label, value } in lines.iter().flat_map(|line| words(line)) {
        if label == "hsr" {
            story.push(format!("{label} {value:08x}  {}", syndrome(value)));
            continue;
        }
        // A return address is behind its call, which may be the last thing in its function.
        let back = if label == "lr" || label == STACK { 4 } else { 0 };
        let address = u64::from(value & !1).saturating_sub(back);
        for (depth, name) in names(address).into_iter().enumerate() {
            let place = if depth == 0 { format!("{label} {value:08x}") } else { " ".repeat(label.len() + 9) };
            story.push(format!("{place}  {name}"));
        }
    }
    story.truncate(LINES_MAX);
    story
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_their_names() {
        let found = words("pc=40201234, lr: 0x40205678 | 40200010 deadbee 123456789 r4 00000001 00000002");
        let pairs: Vec<(&str, u32)> = found.iter().map(|word| (word.label.as_str(), word.value)).collect();
        assert_eq!(pairs, [("pc", 0x4020_1234), ("lr", 0x4020_5678), ("stack", 0x4020_0010), ("r4", 1), ("r5", 2)]);
    }

    #[test]
    fn code_addresses_and_the_syndrome_are_told() {
        let lines =
            ["!bulkhead epitaph: abort".to_owned(), "pc 40201234 lr 40205678 hsr 96000010 sp 50000000".to_owned()];
        let names = |address| match address {
            0x4020_1234 => vec!["inner (a.rs:1)".to_owned(), "outer (b.rs:2)".to_owned()],
            0x4020_5674 => vec!["caller".to_owned()],
            _ => Vec::new(),
        };
        let expected = [
            "pc 40201234  inner (a.rs:1)",
            "             outer (b.rs:2)",
            "lr 40205678  caller",
            "hsr 96000010  data abort of Hyp mode",
        ];
        assert!(starts(&lines[0]) && !ends(&lines[0]) && ends("!bulkhead epitaph: end"));
        assert!(starts("!bulkhead cannot start: no RAM (00000000)") && ends("!bulkhead cannot start: no RAM"));
        assert_eq!(tell(&lines, names), expected);
    }
}
