//! What a trap of a component means: which of its faults it is.

use crate::hsr::{Hsr, Status, class};
use abi::fault::FaultKind;

/// A component's fault. SVC never comes here: it is a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComponentFault {
    /// What it did.
    pub kind: FaultKind,
    /// Address that it touched; 0 if that says nothing.
    pub address: u32,
}

/// The fault for that syndrome. A component's virtual addresses are intermediate physical ones, so HDFAR and
/// HIFAR say it all. Whatever is closed to it (CP14, CP15, coprocessors, WFI, HVC, SMC) is undefined.
pub fn component_fault(hsr: Hsr, hdfar: u32, hifar: u32) -> ComponentFault {
    let (kind, address) = match (hsr.class(), hsr.status()) {
        (class::DATA | class::FETCH, Status::Debug) => (FaultKind::Breakpoint, 0),
        (class::DATA, Status::Translation | Status::AccessFlag | Status::Permission) => (FaultKind::Data, hdfar),
        (class::FETCH, Status::Translation | Status::AccessFlag | Status::Permission) => (FaultKind::Fetch, hifar),
        (class::DATA, _) => (FaultKind::Alignment, hdfar),
        (class::FETCH, _) => (FaultKind::Alignment, hifar),
        _ => (FaultKind::Undefined, 0),
    };
    ComponentFault { kind, address }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(hsr: u32) -> (FaultKind, u32) {
        let fault = component_fault(Hsr(hsr), 0xd, 0xf);
        (fault.kind, fault.address)
    }

    #[test]
    fn as_seen_on_the_emulator() {
        assert_eq!(fault(0x0000_0000), (FaultKind::Undefined, 0));
        assert_eq!(fault(0x9380_0006), (FaultKind::Data, 0xd));
        assert_eq!(fault(0x9380_0046), (FaultKind::Data, 0xd));
        assert_eq!(fault(0x9380_004f), (FaultKind::Data, 0xd));
        assert_eq!(fault(0x8000_000f), (FaultKind::Fetch, 0xf));
        assert_eq!(fault(0x8200_0022), (FaultKind::Breakpoint, 0));
        assert_eq!(fault(0x9000_003f), (FaultKind::Alignment, 0xd));
        assert_eq!(fault(0x9000_0021), (FaultKind::Alignment, 0xd));
    }

    #[test]
    fn a_refused_instruction_is_undefined_whatever_its_class() {
        for class in [0u32, 1, 3, 4, 5, 6, 7, 8, 9, 0xa, 0xc, 0x12, 0x13] {
            assert_eq!(fault(class << 26 | 0x1ff_ffff).0, FaultKind::Undefined, "{class:#x}");
        }
    }
}
