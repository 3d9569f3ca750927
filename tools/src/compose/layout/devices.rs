//! Registers and interrupts of the board that components get.

use super::build::{ALL, Builder, DEVICE, Memory};
use super::plan::{Badge, GroupKey, Interrupt};
use super::room::Room;
use abi::object::PAGE_BITS;
use system::ObjectKind;

/// Number of the first shared interrupt at the distributor.
const FIRST_SPI: u32 = 32;

/// The pages of a piece of the physical address space, in naturally aligned pieces of a power of two: each
/// is a device untyped of root's.
pub fn registers(b: &mut Builder, group: GroupKey, name: &str, base: u64, bytes: u64) -> Memory {
    let (mut page, end) = (base >> PAGE_BITS, (base + bytes.max(1)).div_ceil(1 << PAGE_BITS));
    let mut memory = Memory { parts: Vec::new(), bits: PAGE_BITS, count: (end - page) as u32 };
    while page < end {
        let room = 1 << (end - page).ilog2();
        let aligned = 1 << page.trailing_zeros().min(63);
        let count: u64 = room.min(aligned).min(1 << 15);
        let kind = ObjectKind::Device { page: page as u32, count: count as u16 };
        memory.parts.push(b.object(group, format!("registers of {name}"), kind));
        page += count;
    }
    memory
}

/// Maps registers into a room.
pub fn give_registers(b: &mut Builder, room: &mut Room, name: &str, memory: &Memory, tag: u32) {
    room.memory(b, name, memory, DEVICE, tag);
}

/// Makes the handler of a shared interrupt, which signals that bit of the room's notification.
pub fn give_interrupt(b: &mut Builder, room: &mut Room, name: &str, spi: u32, badge: u32) {
    let intid = (FIRST_SPI + spi) as u16;
    let irq = b.object(room.group, format!("interrupt {intid} ({name})"), ObjectKind::Irq { intid, edge: false });
    room.capability(b, name, irq, ALL, Badge::None);
    b.plan.interrupts.push(Interrupt { irq, notification: room.events, badge });
}

/// A component's own devices. The error names what there is too much of.
pub fn wire(b: &mut Builder, shared: GroupKey, room: &mut Room, devices: &[&boards::Device]) -> Result<(), String> {
    for device in devices {
        let memory = registers(b, shared, &device.name, device.base, device.bytes);
        give_registers(b, room, &device.name, &memory, 0);
        for (n, &spi) in device.spis.iter().enumerate() {
            let name = match n {
                0 => format!("{}.irq", device.name),
                n => format!("{}.irq.{n}", device.name),
            };
            let badge = room.interrupt_event(&name).ok_or_else(|| {
                format!("`{}` has more signals and interrupts than one notification has bits", room.name)
            })?;
            give_interrupt(b, room, &name, spi, badge);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::layout::build::crash_policy;

    #[test]
    fn pieces_are_powers_of_two_and_aligned() {
        let mut b = Builder::new(21);
        let group = b.group("g", crash_policy(system::Action::Stop));
        let memory = registers(&mut b, group, "d", 0x1000_3000, 0x6000);
        let pieces: Vec<_> = memory.parts.iter().map(|&key| b.plan.object(key).kind).collect();
        let device = |page, count| ObjectKind::Device { page, count };
        assert_eq!(pieces, [device(0x10003, 1), device(0x10004, 4), device(0x10008, 1)]);
        assert_eq!(memory.count, 6);
    }
}
