//! Faults as the processor reports them (ARM DDI 0406C B3.13.6: the HSR of an abort in a component).

use abi::fault::FaultKind;

/// What a component did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault that is.
    pub kind: FaultKind,
    /// The address that was touched.
    pub address: u32,
    /// The syndrome.
    pub syndrome: u32,
}

const WRITE: u32 = 1 << 6;
const DATA_ABORT: u32 = 0x9380_0000;
const PREFETCH_ABORT: u32 = 0x8000_0000;
/// Fault status: a translation that is not there, and a permission, both at level 3; an external abort.
const NOT_THERE: u32 = 0x07;
const PERMISSION: u32 = 0x0f;
const EXTERNAL: u32 = 0x10;

impl Fault {
    /// A load or store; `mapped`: something is there, but not for that.
    pub const fn data(address: u32, write: bool, mapped: bool) -> Self {
        let status = if mapped { PERMISSION } else { NOT_THERE };
        Self { kind: FaultKind::Data, address, syndrome: DATA_ABORT | status | if write { WRITE } else { 0 } }
    }

    /// A load or store that reaches no device.
    pub const fn external(address: u32, write: bool) -> Self {
        let syndrome = DATA_ABORT | EXTERNAL | if write { WRITE } else { 0 };
        Self { kind: FaultKind::Alignment, address, syndrome }
    }

    /// An instruction fetch.
    pub const fn fetch(address: u32, mapped: bool) -> Self {
        let status = if mapped { PERMISSION } else { NOT_THERE };
        Self { kind: FaultKind::Fetch, address, syndrome: PREFETCH_ABORT | status }
    }

    /// One that the test has ordered, or an undefined instruction: nothing was touched.
    pub const fn plain(kind: FaultKind) -> Self {
        Self { kind, address: 0, syndrome: 0 }
    }
}
