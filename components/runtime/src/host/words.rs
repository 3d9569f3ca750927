//! Words for people on the host: what defmt does on the target, as text.

use core::fmt::{Debug, Display, Write as _};
use std::string::{String, ToString};

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

/// An argument as text: by its `Display` if it has one, else by its `Debug`. The log's macros bring both traits along, and the
/// language prefers the one that needs no further reference.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Show<'a, T: ?Sized>(pub &'a T);

#[doc(hidden)]
pub trait ByDisplay {
    /// The text.
    fn text(&self) -> String;
}

#[doc(hidden)]
pub trait ByDebug {
    /// The text.
    fn text(&self) -> String;
}

impl<T: Display + ?Sized> ByDisplay for Show<'_, T> {
    fn text(&self) -> String {
        self.0.to_string()
    }
}

impl<T: Debug + ?Sized> ByDebug for &Show<'_, T> {
    fn text(&self) -> String {
        std::format!("{:?}", self.0)
    }
}

/// The text of a line: `{=u32}`, `{=str}`, `{=u32:#010x}` and the like are replaced by the arguments, in their order.
pub fn render(format: &str, arguments: &[String]) -> String {
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
                Some(argument) => show(&mut text, argument, hint),
                None => text.push_str("(missing)"),
            }
        }
    }
    text.push_str(rest);
    text
}

/// One argument by its hint: `x`, `X`, `b`, with `#`, `0` and a width before it. Others only matter to the decoder.
fn show(text: &mut String, plain: &str, hint: &str) {
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
pub fn say(level: Level, format: &str, arguments: &[String]) {
    if super::ask(|_| ()).is_some() {
        super::thread::say(level, &render(format, arguments));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! line {
        ($format:literal $(, $argument:expr)*) => { render($format, &[$((&Show(&$argument)).text()),*]) };
    }

    #[test]
    fn lines_read_as_defmt_shows_them() {
        assert_eq!(line!("ping {=u32}: answered", 7), "ping 7: answered");
        assert_eq!(line!("pc {=u32:#010x} sp {=u32:#x}", 0x1234_u32, 10_u8), "pc 0x00001234 sp 0xa");
        assert_eq!(line!("{=str} {=u64}.{=u64:03}", "took", 12_u64, 7_u64), "took 12.007");
        assert_eq!(line!("{{{=bool}}} {} {=u8:08b}", true, -5, 5), "{true} -5 00000101");
        assert_eq!(line!("{=u32} {=u32}", 1), "1 (missing)");
        assert_eq!(line!("nothing at all"), "nothing at all");
    }

    #[test]
    fn what_has_no_text_is_shown_as_people_debug_it() {
        assert_eq!(line!("{=[u8]} {:?}", [1_u8, 2], Some(String::from("x"))), "[1, 2] Some(\"x\")");
    }
}
