//! From the description of a call to one that succeeds, and to those that can't: each with one thing wrong.

use crate::room::{CEILING, CNODE_BITS, Call, FREE, MAPPABLE, NO_TABLES, OCCUPIED, Room};
use abi::describe::{CapType, Description, Kind};
use abi::object::{ObjectType, RETYPE_COUNT_MAX};
use abi::{Error, Rights};

/// A call that must fail: what is wrong with it, and the error.
pub struct Wrong {
    pub why: String,
    pub call: Call,
    pub error: Error,
}

/// One endpoint.
const ONE_ENDPOINT: u32 = ObjectType::Endpoint as u32 | 1 << 16;
/// Addresses that lead nowhere: root's CNode takes all of the 32 bits, of which it has 10.
pub const NOWHERE: [u32; 4] = [1 << 10, 1 << 20, 0x8000_0001, u32::MAX];

/// Which of the right values: what one value hides, the other may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Least,
    Most,
}

/// A value of that kind that is right in the room.
fn right(room: &Room, method: &Description, kind: Kind, side: Side) -> u32 {
    let of = |least: u32, most: u32| if side == Side::Least { least } else { most };
    match kind {
        Kind::Free => match method.name {
            // Where a table of level 2 can go.
            "Table::Map" => of(NO_TABLES, u32::MAX),
            _ => of(0, 0x1234_5678),
        },
        Kind::Capability(ty, _) | Kind::OptionalCapability(ty, _) => room.of(ty),
        Kind::AnyCapability => room.of(CapType::Endpoint),
        Kind::Slot => of(OCCUPIED[0], OCCUPIED[1]),
        Kind::EmptySlot => of(FREE, (1 << CNODE_BITS) - 1),
        Kind::EmptySlots => FREE,
        Kind::Objects => ONE_ENDPOINT + of(0, 1 << 16),
        Kind::Flags(mask) => of(1, mask & u32::from(Rights::all().bits())),
        Kind::Number(ranges) => of(ranges[0].0, ranges[ranges.len() - 1].1),
        Kind::Core => 0,
        Kind::Offset(align) => of(0, align),
        Kind::Priority => of(0, CEILING),
        Kind::FrameAddress => room.frame_address(),
        Kind::Bytes(align, _) => align,
        Kind::BudgetUs => of(1, 5000),
        Kind::PeriodUs => 5000,
    }
}

/// A call of the method that is right in every word.
pub fn right_call(room: &Room, method: &Description, side: Side) -> Call {
    let words: Vec<u32> = method.words.iter().map(|word| right(room, method, word.kind, side)).collect();
    let object = method.object.expect("a method has an object");
    Call::method(room.of(object), method.number as u16, &words)
}

/// Addresses of capabilities that are wrong where one of that type with those rights is wanted.
pub fn wrong_capabilities(
    room: &mut Room,
    wanted: Option<CapType>,
    rights: Rights,
    may_be_none: bool,
) -> Vec<(String, u32, Error)> {
    let mut all = Vec::new();
    if !may_be_none {
        all.push((String::from("no capability"), 0, Error::EmptySlot));
    }
    all.push((String::from("a slot that was never used"), room.empty, Error::EmptySlot));
    all.extend(NOWHERE.map(|address| (format!("address {address:#x}"), address, Error::OutOfRange)));
    let Some(wanted) = wanted else { return all };
    all.push((String::from("deleted meanwhile"), room.gone(wanted), Error::EmptySlot));
    for &other in CapType::ALL.iter().filter(|&&other| other != wanted) {
        all.push((format!("a capability to {other:?}"), room.of(other), Error::WrongType));
    }
    for right in rights.iter() {
        let narrowed = room.copy(room.of(wanted), (Rights::all() - right).bits().into());
        all.push((format!("without {right:?}"), narrowed, Error::NoRights));
    }
    all
}

/// Values that are wrong for a word of that kind. The first words of a call may have to be others for it to be so.
fn wrong_values(room: &mut Room, method: &Description, right: &[u32], n: usize) -> Vec<(String, Vec<u32>, Error)> {
    let (kind, size) = (method.words[n].kind, 1 << CNODE_BITS);
    let with = |value: u32| {
        let mut words = right.to_vec();
        words[n] = value;
        words
    };
    let numbers = |values: &[u32], error| -> Vec<_> {
        values.iter().map(|&value| (format!("{value:#x}"), with(value), error)).collect()
    };
    let frame = room.frame_bytes();
    match kind {
        Kind::Free | Kind::PeriodUs => Vec::new(),
        Kind::Capability(ty, rights) | Kind::OptionalCapability(ty, rights) => {
            let optional = matches!(kind, Kind::OptionalCapability(..));
            let all = wrong_capabilities(room, Some(ty), rights, optional);
            all.into_iter().map(|(why, value, error)| (why, with(value), error)).collect()
        }
        Kind::AnyCapability => {
            let all = wrong_capabilities(room, None, Rights::empty(), false);
            let gone = CapType::ALL.iter().map(|&ty| (format!("deleted {ty:?}"), room.gone(ty), Error::EmptySlot));
            all.into_iter().chain(gone).map(|(why, value, error)| (why, with(value), error)).collect()
        }
        Kind::Slot => {
            [numbers(&[0], Error::EmptySlot), numbers(&[size, 1 << 31, u32::MAX], Error::OutOfRange)].concat()
        }
        Kind::EmptySlot => [
            numbers(&[0], Error::EmptySlot),
            numbers(&[size, 1 << 31, u32::MAX], Error::OutOfRange),
            numbers(&OCCUPIED, Error::SlotOccupied),
        ]
        .concat(),
        Kind::EmptySlots => {
            let mut all = [
                numbers(&[0], Error::EmptySlot),
                numbers(&[size, 1 << 31, u32::MAX], Error::OutOfRange),
                numbers(&OCCUPIED, Error::SlotOccupied),
            ]
            .concat();
            if let Some(objects) = method.words.iter().position(|word| word.kind == Kind::Objects) {
                let row = |first: u32, count: u32, error| {
                    let mut words = with(first);
                    words[objects] = ObjectType::Endpoint as u32 | count << 16;
                    (format!("{count} from {first:#x} on"), words, error)
                };
                let [.., last] = OCCUPIED;
                all.extend([
                    row(last - 2, 3, Error::SlotOccupied),
                    row(last - 2, 4, Error::SlotOccupied),
                    row(size - 1, 2, Error::OutOfRange),
                    row(size - 3, RETYPE_COUNT_MAX, Error::OutOfRange),
                    row(u32::MAX, 2, Error::OutOfRange),
                    row(u32::MAX - 1, 3, Error::OutOfRange),
                ]);
            }
            all
        }
        Kind::Objects => {
            let mut words = vec![0 | 1 << 16, 12 | 1 << 16, 0xff | 1 << 16, ONE_ENDPOINT & 0xffff];
            words.extend([RETYPE_COUNT_MAX + 1, 0xffff].map(|count| ObjectType::Endpoint as u32 | count << 16));
            for object in (0..=255).filter_map(ObjectType::from_number) {
                let sizes = (0..40).chain([64, 128, 255]).filter(|&bits| object.bytes(bits).is_none());
                words.extend(sizes.map(|bits| object as u32 | bits << 8 | 1 << 16));
            }
            numbers(&words, Error::OutOfRange)
        }
        Kind::Flags(mask) => {
            let bits = (0..32).map(|bit| 1 << bit).filter(|bit| bit & mask == 0).map(|bit| bit | 1);
            numbers(&bits.chain([u32::MAX]).collect::<Vec<_>>(), Error::OutOfRange)
        }
        Kind::Number(ranges) => {
            let inside = |value: u32| ranges.iter().any(|&(least, most)| (least..=most).contains(&value));
            let edges = ranges.iter().flat_map(|&(least, most)| {
                // Off by one, and what would be inside if somebody cut bits off.
                [least.wrapping_sub(1), most + 1, least | 1 << 8, most | 1 << 16, least | 1 << 31]
            });
            let values: Vec<u32> = edges.chain([u32::MAX]).filter(|&value| !inside(value)).collect();
            numbers(&values, Error::OutOfRange)
        }
        Kind::Core => numbers(&[1, 4, 0x100, 1 << 31, u32::MAX], Error::NoSuchCore),
        Kind::Priority => numbers(&[CEILING + 1, 255, 256, 256 | CEILING, 1 << 31, u32::MAX], Error::PriorityCeiling),
        Kind::FrameAddress => {
            let bits = (0..frame.trailing_zeros()).map(|bit| room.frame_address() | 1 << bit);
            numbers(&bits.chain([u32::MAX]).collect::<Vec<_>>(), Error::Misaligned)
        }
        Kind::Offset(align) => [
            numbers(&[1, align - 1, align / 2, align + 1, u32::MAX], Error::Misaligned),
            numbers(&[frame, frame + align, 1 << 31, align.wrapping_neg()], Error::OutOfRange),
        ]
        .concat(),
        Kind::Bytes(align, most) => {
            let from = |offset: u32, bytes: u32| {
                let mut words = with(bytes);
                words[n - 1] = offset;
                (format!("{bytes:#x} bytes from {offset:#x} on"), words, Error::OutOfRange)
            };
            let mut all = numbers(&[1, align - 1, align / 2, u32::MAX], Error::Misaligned);
            all.extend(numbers(&[0, most + align, frame + align, 1 << 31, align.wrapping_neg()], Error::OutOfRange));
            all.extend([from(frame - align, 2 * align), from(align, frame), from(align, align.wrapping_neg())]);
            all.push(from(align.wrapping_neg(), 2 * align));
            all
        }
        Kind::BudgetUs => numbers(&[0, right[n + 1] + 1, u32::MAX], Error::OutOfRange),
    }
}

/// Every call of the method with one thing wrong that its description tells of.
pub fn wrong_calls(room: &mut Room, method: &Description, side: Side) -> Vec<Wrong> {
    let right = right_call(room, method, side);
    let object = method.object.expect("a method has an object");
    let mut all = Vec::new();
    for (why, cap, error) in wrong_capabilities(room, Some(object), method.rights, false) {
        let error = match error {
            // A method's number belongs to a type: elsewhere there is no such method, and some objects have none at all. An
            // endpoint takes it for a message.
            Error::WrongType if why.ends_with("Endpoint") => continue,
            Error::WrongType if why.ends_with("Notification") || why.ends_with("Reply") => error,
            Error::WrongType => Error::NoSuchMethod,
            other => other,
        };
        all.push(Wrong { why: format!("{why} invoked"), call: Call { cap, ..right.clone() }, error });
    }
    for words in 0..method.words.len() {
        for bytes in [words * 4, words * 4 + 3] {
            let call = Call { bytes: Some(bytes), ..right.clone() };
            all.push(Wrong { why: format!("{bytes} bytes"), call, error: Error::Truncated });
        }
    }
    for (n, word) in method.words.iter().enumerate() {
        for (why, words, error) in wrong_values(room, method, &right.words, n) {
            let call = Call { words, ..right.clone() };
            all.push(Wrong { why: format!("{}: {why}", word.name), call, error });
        }
    }
    all
}

impl Room {
    /// Bytes of the room's frame.
    fn frame_bytes(&self) -> u32 {
        1 << self.frame_bits()
    }

    /// Where the room's frame can be mapped.
    pub fn frame_address(&self) -> u32 {
        if self.frame_bits() == 12 { MAPPABLE } else { 2 << 20 }
    }
}
