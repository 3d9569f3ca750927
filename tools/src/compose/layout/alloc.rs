//! The kernel's allocation rule, replayed: an untyped has a watermark; an object goes to the watermark
//! rounded up to its alignment, and moves it behind itself.

/// An untyped whose base is a multiple of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untyped {
    /// Bytes.
    pub bytes: u64,
    /// Bytes used, from the base on.
    pub watermark: u64,
}

impl Untyped {
    /// A fresh one of `1 << bits` bytes.
    pub const fn new(bits: u32) -> Self {
        Self { bytes: 1 << bits, watermark: 0 }
    }

    /// Where the next object of that size and alignment goes, from the base; `None` if it does not fit.
    pub const fn place(&mut self, bytes: u64, align: u64) -> Option<u64> {
        let at = self.watermark.next_multiple_of(align);
        if at + bytes > self.bytes {
            return None;
        }
        self.watermark = at + bytes;
        Some(at)
    }
}

/// What is to be placed: `count` objects of that size and alignment, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Bytes of each.
    pub bytes: u64,
    /// Alignment of each.
    pub align: u64,
    /// How many.
    pub count: u64,
}

/// Places everything in order; the offset of the first object of each demand, or `None` if not all fit.
pub fn place_all(bits: u32, demands: &[Demand]) -> Option<(Vec<u64>, u64)> {
    let mut untyped = Untyped::new(bits);
    let mut offsets = Vec::with_capacity(demands.len());
    for demand in demands {
        let mut first = None;
        for _ in 0..demand.count {
            let at = untyped.place(demand.bytes, demand.align)?;
            first.get_or_insert(at);
        }
        offsets.push(first.unwrap_or(untyped.watermark));
    }
    Some((offsets, untyped.watermark))
}

/// The smallest untyped, from `least` on, that holds everything: log2 of its bytes, the offsets, and the bytes used.
pub fn fit(demands: &[Demand], least: u32, most: u32) -> Option<(u32, Vec<u64>, u64)> {
    (least..=most).find_map(|bits| place_all(bits, demands).map(|(offsets, used)| (bits, offsets, used)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_rounds_up_and_the_end_is_the_end() {
        let mut untyped = Untyped::new(13);
        assert_eq!(untyped.place(64, 64), Some(0));
        assert_eq!(untyped.place(4096, 4096), Some(4096));
        assert_eq!(untyped.place(64, 64), None);
        assert_eq!(untyped.watermark, 8192);
    }

    #[test]
    fn tables_leave_a_gap_behind_each() {
        let table = Demand { bytes: 6144, align: 4096, count: 2 };
        assert_eq!(fit(&[table], 12, 38), Some((14, vec![0], 8192 + 6144)));
        let (bits, offsets, _) = fit(&[table, Demand { bytes: 64, align: 64, count: 1 }], 12, 38).unwrap();
        assert_eq!((bits, offsets), (14, vec![0, 8192 + 6144]));
    }
}
