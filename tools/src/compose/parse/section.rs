//! One table of a manifest: every key is known and of the right type, or a problem is noted.

use super::units::{self, Wrong};
use crate::compose::problem::{At, Problem, Span, did_you_mean};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The last address that a component or a guest's kernel can have. A number that goes up to it is an address.
pub const ADDRESS_MAX: u64 = 0xffff_ffff;

/// A table that is being read.
pub struct Section<'a, 'p> {
    /// How messages call it, such as `[vm.linux]`.
    title: String,
    table: &'a DeTable<'a>,
    span: Span,
    known: &'static [&'static str],
    problems: &'p mut Vec<Problem>,
}

impl<'a, 'p> Section<'a, 'p> {
    /// Begins to read a table. Keys that are neither known nor promised for later are noted at once.
    pub fn new(
        title: String,
        table: &'a DeTable<'a>,
        span: Span,
        known: &'static [&'static str],
        later: &[&str],
        problems: &'p mut Vec<Problem>,
    ) -> Self {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if later.contains(&name) {
                problems.push(
                    Problem::at(&key.span(), format!("`{name}` in {title} is not there yet"), "not there yet")
                        .help("this version of Bulkhead can't do it: take the key out"),
                );
            } else if !known.contains(&name) {
                problems.push(
                    Problem::at(&key.span(), format!("{title} has no key `{name}`"), "unknown key")
                        .help(did_you_mean(name, known.iter().copied())),
                );
            }
        }
        Self { title, table, span, known, problems }
    }

    /// Notes a problem.
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(self.known.contains(&key), "{key} is not a known key of {}", self.title);
        self.table.get(key)
    }

    fn mistyped(&mut self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, help: &str) {
        let found = value.get_ref().type_str();
        let message = format!("`{key}` in {} must be {wanted}, not {}", self.title, article(found));
        self.problems.push(Problem::at(&value.span(), message, format!("not {wanted}")).help(help));
    }

    /// Notes that a key is missing.
    pub fn missing(&mut self, key: &str, help: &str) {
        let message = format!("{} has no `{key}`", self.title);
        self.problems.push(Problem::at(&self.span, message, format!("`{key}` is missing")).help(help));
    }

    /// A text.
    pub fn string(&mut self, key: &str) -> Option<At<String>> {
        let value = self.get(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(At::new(text.to_owned(), value.span())),
            None => {
                self.mistyped(key, value, "a string", &format!("write {key} = \"...\""));
                None
            }
        }
    }

    /// A text that must be there.
    pub fn required_string(&mut self, key: &str, help: &str) -> Option<At<String>> {
        if !self.has(key) {
            self.missing(key, help);
        }
        self.string(key)
    }

    /// One text, or a list of texts.
    pub fn strings(&mut self, key: &str) -> Vec<At<String>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        if value.get_ref().is_str() {
            return self.string(key).into_iter().collect();
        }
        let help = format!("write {key} = [\"...\", \"...\"]");
        let Some(items) = value.get_ref().as_array() else {
            self.mistyped(key, value, "a list of strings", &help);
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => found.push(At::new(text.to_owned(), item.span())),
                None => self.mistyped(key, item, "a list of strings", &help),
            }
        }
        found
    }

    /// A number from `least` to `most`.
    pub fn integer(&mut self, key: &str, least: u64, most: u64) -> Option<At<u64>> {
        self.integer_such_as(key, least, most, least)
    }

    /// The same, with what is said behind the limits of a value that is beyond them.
    pub fn integer_because(&mut self, key: &str, least: u64, most: u64, why: &str) -> Option<At<u64>> {
        self.number(key, (least, most), least, why)
    }

    /// The same; `example` is what a value that is no number could have been.
    pub fn integer_such_as(&mut self, key: &str, least: u64, most: u64, example: u64) -> Option<At<u64>> {
        self.number(key, (least, most), example, "")
    }

    fn number(&mut self, key: &str, (least, most): (u64, u64), example: u64, why: &str) -> Option<At<u64>> {
        let value = self.get(key)?;
        let Some(number) = value.get_ref().as_integer() else {
            let help = match value.get_ref().as_str().filter(|text| is_number(text)) {
                Some(text) => format!("take the quotes off: write {key} = {}", text.trim()),
                None if most == ADDRESS_MAX => format!("write {key} = {example:#x}"),
                None => format!("write {key} = {example}"),
            };
            self.mistyped(key, value, "a number", &help);
            return None;
        };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if (least..=most).contains(&number) => Some(At::new(number, value.span())),
            _ => {
                let message = format!("`{key}` in {} is out of range", self.title);
                let help = match most {
                    ADDRESS_MAX => "it is an address of 32 bits".to_owned(),
                    _ => format!("it goes from {least} to {most}{why}"),
                };
                self.problems.push(Problem::at(&value.span(), message, "out of range").help(help));
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.mistyped(key, value, "`true` or `false`", &format!("write {key} = true"));
        }
        found
    }

    fn unit<T>(&mut self, key: &str, read: fn(&str) -> Result<T, Wrong>, what: &str, help: &str) -> Option<At<T>> {
        let value = self.get(key)?;
        let Some(text) = value.get_ref().as_str() else {
            self.mistyped(key, value, &format!("a {what} in a string"), help);
            return None;
        };
        match read(text) {
            Ok(found) => return Some(At::new(found, value.span())),
            Err(Wrong::Form) => {
                let message = format!("`{key}` in {}: `{text}` is not a {what}", self.title);
                self.problems.push(Problem::at(&value.span(), message, format!("not a {what}")).help(help));
            }
            Err(Wrong::TooMuch(most)) => {
                let message = format!("`{key}` in {}: `{text}` is more than a {what} can be", self.title);
                self.problems.push(Problem::at(&value.span(), message, "too much").help(format!("the most is {most}")));
            }
        }
        None
    }

    /// A size in bytes.
    pub fn size(&mut self, key: &str) -> Option<At<u64>> {
        self.unit(key, units::size, "size", "write a whole number with KiB, MiB or GiB, such as \"128MiB\"")
    }

    /// A duration in microseconds.
    pub fn duration_us(&mut self, key: &str) -> Option<At<u32>> {
        self.unit(key, units::duration_us, "duration", "write a whole number with us, ms or s, such as \"10ms\"")
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<At<T>> {
        let text = self.string(key)?;
        let found = choices.iter().find(|(name, _)| *name == text.value);
        if found.is_none() {
            let message = format!("`{key}` in {} can't be `{}`", self.title, text.value);
            let words: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            self.problems.push(
                Problem::at(&text.span, message, "unknown word").help(format!("write one of {}", words.join(", "))),
            );
        }
        found.map(|&(_, choice)| At::new(choice, text.span))
    }

    /// `true` or `false`, with its place.
    pub fn flag(&mut self, key: &str) -> Option<At<bool>> {
        let span = self.get(key)?.span();
        self.boolean(key).map(|value| At::new(value, span))
    }

    /// What is read of a table within, which messages call by its key. `None`: it is not there, or it is no table.
    pub fn within<T>(
        &mut self,
        key: &str,
        known: &'static [&'static str],
        read: impl FnOnce(&mut Section<'a, '_>) -> Option<T>,
    ) -> Option<T> {
        let (table, span) = self.table(key)?;
        read(&mut Section::new(format!("`{key}`"), table, span, known, &[], self.problems))
    }

    /// How messages call it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// A table within, with its place.
    pub fn table(&mut self, key: &str) -> Option<(&'a DeTable<'a>, Span)> {
        let value = self.get(key)?;
        value.get_ref().as_table().map(|table| (table, value.span()))
    }
}

/// Whether a text would be a number if it stood without quotes.
fn is_number(text: &str) -> bool {
    let bare = toml::from_str::<toml::Table>(&format!("bare = {}", text.trim()));
    bare.is_ok_and(|table| table.len() == 1 && table["bare"].as_integer().is_some_and(|number| number >= 0))
}

fn article(type_name: &str) -> String {
    match type_name {
        "integer" => "a number".to_owned(),
        "float" => "a fraction".to_owned(),
        "array" => "a list".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        other => format!("a {other}"),
    }
}
