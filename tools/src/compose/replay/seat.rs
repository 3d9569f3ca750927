//! Root's seat at the simulated machine: root's own code builds the system, and its system calls go to the kernel.

use abi::boot::BootInfo;
use abi::fault::FaultKind;
use abi::object::BLOCK_BITS;
use abi::{Error, Rights, Syscall};
use kernel_core::cap::Cap;
use kernel_core::sim::World;
use root::fill::Scratch;
use root::{Failure, Root};
use runtime::{Mapped, host};
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    /// Root's windows. What is written to them is not copied to the frames: nobody runs who would read it.
    static SCRATCH: Scratch = Scratch { page: Mapped::allocate(4096), block: Mapped::allocate(1 << BLOCK_BITS) };
}

/// Lets root build the system in the payload on a machine that has just booted.
pub fn build(world: World, info: &BootInfo, payload: &[u8]) -> (Rc<RefCell<World>>, Result<(), Failure>) {
    let world = Rc::new(RefCell::new(world));
    let mut root = Box::new(Root::new());
    root.learn(info, payload, scratch());
    let built = seated(&world, || root.build(|_| ()));
    (world, built)
}

/// Root's windows in this thread.
pub fn scratch() -> Scratch {
    SCRATCH.with(|scratch| *scratch)
}

/// Does something as root: the system calls of this thread go to that kernel.
pub fn seated<R>(world: &Rc<RefCell<World>>, work: impl FnOnce() -> R) -> R {
    let kernel = world.clone();
    host::install(move |number: u32, registers: &mut [u32; 7]| syscall(&mut kernel.borrow_mut(), number, registers));
    let result = work();
    host::remove();
    result
}

fn syscall(world: &mut World, number: u32, registers: &mut [u32; 7]) {
    let Some(call) = Syscall::from_number(number) else {
        registers[0] = Error::NoSuchMethod as u32;
        return;
    };
    let [r0, info, w0, w1, w2, w3, r12] = *registers;
    *registers = world.syscall(call, r0, info, [w0, w1, w2, w3], r12);
    // Root may have let others go first.
    while world.kernel.running() != Some(world.root) {
        take_turn(world);
    }
}

/// The thread that runs waits to receive, as a server does that has made itself ready. One that serves nobody
/// waits to be signalled, and one that can't even do that dies.
fn take_turn(world: &mut World) {
    let tcb = world.kernel.current();
    let held = world.held(tcb);
    let slot_of = |wanted: &dyn Fn(&Cap) -> bool| held.iter().find(|(_, cap)| wanted(cap)).map(|&(slot, _)| slot);
    let endpoint = slot_of(&|cap| matches!(cap, Cap::Endpoint { rights, .. } if rights.contains(Rights::READ)));
    let reply = slot_of(&|cap| matches!(cap, Cap::Reply { .. })).unwrap_or(0);
    let events = slot_of(&|cap| matches!(cap, Cap::Notification { rights, .. } if rights.contains(Rights::READ)));
    match (endpoint, events) {
        (Some(endpoint), _) => drop(world.syscall(Syscall::Recv, endpoint, 0, [0; 4], reply)),
        (None, Some(events)) => drop(world.syscall(Syscall::Wait, events, 0, [0; 4], 0)),
        (None, None) => {}
    }
    if world.kernel.running() == Some(tcb) {
        world.kernel.on_component_fault(FaultKind::Undefined, 0, 0);
        world.schedule();
    }
}
