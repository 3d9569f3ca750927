//! The console and the log: who has a channel, and whose ring is read.

use super::build::{Builder, READ, READ_WRITE, existing};
use super::devices;
use super::plan::{Badge, Flow, GroupKey};
use super::room::Room;
use abi::object::PAGE_BITS;
use abi::rights::Rights;
use boards::Board;
use system::ObjectKind;

/// The bit of a client's notification that the console sets.
pub const CONSOLE_EVENT: u32 = 2;
/// The bit of the console's notification that its UART sets.
pub const UART_EVENT: u32 = 1 << 31;
/// The tag of the log's channel: what comes on it are frames already.
pub const FRAMES_TAG: u32 = 0xff;

/// Gives the console its UART.
pub fn uart(b: &mut Builder, shared: GroupKey, console: &mut Room, board: &Board) {
    let registers = devices::registers(b, shared, "uart", board.uart.base, 0x1000);
    devices::give_registers(b, console, "uart", &registers, board.uart.clock_hz);
    console.event("uart.irq", UART_EVENT);
    devices::give_interrupt(b, console, "uart.irq", board.uart.spi, UART_EVENT);
}

/// Joins client number `index` to the console. The rings stay when the client is torn down. `tx` is what the
/// client sends, at both ends.
pub fn client(b: &mut Builder, console: &mut Room, client: &mut Room, index: u32, tag: u32) {
    let badge = 1 << index;
    for way in ["tx", "rx"] {
        let ring = b.pages(console.group, &format!("console {way} of {}", client.name), 1);
        console.memory(b, &format!("client.{index}.{way}"), &ring, READ_WRITE, tag);
        client.memory(b, &format!("console.{way}"), &ring, READ_WRITE, 0);
    }
    let signal = Rights::WRITE;
    console.capability(b, &format!("client.{index}.signal"), client.events, signal, Badge::Bits(CONSOLE_EVENT));
    client.capability(b, "console.signal", console.events, signal, Badge::Bits(badge));
    console.event(&format!("client.{index}"), badge);
    client.event("console", CONSOLE_EVENT);
    b.plan.flows.push(Flow {
        channel: "console".to_owned(),
        kind: "console",
        from: client.name.clone(),
        to: console.name.clone(),
        both_ways: true,
    });
}

/// Lets the log read every ring: the kernel's, root's, and those of all rooms. Called when `log` is not among `others`.
pub fn rings(b: &mut Builder, shared: GroupKey, log: &mut Room, others: &[&Room], root_ring: super::build::Memory) {
    let kernel = b.object(shared, "log ring of kernel", ObjectKind::KernelLog);
    let mut rings = vec![
        ("kernel".to_owned(), existing(kernel, PAGE_BITS, 1), protocol::wire::KERNEL_ID),
        ("root".to_owned(), root_ring, protocol::wire::ROOT_ID),
    ];
    rings.extend(others.iter().map(|room| (room.name.clone(), room.ring.clone(), room.wire_id)));
    rings.push((log.name.clone(), log.ring.clone(), log.wire_id));
    for (n, (from, ring, id)) in rings.into_iter().enumerate() {
        log.memory(b, &format!("ring.{n}"), &ring, READ, id.into());
        if from != log.name {
            let to = log.name.clone();
            b.plan.flows.push(Flow { channel: "log".to_owned(), kind: "log", from, to, both_ways: false });
        }
    }
}
