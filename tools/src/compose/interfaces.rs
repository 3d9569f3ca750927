//! Whether the two ends of a channel mean the same: what their programs declare of it, read from their ELFs and compared.

use super::manifest::ChannelKind;
use super::materials::ProgramFile;
use super::problem::{At, Problem};
use super::resolve::{ProgramName, Resolved, ResolvedChannel};
use object::Endianness;
use object::elf::FileHeader32;
use object::read::elf::{FileHeader, SectionHeader};
use protocol::interface::{self, Side};
use std::collections::BTreeMap;

/// One request on one channel, as a program declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Which end of the channel it has.
    pub side: Side,
    /// The channel's name.
    pub channel: String,
    /// The request's name, without the path to it.
    pub request: String,
    /// The request's label.
    pub label: u16,
    /// The hash of request and reply.
    pub hash: u64,
}

/// A caller and its server, and whether they agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint {
    /// The channel.
    pub channel: String,
    /// Who calls.
    pub client: String,
    /// Who serves.
    pub server: String,
    /// The requests that both declare with the same hash; or why nothing could be compared.
    pub state: Result<Vec<String>, &'static str>,
}

/// What a program declares: nothing, if it has no such section. The error says that the section is no list of declarations.
pub fn declared(elf: &[u8]) -> Result<Vec<Declaration>, String> {
    let section = section(elf).unwrap_or_default();
    let damaged = || format!("its section {} is damaged", interface::SECTION);
    let owned = |found: interface::Declared<'_>| Declaration {
        side: found.side,
        channel: found.channel.to_owned(),
        request: found.request.rsplit("::").next().unwrap_or_default().trim().to_owned(),
        label: found.label,
        hash: found.hash,
    };
    interface::read(section).map(|found| found.map(owned).ok_or_else(damaged)).collect()
}

fn section(elf: &[u8]) -> Option<&[u8]> {
    let header = FileHeader32::<Endianness>::parse(elf).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, elf).ok()?;
    let (_, section) = sections.section_by_name(endian, interface::SECTION.as_bytes())?;
    section.data(endian, elf).ok()
}

/// Compares the ends of every channel of calls.
pub fn join(system: &Resolved, programs: &[ProgramFile], problems: &mut Vec<Problem>) -> Vec<Joint> {
    let mut known: BTreeMap<&ProgramName, Vec<Declaration>> = BTreeMap::new();
    for component in &system.components {
        let Some(program) = programs.iter().find(|program| program.name == component.program) else { continue };
        let at = component.component.program.at();
        match declared(&program.bytes) {
            Ok(found) => _ = known.insert(&program.name, found),
            Err(error) => {
                let message = format!("what `{}` declares of its channels can't be read: {error}", at.value);
                let help = "link it by the runtime's build script, see `cargo bulkhead new component`";
                problems.push(Problem::at(&at.span, message, "this program").help(help));
            }
        }
    }
    let ends = Ends { system, known };
    let mut joints = Vec::new();
    for channel in system.channels.iter().filter(|channel| channel.kind == ChannelKind::Call) {
        for server in &channel.to {
            joints.extend(channel.from.iter().map(|client| ends.joint(channel, client, server, problems)));
        }
    }
    joints
}

struct Ends<'a> {
    system: &'a Resolved,
    known: BTreeMap<&'a ProgramName, Vec<Declaration>>,
}

impl Ends<'_> {
    fn name(&self, component: &At<usize>) -> &str {
        &self.system.components[component.value].component.name.value
    }

    fn declares(&self, component: &At<usize>, channel: &str, side: Side) -> Vec<&Declaration> {
        let all = self.known.get(&self.system.components[component.value].program);
        let mine = |found: &&Declaration| found.side == side && found.channel == channel;
        all.into_iter().flatten().filter(mine).collect()
    }

    fn joint(
        &self,
        channel: &ResolvedChannel,
        client: &At<usize>,
        server: &At<usize>,
        problems: &mut Vec<Problem>,
    ) -> Joint {
        let name = &channel.name.value;
        let calls = self.declares(client, name, Side::Calls);
        let serves = self.declares(server, name, Side::Serves);
        self.turned(name, client, &calls, Side::Serves, problems);
        self.turned(name, server, &serves, Side::Calls, problems);
        let state = match (calls.is_empty(), serves.is_empty()) {
            (true, true) => Err("neither end declares its requests"),
            (true, false) => Err("the caller does not declare its requests"),
            (false, true) => Err("the server does not declare its requests"),
            (false, false) => {
                problems.extend(calls.iter().filter_map(|call| self.differ(name, client, server, call, &serves)));
                Ok(calls.iter().map(|call| call.request.clone()).collect())
            }
        };
        Joint {
            channel: name.clone(),
            client: self.name(client).to_owned(),
            server: self.name(server).to_owned(),
            state,
        }
    }

    /// Notes an end that declares only the other end.
    fn turned(
        &self,
        channel: &str,
        end: &At<usize>,
        as_joined: &[&Declaration],
        other: Side,
        problems: &mut Vec<Problem>,
    ) {
        if !as_joined.is_empty() || self.declares(end, channel, other).is_empty() {
            return;
        }
        let (does, is, label) = match other {
            Side::Serves => ("serves", "calls there", "joined as the caller"),
            Side::Calls => ("calls on", "is called there", "joined as the server"),
        };
        let message = format!("the program of `{}` {does} the channel `{channel}`, and here it {is}", self.name(end));
        let help = "change `from` and `to`; or its program's `interfaces!` says the wrong end";
        problems.push(Problem::at(&end.span, message, label).help(help));
    }

    /// What keeps a server from answering a call as it is meant.
    fn differ(
        &self,
        channel: &str,
        client: &At<usize>,
        server: &At<usize>,
        call: &Declaration,
        serves: &[&Declaration],
    ) -> Option<Problem> {
        let (caller, called) = (self.name(client), self.name(server));
        let Declaration { request, label, hash, .. } = call;
        let with_label: Vec<_> = serves.iter().filter(|served| served.label == *label).collect();
        let Some(served) = with_label.first() else {
            let known: Vec<_> = serves.iter().map(|served| format!("`{}`", served.request)).collect();
            let message =
                format!("`{caller}` asks `{request}` on the channel `{channel}`, which `{called}` does not serve");
            let help = format!("it serves {}: add the request to the server, or call another", known.join(", "));
            return Some(
                Problem::at(&client.span, message, format!("asks `{request}`, label {label:#x}"))
                    .also(&server.span, "serves no such label")
                    .help(help),
            );
        };
        if with_label.iter().any(|served| served.hash == *hash) {
            return None;
        }
        let message =
            format!("`{caller}` and `{called}` don't mean the same by `{request}` on the channel `{channel}`");
        let help = "the request or its reply was changed, and one of the two was built before: build both from one version of \
                    the protocol";
        Some(
            Problem::at(&client.span, message, format!("asks `{request}`, label {label:#x}, hash {hash:016x}"))
                .also(&server.span, format!("serves `{}`, hash {:016x}", served.request, served.hash))
                .help(help),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::tests::fake::{component, declaring};

    #[test]
    fn declarations_are_read_from_an_elf_and_damage_is_told() {
        let declared_as = |bytes: &[u8]| declared(&declaring(&component(4096), bytes));
        assert_eq!(declared(&component(4096)), Ok(vec![]));
        const CALL: interface::Declared<'static> =
            interface::Declared { side: Side::Calls, channel: "c", request: "a :: Ask", label: 0x100, hash: 7 };
        let bytes: [u8; CALL.bytes()] = CALL.encode();
        let found = declared_as(&bytes).unwrap();
        let expected =
            Declaration { side: Side::Calls, channel: "c".into(), request: "Ask".into(), label: 0x100, hash: 7 };
        assert_eq!(found, [expected]);
        assert!(declared_as(&bytes[..9]).unwrap_err().contains("is damaged"));
        assert_eq!(declared(b"\x7fELF"), Ok(vec![]));
    }
}
