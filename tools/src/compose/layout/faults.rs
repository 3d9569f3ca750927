//! Components whose faults another one handles, in root's place.

use super::build::{ALL, Builder};
use super::plan::{Badge, Flow, GroupKey};
use super::room::Room;
use crate::compose::resolve::ResolvedComponent;
use abi::rights::Rights;
use system::ObjectKind;

/// Gives each handler the threads of those whose faults are its own, and one endpoint at which all their faults
/// arrive: badge 1 is the first of them in the manifest. The endpoint outlives both, so that a fault waits for a handler
/// that is being built again.
pub fn wire(b: &mut Builder, shared: GroupKey, rooms: &mut [Room], components: &[ResolvedComponent]) {
    for handler in 0..rooms.len() {
        let is_mine =
            |component: &ResolvedComponent| component.fault_handler.as_ref().is_some_and(|at| at.value == handler);
        let mine: Vec<usize> = (0..components.len()).filter(|&n| is_mine(&components[n])).collect();
        if mine.is_empty() {
            continue;
        }
        let name = rooms[handler].name.clone();
        let endpoint = b.object(shared, format!("faults for {name}"), ObjectKind::Endpoint);
        let reply = b.object(rooms[handler].group, "faults: reply", ObjectKind::Reply);
        rooms[handler].capability(b, "faults", endpoint, Rights::READ, Badge::None);
        rooms[handler].capability(b, "faults.reply", reply, ALL, Badge::None);
        for (n, ward) in mine.into_iter().enumerate() {
            let (from, thread) = (rooms[ward].name.clone(), &mut b.plan.threads[rooms[ward].thread]);
            thread.fault = (endpoint, Badge::Bits(n as u32 + 1));
            let tcb = thread.tcb;
            rooms[handler].capability(b, &format!("{from}.thread"), tcb, ALL, Badge::None);
            let (channel, to) = ("faults".to_owned(), name.clone());
            b.plan.flows.push(Flow { channel, kind: "faults", from, to, both_ways: true });
        }
    }
}
