//! List registers of the virtual interface (ARM IHI 0048B 5.3.11).

use kernel_core::platform::ListRegister;

const HARDWARE: u32 = 1 << 31;
const PENDING: u32 = 1 << 28;
const ACTIVE: u32 = 1 << 29;
const PRIORITY_SHIFT: u32 = 23;
const PHYSICAL_SHIFT: u32 = 10;
const NOTIFY_END: u32 = 1 << 19;
const SOURCE_SHIFT: u32 = 10;
const INTID: u32 = 0x3ff;

/// The register's bits for that value. Every interrupt is of group 0: the guest sees a GIC without security.
pub fn to_bits(value: ListRegister) -> u32 {
    let mut bits = u32::from(value.intid) & INTID | u32::from(value.priority >> 3) << PRIORITY_SHIFT;
    if value.pending {
        bits |= PENDING;
    }
    if value.active {
        bits |= ACTIVE;
    }
    match value.hardware {
        // The field that names the physical interrupt takes the place of source and notification.
        Some(physical) => bits |= HARDWARE | (u32::from(physical) & INTID) << PHYSICAL_SHIFT,
        None => {
            bits |= (u32::from(value.source) & 7) << SOURCE_SHIFT;
            if value.notify_end {
                bits |= NOTIFY_END;
            }
        }
    }
    bits
}

/// The value of those bits.
pub fn from_bits(bits: u32) -> ListRegister {
    let hardware = bits & HARDWARE != 0;
    ListRegister {
        intid: (bits & INTID) as u16,
        priority: (bits >> PRIORITY_SHIFT & 0x1f) as u8 * 8,
        pending: bits & PENDING != 0,
        active: bits & ACTIVE != 0,
        source: if hardware { 0 } else { (bits >> SOURCE_SHIFT & 7) as u8 },
        hardware: hardware.then_some((bits >> PHYSICAL_SHIFT & INTID) as u16),
        notify_end: !hardware && bits & NOTIFY_END != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_virtual_timer_as_seen_on_the_emulator() {
        let timer = ListRegister { intid: 27, priority: 0x80, pending: true, hardware: Some(27), ..Default::default() };
        assert_eq!(to_bits(timer), 0x9800_6c1b);
        assert_eq!(from_bits(0xa800_6c1b), ListRegister { pending: false, active: true, ..timer });
        assert_eq!(from_bits(0x8800_6c1b), ListRegister { pending: false, ..timer });
    }

    #[test]
    fn every_value_survives() {
        for bits in 0..64u32 {
            let value = ListRegister {
                intid: 33,
                priority: 0xa8,
                pending: bits & 1 != 0,
                active: bits & 2 != 0,
                source: 0,
                hardware: None,
                notify_end: bits & 4 != 0,
            };
            let value = if bits & 8 != 0 { ListRegister { source: 5, intid: 3, ..value } } else { value };
            let value = if bits & 16 != 0 {
                ListRegister { hardware: Some(1019), source: 0, notify_end: false, ..value }
            } else {
                value
            };
            assert_eq!(from_bits(to_bits(value)), value);
        }
    }
}
