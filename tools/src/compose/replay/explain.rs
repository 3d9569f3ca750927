//! Why a boot would fail, in words of the manifest: which record, what it is about, and what mends it.

use super::{Refusal, Retry};
use crate::compose::layout::plan::{Group, Object, Plan};
use crate::compose::parse::units::{show_about, show_size};
use crate::compose::problem::{Problem, Span};
use crate::compose::resolve::Resolved;
use abi::Error;
use abi::boot::BootInfo;
use root::Failure;
use root::failure::Cause;
use system::{GroupId, ObjectId, ROOT_VSPACE, Reader, Record};

/// What to do about a failure that no manifest should be able to cause.
pub const COMPOSERS_FAULT: &str = "the composer made a mistake, not the manifest: report it, with the manifest";

/// Memories are not cut into smaller pieces than this to find room: root keeps a slot for each.
const PIECE_BITS_MIN: u32 = 24;

/// Whom and what a record is about.
struct Subject<'a> {
    group: Option<&'a Group>,
    what: String,
}

/// The problem that a failure of root's is.
pub fn explain(failure: &Failure, system: &Resolved, plan: &Plan, info: &BootInfo, payload: &[u8]) -> Refusal {
    let compiled = payload.get(info.system_offset as usize..).and_then(|rest| rest.get(..info.system_bytes as usize));
    let record = Reader::new(compiled.unwrap_or_default()).ok().and_then(|(mut reader, _)| {
        let before = (failure.record as usize).checked_sub(1)?;
        reader.nth(before)?.ok()
    });
    let subject = record.as_ref().and_then(|record| subject(record, plan));
    let group = subject.as_ref().and_then(|subject| subject.group);
    if let (Cause::NoMemory, Some(Record::Untyped { bits, .. }), Some(group)) = (failure.cause, &record, group) {
        return no_room(group, (*bits).into(), system, plan, info);
    }
    let about = subject.as_ref().map_or(String::new(), |subject| format!(", for {}", subject.what));
    let message = format!(
        "this system would not start: record {} ({}){about}: {}",
        failure.record,
        failure.kind,
        cause(failure.cause)
    );
    let problem = match group.and_then(|group| place(group, system)) {
        Some((span, label)) => Problem::at(&span, message, label),
        None => Problem::new(message),
    };
    problem.help(help(failure.cause, plan)).into()
}

fn cause(cause: Cause) -> String {
    match cause {
        Cause::Kernel(error) => format!("{}: {error:?}", cause.text()),
        Cause::Read(_) => format!("{} ({})", cause.text(), cause.number()),
        _ => cause.text().to_owned(),
    }
}

fn help(cause: Cause, plan: &Plan) -> String {
    match cause {
        Cause::NeverReceives => {
            "a passive component runs when it is called: make it the `to` of a channel, or take `passive` away"
                .to_owned()
        }
        Cause::TooMany => format!(
            "root keeps {} objects and {} compartments: make fewer components, or share more",
            system::OBJECTS_MAX,
            system::GROUPS_MAX
        ),
        Cause::Kernel(Error::OutOfRange) => {
            let slots = 1_u64 << plan.root_cnode_bits;
            format!(
                "root's CNode has {slots} slots; if the record names one beyond them, it needs more bits. {COMPOSERS_FAULT}"
            )
        }
        Cause::Kernel(Error::OutOfMemory) => {
            format!("the untyped that it is made of is full: it was laid out too small. {COMPOSERS_FAULT}")
        }
        _ => COMPOSERS_FAULT.to_owned(),
    }
}

fn subject<'a>(record: &Record<'_>, plan: &'a Plan) -> Option<Subject<'a>> {
    let of_group = |id: GroupId| plan.groups.iter().find(|group| group.id == id);
    let of_object = |id: ObjectId| {
        let object: &Object = plan.objects.iter().find(|object| object.id == id)?;
        let group = &plan.groups[object.group.0];
        Some(Subject { group: Some(group), what: format!("`{}` of `{}`", object.name, group.name) })
    };
    match *record {
        Record::Header { .. } | Record::RootEndpoint { .. } => None,
        Record::Group { name, .. } => Some(Subject { group: None, what: format!("`{name}`") }),
        Record::Untyped { group, part, .. } => {
            let group = of_group(group)?;
            Some(Subject { group: Some(group), what: format!("piece {part} of the memory of `{}`", group.name) })
        }
        Record::Object { group, slot, kind, .. } => {
            // Its number is its place, which a damaged system may not have: its slot says what it is.
            let known = plan.objects.iter().find(|object| object.slot == slot && object.kind == kind);
            let group = of_group(group)?;
            let unknown = || Subject { group: Some(group), what: format!("an object of `{}`", group.name) };
            Some(known.and_then(|object| of_object(object.id)).unwrap_or_else(unknown))
        }
        Record::MapTable { table: object, vspace, .. } | Record::MapFrames { frames: object, vspace, .. } => {
            let mut subject = of_object(object)?;
            let space = if vspace == ROOT_VSPACE { None } else { of_object(vspace) };
            subject.what += &space.map_or(" in the space of root".to_owned(), |space| format!(" in {}", space.what));
            Some(subject)
        }
        Record::Grant { cnode, index, object, .. } => {
            let (object, cnode) = (of_object(object)?, of_object(cnode)?);
            Some(Subject { group: cnode.group, what: format!("{} in slot {index} of {}", object.what, cnode.what) })
        }
        Record::Fill { object, .. }
        | Record::FillBytes { object, .. }
        | Record::GrantRoot { cnode: object, .. }
        | Record::Thread { tcb: object, .. }
        | Record::BindNotification { tcb: object, .. }
        | Record::Interrupt { irq: object, .. }
        | Record::StartPassive { tcb: object, .. }
        | Record::Start { tcb: object } => of_object(object),
    }
}

/// Where a compartment stands in the manifest.
fn place(group: &Group, system: &Resolved) -> Option<(Span, &'static str)> {
    let vm = system.vms.iter().map(|vm| &vm.vm.name).find(|name| name.value == group.name);
    let component = system.components.iter().map(|component| &component.component.name);
    let component = component.into_iter().find(|name| name.value == group.name);
    vm.map(|name| (name.span.clone(), "this VM")).or(component.map(|name| (name.span.clone(), "this component")))
}

/// There is too little RAM, or none in a piece that is large enough.
fn no_room(group: &Group, bits: u32, system: &Resolved, plan: &Plan, info: &BootInfo) -> Refusal {
    let pieces = info.untyped.iter().take(info.untyped_count as usize).filter(|piece| piece.device == 0);
    let free: u64 = pieces.clone().map(|piece| 1 << piece.size_bits).sum();
    let needed: u64 = plan.groups.iter().map(Group::bytes).sum();
    let all: Vec<String> =
        plan.ordered_groups().iter().map(|group| format!("{} {}", group.name, show_about(group.bytes()))).collect();
    let message = format!(
        "no room for `{}`: a piece of {} of its memory finds no place; `{}` has {} free, and needed are at least: {}",
        group.name,
        show_size(1 << bits),
        system.board.name,
        show_about(free),
        all.join(", ")
    );
    let less = needed.saturating_sub(free).next_multiple_of(2 << 20);
    let help = match less {
        0 => "its memory is cut into powers of two, and the free RAM is in smaller pieces: give it less".to_owned(),
        _ => format!("together that is {}: take at least {} away", show_about(needed), show_size(less)),
    };
    let largest = system.largest_vm().map(|n| &system.vms[n].vm.ram);
    let problem = match largest {
        Some(ram) => Problem::at(&ram.span, message, "the most memory is here"),
        None => Problem::new(message),
    };
    let smaller = less == 0 && bits > PIECE_BITS_MIN;
    let retry = match largest {
        _ if smaller => Retry::Pieces(bits - 1),
        Some(_) => Retry::LessRam,
        None => Retry::Never,
    };
    Refusal { problem: problem.help(help), retry }
}
