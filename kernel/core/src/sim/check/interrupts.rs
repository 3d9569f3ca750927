//! Invariants of virtual and physical interrupts.

use super::census::Census;
use super::{Found, hold};
use crate::arena::Handle;
use crate::cap::{Cap, Slot};
use crate::irq::IRQS;
use crate::vcpu::{Interrupt, Interrupts, SavedListRegister, Vcpu};
use crate::vgic::{ACTIVE, HARDWARE, LEVEL, LINE, LISTED, PENDING, SGIS};
use abi::vcpu::VIRTUAL_TIMER_INTID;
use std::collections::BTreeMap;

fn waits(interrupts: &Interrupts, intid: usize) -> bool {
    interrupts.waiting[intid / 32] >> (intid % 32) & 1 != 0
}

/// In one list register, waiting for one, active and spilled, or nowhere; and nowhere only if nothing asks for it.
pub(super) fn one_place_each(census: &Census) -> Found {
    for &vcpu in &census.vcpus.all {
        let interrupts = &census.get(vcpu).interrupts;
        let mut listed = BTreeMap::new();
        for (index, list) in interrupts.listed.iter().enumerate().filter(|(_, list)| list.state != 0) {
            let twice = listed.insert(usize::from(list.intid), index);
            hold!(twice.is_none(), "{vcpu:?}: {} in two list registers", list.intid);
        }
        let mask = interrupts.listed.iter().rev().fold(0, |mask, list| mask << 1 | u32::from(list.state != 0));
        let mask_is = interrupts.listed_mask;
        hold!(mask_is == mask, "{vcpu:?}: list registers {mask_is:#x} are said to hold something, {mask:#x} do");
        let words = interrupts.waiting.iter().rev().fold(0, |mask, &word| mask << 1 | u32::from(word != 0));
        let words_is = interrupts.waiting_words;
        hold!(words_is == words, "{vcpu:?}: words {words_is:#x} are said to have who waits, {words:#x} do");
        let mut spilled = 0;
        for (intid, state) in interrupts.state.iter().enumerate() {
            let marked = (state.flags & LISTED != 0).then(|| usize::from(state.list_register) - 1);
            let list = listed.get(&intid).copied();
            hold!(marked == list, "{vcpu:?}: {intid} is marked {marked:?}, listed {list:?}");
            let waits = waits(interrupts, intid);
            hold!(list.is_none() || !waits, "{vcpu:?}: {intid} is listed and waits");
            let is_spilled = list.is_none() && state.flags & ACTIVE != 0;
            spilled += u32::from(is_spilled);
            let asks = state.flags & PENDING != 0
                || state.flags & (LINE | LEVEL) == LINE | LEVEL
                || (intid < usize::from(SGIS) && state.sources != 0);
            hold!(!asks || waits || list.is_some() || is_spilled, "{vcpu:?}: {intid}, {state:?}, is lost");
        }
        hold!(spilled == interrupts.spilled, "{vcpu:?}: {spilled} spilled, {} counted", interrupts.spilled);
        let timer = listed.contains_key(&(VIRTUAL_TIMER_INTID as usize));
        hold!(timer == (interrupts.timer_listed != 0), "{vcpu:?}: the timer's is listed: {timer}");
    }
    Ok(())
}

/// What waits for a list register of the loaded vCPU has none that is free, and the hardware will tell when there is one.
pub(super) fn none_waits_with_room(census: &Census) -> Found {
    (0..census.kernel.cores.len()).try_for_each(|core| none_waits_with_room_on(census, core))
}

fn none_waits_with_room_on(census: &Census, core: usize) -> Found {
    let Some(vcpu) = census.kernel.cores[core].loaded else { return Ok(()) };
    let machine = census.kernel.platform.of_core(core);
    let interrupts = &census.get(vcpu).interrupts;
    for (intid, state) in interrupts.state.iter().enumerate() {
        if waits(interrupts, intid) && state.flags & (ACTIVE | LISTED) == 0 {
            let free = interrupts.listed[..machine.lists.len()].iter().position(|list| list.state == 0);
            hold!(free.is_none(), "{vcpu:?}: {intid} waits, list register {free:?} is free");
            hold!(machine.refill, "{vcpu:?}: {intid} waits, and nobody will tell when there is room");
        }
    }
    hold!(interrupts.spilled == 0 || machine.spilled, "{vcpu:?}: nobody will tell of the ends of those spilled");
    Ok(())
}

/// A list register holds the interrupt that memory says was put there, in a state that it can have come to since; without a
/// loaded vCPU they are empty and ask for nothing.
pub(super) fn hardware_is_the_loaded(census: &Census) -> Found {
    let cores = &census.kernel.cores;
    for (n, core) in cores.iter().enumerate() {
        let twice = |other: &crate::kernel::Core| {
            (core.loaded.is_some() && core.loaded == other.loaded)
                || (core.float_owner.is_some() && core.float_owner == other.float_owner)
        };
        hold!(!cores[..n].iter().any(twice), "{:?} or its floating point is on two cores", core.loaded);
    }
    (0..cores.len()).try_for_each(|core| hardware_is_the_loaded_on(census, core))
}

fn hardware_is_the_loaded_on(census: &Census, core: usize) -> Found {
    let machine = census.kernel.platform.of_core(core);
    let core = &census.kernel.cores[core];
    for vcpu in [core.loaded, core.float_owner].into_iter().flatten() {
        hold!(census.vcpus.has(vcpu), "{vcpu:?} is in the hardware and dead");
    }
    for (index, &list) in machine.lists.iter().enumerate() {
        let holds = list.pending || list.active;
        let saved = match core.loaded {
            Some(vcpu) => census.get(vcpu).interrupts.listed[index],
            None => SavedListRegister::default(),
        };
        hold!(saved.state != 0 || !holds, "list register {index} holds {list:?}, which nobody put there");
        let same = !holds
            || list.intid == saved.intid && list.hardware == saved.value().hardware && list.source == saved.source;
        hold!(same, "list register {index} holds {list:?}, {saved:?} was put there");
    }
    let asks = machine.refill || machine.spilled;
    hold!(core.loaded.is_some() || !asks, "maintenance interrupts are asked for by nobody");
    Ok(())
}

/// What a physical interrupt is bound to: empty, or a notification or vCPU.
fn bound(census: &Census, intid: usize) -> Option<Cap> {
    let row: Handle<Slot> = census.kernel.irqs.slots()?;
    let cap = census.get(census.kernel.arena.nth(row, intid as u32)).cap;
    (!cap.is_null()).then_some(cap)
}

/// Whether a vCPU was given that physical interrupt and has not ended it.
fn linked(census: &Census, vcpu: Handle<Vcpu>, physical: usize) -> bool {
    let interrupts = &census.get(vcpu).interrupts;
    let is = |(intid, state): (usize, &Interrupt)| {
        state.flags & HARDWARE != 0 && usize::from(interrupts.hardware[intid]) == physical
    };
    interrupts.state.iter().enumerate().any(is)
}

/// Its handler will acknowledge it, or the guest that it was given to will end it. Only what somebody handles is bound.
pub(super) fn somebody_ends_it(census: &Census) -> Found {
    let handlers = census.caps().filter_map(|(_, cap)| match cap {
        Cap::IrqHandler { intid } => Some(usize::from(intid)),
        _ => None,
    });
    let mut handled = [false; IRQS];
    for intid in handlers {
        handled[intid] = true;
    }
    let machine = &census.kernel.platform;
    for (intid, &handled) in handled.iter().enumerate() {
        let (taken, unacknowledged) = census.kernel.irqs.state(intid);
        hold!(handled == taken, "{intid} has a handler: {handled}; is taken: {taken}");
        let bound = bound(census, intid);
        hold!(bound.is_none() || taken, "{intid} is bound to {bound:?}, and nobody has the handler");
        if machine.active.contains(&(intid as u32)) && intid as u32 != VIRTUAL_TIMER_INTID {
            let given = census.vcpus.all.iter().any(|&vcpu| linked(census, vcpu, intid));
            hold!(unacknowledged || given, "{intid} is active, {bound:?}");
        }
    }
    Ok(())
}
