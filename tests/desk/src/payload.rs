//! The header of a payload, read as the kernel reads it.

use abi::boot::{DEVICE_RANGES_MAX, DeviceRange, PayloadHeader, ROOT_SEGMENTS_MAX, Segment};
use core::array::from_fn;

/// The header, which is words without gaps. Bytes that are not there count as zero.
pub fn header(payload: &[u8]) -> PayloadHeader {
    let mut words = payload.chunks_exact(4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let mut word = || words.next().unwrap_or(0);
    PayloadHeader {
        magic: word(),
        version: word(),
        bytes: word(),
        build: [word(), word()],
        root_entry: word(),
        root_cnode_bits: word(),
        root_segment_count: word(),
        root_segments: from_fn::<_, ROOT_SEGMENTS_MAX, _>(|_| Segment {
            offset: word(),
            address: word(),
            file_bytes: word(),
            memory_bytes: word(),
            flags: word(),
        }),
        system_offset: word(),
        system_bytes: word(),
        device_count: word(),
        devices: from_fn::<_, DEVICE_RANGES_MAX, _>(|_| DeviceRange { page: word(), size_bits: word() }),
        fault_action: word(),
        fault_delay_ms: word(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_place() {
        let count = size_of::<PayloadHeader>() / 4;
        let bytes: Vec<u8> = (0..count as u32).flat_map(u32::to_le_bytes).collect();
        let header = header(&bytes);
        assert_eq!((header.magic, header.root_entry, header.root_segments[1].offset), (0, 5, 13));
        assert_eq!(header.fault_delay_ms as usize, count - 1);
    }
}
