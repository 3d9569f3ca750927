//! Words for people on the host: what defmt does on the target, as text.

use core::fmt::{Display, Write as _};
use std::string::String;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Trace,
    /// What someone who searches wants to know.
    Debug,
    /// What someone who watches wants to know.
    Info,
    /// Something is wrong; it is dealt with.
    Warn,
    /// Something is wrong and will not mend itself.
    Error,
}

impl Level {
    /// As logs show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// The text of a line: `{=u32}`, `{=str}`, `{=u32:#010x}` and the like are replaced by the arguments, in their order.
pub fn render(format: &str, arguments: &[&dyn Display]) -> String {
    let mut text = String::new();
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..at + 1];
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(brace) {
            // Two of them stand for one.
            text.push_str(brace);
            rest = behind;
        } else if brace == "{" {
            let (parameter, behind) = rest.split_once('}').unwrap_or((rest, ""));
            rest = behind;
            let hint = parameter.split_once(':').map_or("", |(_, hint)| hint);
            match arguments.next() {
                Some(argument) => show(&mut text, *argument, hint),
                None => text.push_str("(missing)"),
            }
        }
    }
    text.push_str(rest);
    text
}

/// One argument by its hint: `x`, `X`, `b`, with `#`, `0` and a width before it. Others only matter to the decoder.
fn show(text: &mut String, argument: &dyn Display, hint: &str) {
    let plain = std::format!("{argument}");
    let (hint, prefixed) = hint.strip_prefix('#').map_or((hint, false), |rest| (rest, true));
    let kind = hint.trim_start_matches(|c: char| c.is_ascii_digit());
    let width = hint[..hint.len() - kind.len()].parse().unwrap_or(0);
    // Writing to a string can't fail.
    let _ = match (plain.parse::<u64>(), kind, prefixed) {
        (Ok(number), "x", false) => write!(text, "{number:0width$x}"),
        (Ok(number), "x", true) => write!(text, "{number:#0width$x}"),
        (Ok(number), "X", false) => write!(text, "{number:0width$X}"),
        (Ok(number), "X", true) => write!(text, "{number:#0width$X}"),
        (Ok(number), "b", false) => write!(text, "{number:0width$b}"),
        (Ok(number), "b", true) => write!(text, "{number:#0width$b}"),
        (Ok(number), "", _) => write!(text, "{number:0width$}"),
        _ => write!(text, "{plain}"),
    };
}

/// Says a line, which is only put together if somebody listens.
#[doc(hidden)]
pub fn say(level: Level, format: &str, arguments: &[&dyn Display]) {
    if super::ask(|_| ()).is_some() {
        super::thread::say(level, &render(format, arguments));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_defmt_shows_them() {
        for (format, arguments, text) in [
            ("ping {=u32}: answered", &[&7_u32 as &dyn Display][..], "ping 7: answered"),
            ("pc {=u32:#010x} sp {=u32:#x}", &[&0x1234_u32, &10_u8], "pc 0x00001234 sp 0xa"),
            ("{=str} {=u64}.{=u64:03}", &[&"took", &12_u64, &7_u64], "took 12.007"),
            ("{{{=bool}}} {} {=u8:08b}", &[&true, &-5, &5], "{true} -5 00000101"),
            ("{=u32} {=u32}", &[&1], "1 (missing)"),
            ("nothing at all", &[], "nothing at all"),
        ] {
            assert_eq!(render(format, arguments), text);
        }
    }
}
