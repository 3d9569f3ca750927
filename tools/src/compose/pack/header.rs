//! The payload's header, as the kernel reads it.

use super::Arrangement;
use crate::compose::elf::Program;
use crate::compose::layout::plan::Plan;
use crate::compose::manifest::OnFault;
use abi::boot::{
    DEVICE_RANGES_MAX, DeviceRange, PAYLOAD_MAGIC, PAYLOAD_VERSION, PayloadHeader, ROOT_SEGMENTS_MAX, Segment,
};
use abi::object::PAGE_BITS;
use std::mem::{offset_of, size_of};
use system::ObjectKind;

/// The header's bytes, but for the build's name. The error says of what there is too much.
pub fn header(
    root: &Program,
    plan: &Plan,
    on_fault: OnFault,
    system_bytes: u32,
    arrangement: &Arrangement,
) -> Result<Vec<u8>, String> {
    if root.pieces.len() > ROOT_SEGMENTS_MAX {
        return Err(format!("root has {} segments, and {ROOT_SEGMENTS_MAX} are possible", root.pieces.len()));
    }
    let devices: Vec<[u32; 2]> = plan
        .ordered_objects()
        .iter()
        .filter_map(|object| match object.kind {
            ObjectKind::Device { page, count } => Some([page, PAGE_BITS + u32::from(count).ilog2()]),
            _ => None,
        })
        .collect();
    if devices.len() > DEVICE_RANGES_MAX {
        return Err(format!(
            "the system uses {} pieces of devices, and {DEVICE_RANGES_MAX} are possible",
            devices.len()
        ));
    }
    let (fault_action, fault_delay_ms) = match on_fault {
        OnFault::Halt => (0, 0),
        OnFault::Reset => (1, 0),
        OnFault::ResetAfter(delay) => (2, delay),
    };
    let mut words = vec![
        PAYLOAD_MAGIC,
        PAYLOAD_VERSION,
        arrangement.bytes,
        0,
        0,
        root.entry,
        plan.root_cnode_bits,
        root.pieces.len() as u32,
    ];
    let mut segments = [Segment::default(); ROOT_SEGMENTS_MAX];
    for ((segment, piece), &offset) in segments.iter_mut().zip(&root.pieces).zip(&arrangement.root) {
        *segment = Segment {
            offset,
            address: piece.address,
            file_bytes: piece.bytes.len() as u32,
            memory_bytes: piece.memory_bytes,
            flags: piece.flags.bits(),
        };
    }
    for segment in segments {
        words.extend([segment.offset, segment.address, segment.file_bytes, segment.memory_bytes, segment.flags]);
    }
    words.extend([arrangement.system, system_bytes, devices.len() as u32]);
    for n in 0..DEVICE_RANGES_MAX {
        words.extend(devices.get(n).copied().unwrap_or_default());
    }
    words.extend([fault_action, fault_delay_ms, plan.cores() - 1]);
    assert_eq!(words.len() * 4, size_of::<PayloadHeader>(), "the header is words without gaps");
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

/// The header of a payload, as the kernel reads it. `None` if the payload is shorter than one.
pub fn read_header(payload: &[u8]) -> Option<PayloadHeader> {
    let mut words = payload
        .get(..size_of::<PayloadHeader>())?
        .chunks_exact(4)
        .map(|word| word.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte)));
    let mut word = || words.next().unwrap_or_default();
    // Fields are written, and so evaluated, in the order in which they lie.
    Some(PayloadHeader {
        magic: word(),
        version: word(),
        bytes: word(),
        build: [word(), word()],
        root_entry: word(),
        root_cnode_bits: word(),
        root_segment_count: word(),
        root_segments: std::array::from_fn(|_| Segment {
            offset: word(),
            address: word(),
            file_bytes: word(),
            memory_bytes: word(),
            flags: word(),
        }),
        system_offset: word(),
        system_bytes: word(),
        device_count: word(),
        devices: std::array::from_fn(|_| DeviceRange { page: word(), size_bits: word() }),
        fault_action: word(),
        fault_delay_ms: word(),
        further_cores: word(),
    })
}

const BUILD: usize = offset_of!(PayloadHeader, build);

/// Writes the build's name into a payload that has none.
pub fn seal(payload: &mut [u8]) {
    let build = fnv1a(payload);
    payload[BUILD..BUILD + 8].copy_from_slice(&build.to_le_bytes());
}

/// The build's name in a payload.
pub fn build_id(payload: &[u8]) -> u64 {
    payload[BUILD..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn every_word_of_a_header_is_read_where_it_lies() {
        let (words, value) = (size_of::<PayloadHeader>() / 4, |n: usize| n as u32 * 0x0100_0001);
        let payload: Vec<u8> = (0..words).flat_map(|n| value(n).to_le_bytes()).collect();
        let word = |at: usize| value(at / 4);
        let header = read_header(&payload).unwrap();
        assert_eq!(header.build[1], word(BUILD + 4));
        let last = offset_of!(PayloadHeader, root_segments) + (ROOT_SEGMENTS_MAX - 1) * size_of::<Segment>();
        assert_eq!(header.root_segments[ROOT_SEGMENTS_MAX - 1].flags, word(last + offset_of!(Segment, flags)));
        assert_eq!(header.device_count, word(offset_of!(PayloadHeader, device_count)));
        let last = offset_of!(PayloadHeader, devices) + (DEVICE_RANGES_MAX - 1) * size_of::<DeviceRange>();
        assert_eq!(header.devices[DEVICE_RANGES_MAX - 1].size_bits, word(last + 4));
        assert_eq!(header.fault_delay_ms, value(words - 2));
        assert_eq!(header.further_cores, value(words - 1));
        assert!(read_header(&payload[1..]).is_none());
    }

    #[test]
    fn a_build_is_named_by_its_content() {
        let mut payload = vec![0; 4096];
        seal(&mut payload);
        let first = build_id(&payload);
        payload[BUILD..BUILD + 8].fill(0);
        payload[4000] = 1;
        seal(&mut payload);
        assert_ne!(build_id(&payload), first);
    }
}
