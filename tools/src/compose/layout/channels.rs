//! The channels of the manifest.

use super::build::{Builder, READ, READ_WRITE};
use super::plan::{Badge, Flow, GroupKey};
use super::room::Room;
use crate::compose::elf::PAGE;
use crate::compose::manifest::ChannelKind;
use crate::compose::resolve::ResolvedChannel;
use abi::rights::Rights;
use system::ObjectKind;

/// Joins components, which are named by their place in `rooms`. The error names what there is too much of.
pub fn wire(b: &mut Builder, shared: GroupKey, rooms: &mut [Room], channel: &ResolvedChannel) -> Result<(), String> {
    match &channel.kind {
        ChannelKind::Call => call(b, rooms, channel),
        ChannelKind::Signal => signal(b, rooms, channel)?,
        ChannelKind::Memory(bytes) => memory(b, shared, rooms, channel, bytes.value as u32),
    }
    flows(b, rooms, channel);
    Ok(())
}

/// An endpoint of the server's: it receives, its clients call, each under a badge of its own.
fn call(b: &mut Builder, rooms: &mut [Room], channel: &ResolvedChannel) {
    let name = &channel.name.value;
    for server in channel.to.iter().map(|at| at.value) {
        let room = &mut rooms[server];
        let endpoint = b.object(room.group, format!("channel {name}"), ObjectKind::Endpoint);
        let reply = b.object(room.group, format!("channel {name}: reply"), ObjectKind::Reply);
        room.capability(b, name, endpoint, Rights::READ, Badge::None);
        room.capability(b, &format!("{name}.reply"), reply, super::build::ALL, Badge::None);
        for (n, client) in channel.from.iter().enumerate() {
            let badge = Badge::Bits(n as u32 + 1);
            rooms[client.value].capability(b, name, endpoint, Rights::WRITE | Rights::GRANT, badge);
        }
    }
}

/// A bit of the notification of each who is signalled. A sender to several has `NAME.RECEIVER` for each.
fn signal(b: &mut Builder, rooms: &mut [Room], channel: &ResolvedChannel) -> Result<(), String> {
    let name = &channel.name.value;
    for to in channel.to.iter().map(|at| at.value) {
        let receiver = &mut rooms[to];
        let (events, receiver_name) = (receiver.events, receiver.name.clone());
        let badge = receiver.signal_event(name).ok_or_else(|| {
            format!("`{receiver_name}` has more signals and interrupts than one notification has bits")
        })?;
        let called = match channel.to.len() {
            1 => name.clone(),
            _ => format!("{name}.{receiver_name}"),
        };
        for from in &channel.from {
            rooms[from.value].capability(b, &called, events, Rights::WRITE, Badge::Bits(badge));
        }
    }
    Ok(())
}

/// Pages that outlive both ends. `from` write; `to` only read.
fn memory(b: &mut Builder, shared: GroupKey, rooms: &mut [Room], channel: &ResolvedChannel, bytes: u32) {
    let name = &channel.name.value;
    let pages = b.pages(shared, &format!("channel {name}"), bytes.div_ceil(PAGE));
    for from in &channel.from {
        rooms[from.value].memory(b, name, &pages, READ_WRITE, 0);
    }
    for to in &channel.to {
        rooms[to.value].memory(b, name, &pages, READ, 0);
    }
}

fn flows(b: &mut Builder, rooms: &[Room], channel: &ResolvedChannel) {
    let (kind, both_ways) = match channel.kind {
        ChannelKind::Call => ("call", true),
        ChannelKind::Signal => ("signal", false),
        ChannelKind::Memory(_) => ("memory", channel.to.is_empty()),
    };
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (n, from) in channel.from.iter().enumerate() {
        let others = if channel.to.is_empty() { &channel.from[n + 1..] } else { &channel.to };
        pairs.extend(others.iter().map(|to| (from.value, to.value)));
    }
    for (from, to) in pairs {
        let (from, to) = (rooms[from].name.clone(), rooms[to].name.clone());
        b.plan.flows.push(Flow { channel: channel.name.value.clone(), kind, from, to, both_ways });
    }
}
