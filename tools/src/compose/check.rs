//! What must hold of a system before anything is built. Every rule looks at the whole system and notes all
//! that breaks it.

use super::defaults;
use super::manifest::{ChannelKind, Time};
use super::parse::units::show_size;
use super::problem::{At, Problem};
use super::resolve::{Resolved, ResolvedChannel};

/// Where guests' RAM begins.
pub const GUEST_RAM_BASE: u64 = protocol::layout::GUEST_RAM as u64;
/// The most RAM of a guest: up to 3 GiB in its address space.
pub const GUEST_RAM_MAX: u64 = 2 << 30;
/// The least.
pub const GUEST_RAM_MIN: u64 = 2 << 20;
/// The most channels of the console: one bit of its notification for each, and the UART's.
pub const CONSOLE_CLIENTS_MAX: usize = 29;

/// All that is wrong with a system.
pub fn check(system: &Resolved) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in [times, ram, raw_kernels, stacks, channels, calls, devices, clients] {
        rule(system, &mut problems);
    }
    problems
}

fn times(system: &Resolved, problems: &mut Vec<Problem>) {
    for vm in &system.vms {
        time(&vm.vm.time, defaults::PRIORITY_MAX - u64::from(defaults::EXITS_ABOVE_GUEST), problems);
    }
    for component in &system.components {
        time(&component.component.time, defaults::PRIORITY_MAX, problems);
    }
}

fn time(time: &Time, priority_max: u64, problems: &mut Vec<Problem>) {
    if let Some(priority) = &time.priority
        && priority.value > priority_max
    {
        let message = format!("priority {} is too high", priority.value);
        problems.push(Problem::at(&priority.span, message, "too high").help(format!(
            "the highest here is {priority_max}: root has 200, and a VMM {} more than its guest",
            defaults::EXITS_ABOVE_GUEST
        )));
    }
    for zero in [&time.budget_us, &time.period_us].into_iter().flatten().filter(|at| at.value == 0) {
        problems.push(Problem::at(&zero.span, "no time at all", "zero").help("write at least \"1us\""));
    }
    if let (Some(budget), Some(period)) = (&time.budget_us, &time.period_us)
        && budget.value > period.value
    {
        problems.push(
            Problem::at(&budget.span, "the budget is longer than its period", "the budget")
                .also(&period.span, "the period")
                .help("nobody can run 12 ms in every 10: make the budget at most the period"),
        );
    }
}

fn ram(system: &Resolved, problems: &mut Vec<Problem>) {
    for ram in system.vms.iter().map(|vm| &vm.vm.ram) {
        if !ram.value.is_multiple_of(2 << 20) {
            let up = ram.value.next_multiple_of(2 << 20);
            problems.push(
                Problem::at(&ram.span, "RAM comes in pieces of 2 MiB", "not a multiple of 2 MiB")
                    .help(format!("write ram = \"{}\"", show_size(up))),
            );
        } else if ram.value < GUEST_RAM_MIN || ram.value > GUEST_RAM_MAX {
            let message = format!("a guest can't have {} of RAM", show_size(ram.value));
            problems.push(Problem::at(&ram.span, message, "out of range").help(format!(
                "its RAM lies from {GUEST_RAM_BASE:#x} on: at least {}, at most {}",
                show_size(GUEST_RAM_MIN),
                show_size(GUEST_RAM_MAX)
            )));
        }
    }
}

fn raw_kernels(system: &Resolved, problems: &mut Vec<Problem>) {
    for vm in system.vms.iter().map(|vm| &vm.vm) {
        let end = GUEST_RAM_BASE + vm.ram.value;
        for address in [&vm.load, &vm.entry].into_iter().flatten() {
            if !(GUEST_RAM_BASE..end).contains(&address.value) {
                let message = format!("{:#x} is not in the RAM of `{}`", address.value, vm.name.value);
                problems.push(
                    Problem::at(&address.span, message, "outside")
                        .help(format!("its RAM goes from {GUEST_RAM_BASE:#x} to {end:#x}")),
                );
            }
        }
        let alone = match (&vm.load, &vm.entry) {
            (Some(load), None) => Some((load, "entry")),
            (None, Some(entry)) => Some((entry, "load")),
            _ => None,
        };
        if let Some((one, other)) = alone {
            let message = format!("a raw kernel needs `load` and `entry`; [vm.{}] has no `{other}`", vm.name.value);
            problems.push(Problem::at(&one.span, message, "only this").help(format!("add {other} = ADDRESS")));
        }
    }
}

fn stacks(system: &Resolved, problems: &mut Vec<Problem>) {
    for stack in system.components.iter().filter_map(|component| component.component.stack.as_ref()) {
        if !stack.value.is_multiple_of(4096) || stack.value == 0 || stack.value > defaults::STACK_BYTES_MAX {
            let message = format!("a stack can't be of {}", show_size(stack.value));
            problems.push(
                Problem::at(&stack.span, message, "not possible")
                    .help(format!("stacks come in pieces of 4KiB, up to {}", show_size(defaults::STACK_BYTES_MAX))),
            );
        }
    }
}

/// Names that a component's own capabilities and memories have.
const CHANNEL_NAMES_TAKEN: &[&str] = &["uart", "client", "ring"];

fn channels(system: &Resolved, problems: &mut Vec<Problem>) {
    for channel in &system.channels {
        let name = &channel.name;
        let device = system.components.iter().flat_map(|component| &component.devices);
        if CHANNEL_NAMES_TAKEN.contains(&name.value.as_str()) || device.clone().any(|at| at.value.name == name.value) {
            let message = format!("`{}` can't be the name of a channel", name.value);
            problems.push(
                Problem::at(&name.span, message, "taken").help("capabilities of that name exist: choose another"),
            );
        }
        if channel.kind == ChannelKind::Call
            && let Some(second) = channel.to.get(1)
        {
            problems.push(
                Problem::at(&second.span, "a channel of calls has one server", "the second")
                    .help("make a channel for each server"),
            );
        }
        if let ChannelKind::Memory(bytes) = &channel.kind {
            memory(bytes, problems);
            if channel.to.is_empty() && channel.from.len() == 1 {
                problems.push(
                    Problem::at(&channel.from[0].span, "a shared memory that nobody shares", "only this one")
                        .help("name two components or more"),
                );
            }
        }
        twice(system, channel, problems);
    }
}

fn memory(bytes: &At<u64>, problems: &mut Vec<Problem>) {
    const MAX: u64 = 64 << 20;
    if !bytes.value.is_multiple_of(4096) || bytes.value == 0 || bytes.value > MAX {
        let message = format!("a shared memory can't be of {}", show_size(bytes.value));
        problems.push(
            Problem::at(&bytes.span, message, "not possible")
                .help(format!("it comes in pieces of 4KiB, up to {}", show_size(MAX))),
        );
    }
}

fn twice(system: &Resolved, channel: &ResolvedChannel, problems: &mut Vec<Problem>) {
    let ends: Vec<_> = channel.from.iter().chain(&channel.to).collect();
    for (n, end) in ends.iter().enumerate() {
        if let Some(first) = ends[..n].iter().find(|first| first.value == end.value) {
            let name = &system.components[end.value].component.name.value;
            let message = format!("`{name}` is at two ends of the channel `{}`", channel.name.value);
            problems.push(
                Problem::at(&end.span, message, "again")
                    .also(&first.span, "first here")
                    .help("a channel joins different components"),
            );
        }
    }
}

/// Calls go to servers at least as urgent, and never in a circle: then no call can wait for itself.
fn calls(system: &Resolved, problems: &mut Vec<Problem>) {
    let priority = |n: usize| defaults::priority(&system.components[n].component.time, defaults::COMPONENT_PRIORITY);
    let name = |n: usize| system.components[n].component.name.value.as_str();
    let calls = system.channels.iter().filter(|channel| channel.kind == ChannelKind::Call);
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for channel in calls {
        for (client, server) in channel.from.iter().flat_map(|client| channel.to.iter().map(move |to| (client, to))) {
            if priority(client.value) > priority(server.value) {
                let message = format!(
                    "`{}` (priority {}) calls `{}` (priority {}), which is less urgent",
                    name(client.value),
                    priority(client.value),
                    name(server.value),
                    priority(server.value)
                );
                problems.push(
                    Problem::at(&client.span, message, "the caller")
                        .also(&server.span, "the server")
                        .help("others could keep the caller waiting: give the server at least the caller's priority"),
                );
            }
            if client.value != server.value && reaches(&edges, server.value, client.value) {
                let message = format!(
                    "`{}` calls `{}`, which calls `{}` directly or through others",
                    name(client.value),
                    name(server.value),
                    name(client.value)
                );
                problems.push(
                    Problem::at(&client.span, message, "closes the circle")
                        .help("both could wait for each other for ever: let one of them send signals instead"),
                );
            }
            edges.push((client.value, server.value));
        }
    }
}

fn reaches(edges: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut seen = vec![from];
    let mut next = 0;
    while let Some(&at) = seen.get(next) {
        next += 1;
        for &(_, end) in edges.iter().filter(|edge| edge.0 == at) {
            if end == to {
                return true;
            }
            if !seen.contains(&end) {
                seen.push(end);
            }
        }
    }
    from == to
}

fn devices(system: &Resolved, problems: &mut Vec<Problem>) {
    let page = |address: u64| address >> 12;
    let all: Vec<_> = system.components.iter().flat_map(|component| &component.devices).collect();
    for (n, at) in all.iter().enumerate() {
        let device = &at.value;
        let last = device.base + device.bytes.max(1) - 1;
        let shared = all[..n].iter().find(|other| {
            let other = &other.value;
            page(other.base) <= page(last) && page(device.base) <= page(other.base + other.bytes.max(1) - 1)
        });
        if let Some(other) = shared {
            let message = match other.value.name == device.name {
                true => format!("the device `{}` is given away twice", device.name),
                false => format!("the devices `{}` and `{}` share a page", other.value.name, device.name),
            };
            problems.push(
                Problem::at(&at.span, message, "here")
                    .also(&other.span, "and here")
                    .help("a page of registers has one owner: let that component serve the other"),
            );
        }
        if device.dma {
            let message = format!("the device `{}` writes memory by itself, and nothing confines it", device.name);
            problems.push(
                Problem::at(&at.span, message, "unconfined DMA")
                    .help("waivers for such devices are not there yet: take it out"),
            );
        }
    }
}

fn clients(system: &Resolved, problems: &mut Vec<Problem>) {
    let components = system.components.iter().filter(|component| component.component.console).count();
    let all = system.vms.len() + components + 1;
    if all > CONSOLE_CLIENTS_MAX {
        problems.push(
            Problem::new(format!("{all} consoles, and the console component can serve {CONSOLE_CLIENTS_MAX}"))
                .help("write console = false in some components (the log has one)"),
        );
    }
    if system.vms.is_empty() && system.components.is_empty() {
        problems.push(
            Problem::new("the system is empty").help("write [vm.NAME] or [component.NAME], and its keys below it"),
        );
    }
}
