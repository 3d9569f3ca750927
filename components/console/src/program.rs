//! What the console does: it finds its clients in the configuration, then works whenever one signals.

use crate::client::Client;
use crate::service::Console;
use crate::uart::Pl011;
use arrayvec::ArrayVec;
use runtime::ring::{Reader, Writer};
use runtime::{IrqHandler, Notification, space};

/// The bit of `EVENTS` that the UART's interrupt sets.
const UART_EVENT: u32 = 1 << 31;

/// The console's thread.
pub fn run(_thread: u32) {
    let Some(config) = space::config() else { return };
    let Some(uart) = config.memory("uart").and_then(|memory| space::memory(&memory)) else { return };
    let mut clients = ArrayVec::new();
    for (number, memory) in space::numbered(config, "client.", ".tx").enumerate() {
        let input = space::numbered_memory(config, "client.", number, ".rx");
        let Some(output) = space::memory(&memory).and_then(Reader::new) else { continue };
        let client = Client {
            id: memory.tag as u8,
            output,
            input: input.and_then(|memory| space::memory(&memory)).and_then(Writer::new),
            signal: space::numbered_capability(config, "client.", number, ".signal").map(Notification),
        };
        if clients.try_push(client).is_err() {
            break;
        }
    }
    let interrupt = config.capability("uart.irq").map(IrqHandler);
    let mut console = Console::new(Pl011::new(uart), clients);
    loop {
        console.work();
        let Ok(events) = Notification(protocol::layout::slot::EVENTS).wait() else { return };
        if events & UART_EVENT != 0 {
            console.work();
            if let Some(interrupt) = interrupt {
                // Without it the UART is silent; there is nothing better to do.
                let _ = interrupt.ack();
            }
        }
    }
}
