//! The last words of the kernel, and what root says of a component that died, read for a person: the code addresses among
//! them get names, the syndrome its meaning.

use crate::symbols::Symbols;
use crate::unwind::{Chain, Dump, Frames};
use std::path::Path;

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

/// The number of a register with that name.
fn register(label: &str) -> Option<usize> {
    match label {
        "sp" => Some(13),
        "lr" => Some(14),
        "pc" => Some(15),
        _ => label.strip_prefix('r').and_then(|number| number.parse().ok()).filter(|number| *number <= 12),
    }
}

/// The registers and the stack that an epitaph tells. Behind `stack` stands an address, and then the words from there on.
fn dump(lines: &[String]) -> Dump {
    let mut dump = Dump::default();
    for line in lines {
        let words = words(line);
        if line.split_whitespace().any(|word| word == STACK) {
            let Some((base, stack)) = words.split_first() else { continue };
            let addresses = (0..).map(|n: u32| base.value.wrapping_add(4 * n));
            dump.memory.extend(addresses.zip(stack.iter().map(|word| word.value)));
        } else {
            for Word { label, value } in words {
                let known = register(&label).and_then(|number| dump.registers.get_mut(number));
                known.map(|known| known.get_or_insert(value));
            }
        }
    }
    dump
}

/// What can be told about an epitaph with the program at hand that it is of.
pub fn story(lines: &[String], program: &Path) -> Vec<String> {
    let lost = |error: String| vec![format!("{}: its symbols can't be read: {error}", program.display())];
    let bytes = match std::fs::read(program) {
        Ok(bytes) => bytes,
        Err(error) => return lost(error.to_string()),
    };
    match Symbols::parse(&bytes).and_then(|symbols| Ok((symbols, Frames::parse(&bytes)?))) {
        Ok((symbols, frames)) => {
            let chain = frames.callers(&dump(lines), |address| symbols.is_code(address.into()));
            tell(lines, &chain, |address| symbols.names(address))
        }
        Err(error) => lost(error.to_string()),
    }
}

/// `chain`: who called whom. If nobody is known, all addresses of code are told that the registers and the stack hold.
fn tell(lines: &[String], chain: &Chain, names: impl Fn(u64) -> Vec<String>) -> Vec<String> {
    let mut story = Vec::new();
    let mut place = |label: &str, value: u32, times: usize| {
        // A return address is behind its call, which may be the last thing in its function.
        let back = if ["lr", "from", STACK].contains(&label) { 4 } else { 0 };
        let address = u64::from(value & !1).saturating_sub(back);
        for (depth, name) in names(address).into_iter().enumerate() {
            let place = if depth == 0 { format!("{label} {value:08x}") } else { " ".repeat(label.len() + 9) };
            let times = if times > 1 { format!(", {times} times") } else { String::new() };
            story.push(format!("{place}  {name}{times}"));
        }
    };
    let words: Vec<Word> = lines.iter().flat_map(|line| words(line)).collect();
    let told = |word: &&Word| chain.callers.is_empty() && word.label != "hsr" || word.label == "pc";
    words.iter().filter(told).for_each(|word| place(&word.label, word.value, 1));
    // A function that calls itself is told once.
    chain.callers.chunk_by(|a, b| a == b).for_each(|same| place("from", same[0], same.len()));
    if let (Some(above), false) = (chain.broken_at, chain.callers.is_empty()) {
        dump(lines).memory.range(above..).for_each(|(_, word)| place(STACK, *word, 1));
    }
    let syndromes = words.iter().filter(|word| word.label == "hsr");
    story.extend(syndromes.map(|word| format!("hsr {:08x}  {}", word.value, syndrome(word.value))));
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
        let nobody = Chain::default();
        assert_eq!(tell(&lines, &nobody, names), expected);
    }

    #[test]
    fn callers_are_told_instead_of_all_that_looks_like_code() {
        let lines = [
            "pong died: touched memory that it does not have, address 0x00000000, hsr 0x93800006",
            "  pc 0x10000010 lr 0x10000020 sp 0x1800ff00 cpsr 0x20000110",
            "  r0 0x00000000 r1 0x10000030 r2 0x00000001 r3 0x00000002",
            "  stack 0x1800ff00: 00000000 10000040 1800ff40 10000050",
            "  stack 0x1800ff40: 00000000 10000060 00000000 00000000",
        ]
        .map(String::from);
        let dump = dump(&lines);
        assert_eq!(
            (dump.registers[15], dump.registers[13], dump.registers[1]),
            (Some(0x1000_0010), Some(0x1800_ff00), Some(0x1000_0030))
        );
        assert_eq!(
            (dump.memory.get(&0x1800_ff0c), dump.memory.get(&0x1800_ff44)),
            (Some(&0x1000_0050), Some(&0x1000_0060))
        );
        assert_eq!(dump.memory.len(), 8);
        let names =
            |address: u64| if address >> 12 == 0x1_0000 { vec![format!("f{:x}", address & 0xff)] } else { Vec::new() };
        let chain = Chain { callers: vec![0x1000_0050], broken_at: Some(0x1800_ff10) };
        let expected = [
            "pc 10000010  f10",
            "from 10000050  f4c",
            "stack 10000060  f5c",
            "hsr 93800006  data abort of a lower mode",
        ];
        assert_eq!(tell(&lines, &chain, names), expected);
        let chain = Chain { broken_at: None, ..chain };
        assert_eq!(tell(&lines, &chain, names), [expected[0], expected[1], expected[3]]);
        let chain = Chain { callers: vec![0x1000_0050, 0x1000_0050, 0x1000_0024], broken_at: None };
        assert_eq!(tell(&lines, &chain, names)[1..3], ["from 10000050  f4c, 2 times", "from 10000024  f20"]);
        let all = tell(&lines, &Chain::default(), names);
        assert_eq!(all.len(), 7, "{all:?}");
    }

    #[test]
    fn a_program_that_is_gone_is_told() {
        let story = story(&["pc 10000010".to_owned()], Path::new("/no/such.elf"));
        assert!(story[0].contains("/no/such.elf"), "{story:?}");
    }
}
