//! What a socket device and its driver say to each other (virtio 1.2, section 5.10), as typed values.

use bitflags::bitflags;

/// The socket device's type.
pub const VSOCK_ID: u32 = 19;
/// VIRTIO_VSOCK_F_STREAM (section 5.10.3).
pub const FEATURE_STREAM: u64 = 1 << 0;
/// The context that stands for the host: here, the components.
pub const CID_HOST: u32 = 2;
/// VIRTIO_VSOCK_TYPE_STREAM.
pub const TYPE_STREAM: u16 = 1;
/// Bytes of a packet's header.
pub const HEADER_BYTES: usize = 44;

/// Whether a context may be a guest's (section 5.10.4): neither the host nor reserved.
pub const fn is_guest(cid: u32) -> bool {
    cid > CID_HOST && cid != u32::MAX
}

/// What a packet is for (section 5.10.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the manual")]
pub enum Op {
    Request = 1,
    Response = 2,
    Rst = 3,
    Shutdown = 4,
    Rw = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}

impl Op {
    /// The operation of that number.
    pub fn from_number(number: u16) -> Option<Self> {
        use Op::*;
        [Request, Response, Rst, Shutdown, Rw, CreditUpdate, CreditRequest].into_iter().find(|&op| op as u16 == number)
    }
}

bitflags! {
    /// What an end of a connection will do no more.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Shutdown: u32 {
        /// It receives no more.
        const RECEIVE = 1;
        /// It sends no more.
        const SEND = 2;
    }
}

/// The header of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the manual")]
pub struct Header {
    pub src_cid: u64,
    pub dst_cid: u64,
    pub src_port: u32,
    pub dst_port: u32,
    /// Bytes of data that follow.
    pub len: u32,
    pub kind: u16,
    pub op: u16,
    pub flags: u32,
    /// Bytes of buffer that the sender has for this connection.
    pub buf_alloc: u32,
    /// Bytes that it has taken out of it so far; wraps.
    pub fwd_cnt: u32,
}

impl From<[u8; HEADER_BYTES]> for Header {
    fn from(bytes: [u8; HEADER_BYTES]) -> Self {
        let word = |n: usize| bytes.as_chunks().0.get(n).map_or(0, |word| u32::from_le_bytes(*word));
        let double = |n| u64::from(word(n)) | u64::from(word(n + 1)) << 32;
        Self {
            src_cid: double(0),
            dst_cid: double(2),
            src_port: word(4),
            dst_port: word(5),
            len: word(6),
            kind: word(7) as u16,
            op: (word(7) >> 16) as u16,
            flags: word(8),
            buf_alloc: word(9),
            fwd_cnt: word(10),
        }
    }
}

impl From<Header> for [u8; HEADER_BYTES] {
    fn from(header: Header) -> Self {
        let words = [
            header.src_cid as u32,
            (header.src_cid >> 32) as u32,
            header.dst_cid as u32,
            (header.dst_cid >> 32) as u32,
            header.src_port,
            header.dst_port,
            header.len,
            u32::from(header.kind) | u32::from(header.op) << 16,
            header.flags,
            header.buf_alloc,
            header.fwd_cnt,
        ];
        let mut bytes = [0; HEADER_BYTES];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_laid_out_as_in_the_manual() {
        let bytes: [u8; HEADER_BYTES] = core::array::from_fn(|n| n as u8 + 1);
        let header = Header::from(bytes);
        assert_eq!((header.src_cid, header.dst_cid), (0x0807_0605_0403_0201, 0x100f_0e0d_0c0b_0a09));
        assert_eq!((header.src_port, header.dst_port, header.len), (0x1413_1211, 0x1817_1615, 0x1c1b_1a19));
        assert_eq!((header.kind, header.op, header.flags), (0x1e1d, 0x201f, 0x2423_2221));
        assert_eq!((header.buf_alloc, header.fwd_cnt), (0x2827_2625, 0x2c2b_2a29));
        assert_eq!(<[u8; HEADER_BYTES]>::from(header), bytes);
    }

    #[test]
    fn every_number_is_an_operation_or_none() {
        for number in 0..=u16::MAX {
            assert_eq!(Op::from_number(number).map(|op| op as u16), (1..=7).contains(&number).then_some(number));
        }
        assert_eq!([0, 1, 2, 3, u32::MAX].map(is_guest), [false, false, false, true, false]);
    }
}
