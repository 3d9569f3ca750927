//! What a block device and its driver say to each other (virtio 1.2, section 5.2), as typed values.

/// The block device's type.
pub const BLOCK_ID: u32 = 2;
/// Bytes of a sector, the unit of all addresses and of the capacity.
pub const SECTOR_BYTES: u64 = 512;
/// Bytes of the name that GET_ID tells.
pub const NAME_BYTES: usize = 20;

/// VIRTIO_BLK_F_SEG_MAX (section 5.2.3).
pub const FEATURE_SEG_MAX: u64 = 1 << 2;
/// VIRTIO_BLK_F_RO.
pub const FEATURE_RO: u64 = 1 << 5;
/// VIRTIO_BLK_F_BLK_SIZE.
pub const FEATURE_BLK_SIZE: u64 = 1 << 6;
/// VIRTIO_BLK_F_FLUSH.
pub const FEATURE_FLUSH: u64 = 1 << 9;
/// VIRTIO_BLK_F_CONFIG_WCE.
pub const FEATURE_CONFIG_WCE: u64 = 1 << 11;
/// VIRTIO_BLK_F_DISCARD.
pub const FEATURE_DISCARD: u64 = 1 << 13;
/// VIRTIO_BLK_F_WRITE_ZEROES.
pub const FEATURE_WRITE_ZEROES: u64 = 1 << 14;

/// Offset of `writeback`, the only byte of the configuration that a driver may store to.
pub const WRITEBACK: u32 = 32;

/// VIRTIO_BLK_T_IN, and so on (section 5.2.6).
pub const IN: u32 = 0;
/// Write.
pub const OUT: u32 = 1;
/// Make what was written stable.
pub const FLUSH: u32 = 4;
/// Tell the device's name.
pub const GET_ID: u32 = 8;
/// The contents are of no interest any more.
pub const DISCARD: u32 = 11;
/// Write zeroes.
pub const WRITE_ZEROES: u32 = 13;

/// Bit 0 of a range's flags: the sectors may be deallocated.
pub const UNMAP: u32 = 1;

/// How a request has ended: the last byte that the device writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// VIRTIO_BLK_S_OK.
    Ok = 0,
    /// VIRTIO_BLK_S_IOERR.
    IoError = 1,
    /// VIRTIO_BLK_S_UNSUPP.
    Unsupported = 2,
}

/// What a request begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What is asked for.
    pub kind: u32,
    /// Where.
    pub sector: u64,
}

/// Bytes of a header, and of a range.
pub const HEADER_BYTES: usize = 16;

/// The two words and the double word of which a header and a range are made.
fn parts(bytes: [u8; 16]) -> (u64, u64) {
    let all = u128::from_le_bytes(bytes);
    (all as u64, (all >> 64) as u64)
}

impl From<[u8; HEADER_BYTES]> for Header {
    fn from(bytes: [u8; HEADER_BYTES]) -> Self {
        let (kind, sector) = parts(bytes);
        Self { kind: kind as u32, sector }
    }
}

/// The sectors of a DISCARD or WRITE_ZEROES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub sector: u64,
    /// How many.
    pub sectors: u32,
    /// [`UNMAP`]; the other bits are reserved.
    pub flags: u32,
}

impl From<[u8; HEADER_BYTES]> for Range {
    fn from(bytes: [u8; HEADER_BYTES]) -> Self {
        let (sector, rest) = parts(bytes);
        Self { sector, sectors: rest as u32, flags: (rest >> 32) as u32 }
    }
}

/// The fields of the configuration (section 5.2.4) that this device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// In sectors.
    pub capacity: u64,
    /// Buffers of a request's data.
    pub seg_max: u32,
    /// Bytes of a block.
    pub blk_size: u32,
    /// Whether writes are stable only when they are flushed.
    pub writeback: bool,
    /// Sectors of a DISCARD.
    pub discard_sectors_max: u32,
    /// Sectors of a WRITE_ZEROES.
    pub write_zeroes_sectors_max: u32,
}

impl Configuration {
    /// A byte of it; 0 where there is none.
    pub fn byte(&self, offset: u32) -> u8 {
        let (field, first): (u64, u32) = match offset {
            0..8 => (self.capacity, 0),
            12..16 => (self.seg_max.into(), 12),
            20..24 => (self.blk_size.into(), 20),
            WRITEBACK => (self.writeback.into(), WRITEBACK),
            // num_queues: one.
            34 => (1, 34),
            36..40 => (self.discard_sectors_max.into(), 36),
            // max_discard_seg, and discard_sector_alignment, which is a block.
            40 => (1, 40),
            44..48 => (u64::from(self.blk_size) / SECTOR_BYTES, 44),
            48..52 => (self.write_zeroes_sectors_max.into(), 48),
            // max_write_zeroes_seg, and write_zeroes_may_unmap.
            52 => (1, 52),
            56 => (1, 56),
            _ => (0, offset),
        };
        (field >> (8 * (offset - first))) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_and_a_range_are_little_endian() {
        let bytes = [0x0d, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 8, 7, 6, 5, 4, 3, 2, 1];
        assert_eq!(Header::from(bytes), Header { kind: WRITE_ZEROES, sector: 0x0102_0304_0506_0708 });
        assert_eq!(
            Range::from(bytes),
            Range { sector: 0xffff_ffff_0000_000d, sectors: 0x0506_0708, flags: 0x0102_0304 }
        );
    }

    #[test]
    fn the_configuration_is_laid_out_as_in_the_manual() {
        let configuration = Configuration {
            capacity: 0x0102_0304_0506_0708,
            seg_max: 0x11,
            blk_size: 0x1000,
            writeback: true,
            discard_sectors_max: 0x2122_2324,
            write_zeroes_sectors_max: 0x3132_3334,
        };
        let bytes: std::vec::Vec<u8> = (0..64).map(|offset| configuration.byte(offset)).collect();
        let mut expected = [0; 64];
        expected[..8].copy_from_slice(&[8, 7, 6, 5, 4, 3, 2, 1]);
        (expected[12], expected[21], expected[32], expected[34]) = (0x11, 0x10, 1, 1);
        expected[36..40].copy_from_slice(&[0x24, 0x23, 0x22, 0x21]);
        (expected[40], expected[44]) = (1, 8);
        expected[48..52].copy_from_slice(&[0x34, 0x33, 0x32, 0x31]);
        (expected[52], expected[56]) = (1, 1);
        assert_eq!(bytes, expected);
        assert_eq!(configuration.byte(u32::MAX), 0);
    }
}
