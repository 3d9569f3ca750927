//! Addresses of a program into names: function, file and line.

use crate::workspace;
use addr2line::gimli::{self, EndianSlice, RunTimeEndian};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use std::path::Path;

/// The names in one program.
pub struct Symbols<'a> {
    text: Vec<std::ops::Range<u64>>,
    functions: Vec<(u64, String)>,
    lines: Option<addr2line::Context<EndianSlice<'a, RunTimeEndian>>>,
}

impl<'a> Symbols<'a> {
    /// Reads a program's symbols and debug information.
    pub fn parse(program: &'a [u8]) -> std::result::Result<Self, object::Error> {
        let file = object::File::parse(program)?;
        let text = file.sections().filter(|section| section.kind() == SectionKind::Text && section.size() > 0);
        let text = text.map(|section| section.address()..section.address() + section.size()).collect();
        let named = file.symbols().filter(|symbol| symbol.is_definition());
        let mut functions: Vec<(u64, String)> = named
            .filter_map(|symbol| Some((symbol.address() & !1, symbol.name().ok()?.to_owned())))
            .filter(|(_, name)| !name.is_empty() && !name.starts_with('$'))
            .collect();
        functions.sort();
        let section = |id: gimli::SectionId| -> std::result::Result<_, gimli::Error> {
            let data = file.section_by_name(id.name()).and_then(|section| section.data().ok()).unwrap_or_default();
            Ok(EndianSlice::new(data, RunTimeEndian::Little))
        };
        let lines = gimli::Dwarf::load(section).and_then(addr2line::Context::from_dwarf).ok();
        Ok(Self { text, functions, lines })
    }

    /// Whether the address is one of code.
    pub fn is_code(&self, address: u64) -> bool {
        self.text.iter().any(|range| range.contains(&address))
    }

    /// The function there, and where in it: innermost inlined function first.
    pub fn names(&self, address: u64) -> Vec<String> {
        if !self.is_code(address) {
            return Vec::new();
        }
        let inlined = self.inlined(address);
        if !inlined.is_empty() {
            return inlined;
        }
        let before = self.functions.partition_point(|(start, _)| *start <= address);
        let function = before.checked_sub(1).and_then(|at| self.functions.get(at));
        function.map(|(start, name)| vec![format!("{}+{:#x}", demangled(name), address - start)]).unwrap_or_default()
    }

    fn inlined(&self, address: u64) -> Vec<String> {
        let mut names = Vec::new();
        let Some(Ok(mut frames)) = self.lines.as_ref().map(|lines| lines.find_frames(address).skip_all_loads()) else {
            return names;
        };
        while let Ok(Some(frame)) = frames.next() {
            let Some(function) = &frame.function else { continue };
            let name = function.raw_name().map_or_else(|_| "?".to_owned(), |name| demangled(name.as_ref()));
            let place = frame.location.and_then(|location| {
                let file = Path::new(location.file?);
                let file = file.strip_prefix(workspace::root()).unwrap_or(file);
                Some(format!(" ({}:{})", file.display(), location.line?))
            });
            names.push(name + &place.unwrap_or_default());
        }
        names
    }
}

fn demangled(name: &str) -> String {
    let full = addr2line::demangle_auto(name.into(), None).into_owned();
    // The hash at the end says nothing to a reader.
    match full.rsplit_once("::h") {
        Some((short, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            short.to_owned()
        }
        _ => full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_this_host_is_read() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let symbols = Symbols::parse(&program).unwrap();
        let known = symbols.functions.iter().find(|(_, name)| name.contains("a_program_of_this_host_is_read")).unwrap();
        let names = symbols.names(known.0);
        assert!(names.iter().any(|name| name.contains("a_program_of_this_host_is_read")), "{names:?}");
        assert_eq!(symbols.names(3), Vec::<String>::new());
    }

    #[test]
    fn hashes_are_left_out() {
        assert_eq!(demangled("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"), "core::fmt::Write::write_fmt");
    }
}
