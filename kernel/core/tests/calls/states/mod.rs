//! What is wrong with no word of a call, but with the state of what it names.

mod mappings;
mod memory;
mod threads;

use crate::room::{Call, FREE, Room};
use abi::Error;
use abi::describe::CapType;
use abi::method::*;

/// A state in which a method fails.
pub struct State {
    pub method: &'static str,
    pub error: Error,
    pub why: &'static str,
    /// Makes it so, and says the call.
    pub arrange: fn(&mut Room) -> Call,
}

macro_rules! states {
    ($($method:literal, $error:ident, $why:literal, $arrange:expr;)*) => {
        vec![$(State { method: $method, error: Error::$error, why: $why, arrange: $arrange }),*]
    };
}

use states;

/// All of them: whatever a description declares must be among these, or be made from its words.
pub fn all() -> Vec<State> {
    [memory::all(), mappings::all(), threads::all(), machine()].into_iter().flatten().collect()
}

fn machine() -> Vec<State> {
    fn bound(room: &mut Room) -> u32 {
        let handler = room.of(CapType::IrqHandler);
        let words = [room.of(CapType::Notification)];
        room.ok(&Call::method(handler, IrqHandlerMethod::SetNotification as u16, &words));
        handler
    }
    states! {
        "IrqControl::Get", IrqTaken, "it has a handler", |room| {
            let words = [33, room.of(CapType::CNode), FREE, 0];
            Call::method(room.of(CapType::IrqControl), IrqControlMethod::Get as u16, &words)
        };
        "IrqHandler::SetNotification", WrongState, "it is bound", |room| {
            Call::method(bound(room), IrqHandlerMethod::SetNotification as u16, &[room.of(CapType::Notification)])
        };
        "IrqHandler::BindVcpu", WrongState, "it is bound", |room| {
            Call::method(bound(room), IrqHandlerMethod::BindVcpu as u16, &[room.of(CapType::Vcpu), 40, 0])
        };
    }
}
