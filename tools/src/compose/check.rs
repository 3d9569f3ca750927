//! What must hold of a system before anything is built. Every rule looks at the whole system and notes all
//! that breaks it.

use super::amounts::{stacks, times, untypeds};
use super::defaults;
use super::manifest::ChannelKind;
use super::parse::units::show_size;
use super::problem::{At, Problem, Span};
use super::resolve::{Resolved, ResolvedChannel};
use super::time;

/// Where guests' RAM begins.
pub const GUEST_RAM_BASE: u64 = protocol::layout::GUEST_RAM as u64;
/// The most RAM of a guest: up to 3 GiB in its address space.
pub const GUEST_RAM_MAX: u64 = 2 << 30;
/// Guests' RAM is mapped in blocks of this.
pub const RAM_STEP: u64 = 2 << 20;
/// The least: the device tree has 2 MiB for itself.
pub const GUEST_RAM_MIN: u64 = 4 << 20;
/// The longest command line that Linux for Arm takes: 1,024 bytes with the zero at its end.
pub const CMDLINE_BYTES_MAX: usize = 1023;
/// The most VMs and components: the log maps a ring of each, those of the kernel, root, the console and its own, and a channel to the console.
const SPEAKERS_MAX: usize = protocol::config::MEMORIES_MAX - 6;
/// The most channels of the console: one bit of its notification for each, and the UART's.
pub const CONSOLE_CLIENTS_MAX: usize = 29;

/// All that is wrong with a system.
pub fn check(system: &Resolved) -> Vec<Problem> {
    let mut problems = Vec::new();
    let of_time = [times, time::cores, time::sums];
    let others = [ram, raw_kernels, cmdlines, stacks, untypeds, fault_handlers, channels, calls, devices, clients];
    for rule in of_time.into_iter().chain(others) {
        rule(system, &mut problems);
    }
    problems
}

fn ram(system: &Resolved, problems: &mut Vec<Problem>) {
    for ram in system.vms.iter().map(|vm| &vm.vm.ram) {
        if !ram.value.is_multiple_of(RAM_STEP) {
            let up = ram.value.next_multiple_of(RAM_STEP);
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
        let thumb = [("entry", &vm.entry, if vm.thumb { 2 } else { 4 }), ("load", &vm.load, 4)];
        for (key, address, step) in thumb {
            let Some(address) = address.as_ref().filter(|address| !address.value.is_multiple_of(step)) else {
                continue;
            };
            let down = address.value / step * step;
            let of_thumb = if key == "entry" && !vm.thumb { "; for a guest in Thumb write thumb = true" } else { "" };
            problems.push(
                Problem::at(&address.span, format!("{:#x} is not a multiple of {step}", address.value), "misaligned")
                    .help(format!("write {key} = {down:#x}{of_thumb}")),
            );
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

fn cmdlines(system: &Resolved, problems: &mut Vec<Problem>) {
    for cmdline in system.vms.iter().filter_map(|vm| vm.vm.cmdline.as_ref()) {
        if cmdline.value.contains('\0') {
            problems.push(
                Problem::at(&cmdline.span, "the command line holds a zero", "it would end there")
                    .help("take the \\u0000 out"),
            );
        }
        if cmdline.value.len() > CMDLINE_BYTES_MAX {
            let message = format!("a command line of {} bytes is too long", cmdline.value.len());
            problems.push(
                Problem::at(&cmdline.span, message, "too long")
                    .help(format!("Linux takes {CMDLINE_BYTES_MAX} bytes: make it shorter")),
            );
        }
    }
}

/// A channel that joins a component with itself is told of by `twice`.
fn fault_handlers(system: &Resolved, problems: &mut Vec<Problem>) {
    for (n, component) in system.components.iter().enumerate() {
        if let Some(handler) = component.fault_handler.as_ref().filter(|handler| handler.value == n) {
            let message = format!("`{}` can't handle its own faults", component.component.name.value);
            problems.push(
                Problem::at(&handler.span, message, "itself")
                    .help("a thread that has faulted runs no more: name another component, or none for root"),
            );
        }
    }
}

/// Names that a component's own capabilities and memories have.
const CHANNEL_NAMES_TAKEN: &[&str] = &["uart", "client", "ring", "untyped", "faults"];

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

/// One component waits for another.
struct Wait<'a> {
    /// Who waits, for whom, and a place for each.
    from: (usize, &'a Span),
    to: (usize, &'a Span),
    /// What the first does with the second, and what is at the two places.
    verb: &'static str,
    labels: (&'static str, &'static str),
    /// What else could be done.
    instead: &'static str,
}

/// All waits: of a caller for its server, and of who has faulted for who handles that.
fn waits(system: &Resolved) -> Vec<Wait<'_>> {
    let calls = system.channels.iter().filter(|channel| channel.kind == ChannelKind::Call);
    let pairs =
        calls.flat_map(|channel| channel.from.iter().flat_map(|from| channel.to.iter().map(move |to| (from, to))));
    let calls = pairs.map(|(from, to)| Wait {
        from: (from.value, &from.span),
        to: (to.value, &to.span),
        verb: "calls",
        labels: ("the caller", "the server"),
        instead: "let one of them send signals instead",
    });
    let all = system.components.iter().enumerate();
    let faults =
        all.filter_map(|(n, component)| Some((n, component.fault_handler.as_ref()?))).map(|(n, handler)| Wait {
            from: (n, &handler.span),
            to: (handler.value, &system.components[handler.value].component.name.span),
            verb: "leaves its faults to",
            labels: ("its faults go here", "the handler"),
            instead: "let another component handle its faults, or root",
        });
    calls.chain(faults).collect()
}

/// Calls and faults go to components at least as urgent, and never in a circle: then nobody can wait for itself.
fn calls(system: &Resolved, problems: &mut Vec<Problem>) {
    let priority = |n: usize| defaults::priority(&system.components[n].component.time, defaults::COMPONENT_PRIORITY);
    let name = |n: usize| system.components[n].component.name.value.as_str();
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for Wait { from: (from, from_span), to: (to, to_span), verb, labels, instead } in waits(system) {
        if priority(from) > priority(to) {
            let message = format!(
                "`{}` (priority {}) {verb} `{}` (priority {}), which is less urgent",
                name(from),
                priority(from),
                name(to),
                priority(to)
            );
            problems.push(Problem::at(from_span, message, labels.0).also(to_span, labels.1).help(format!(
                "others could keep `{}` waiting: give `{}` a priority of at least {}",
                name(from),
                name(to),
                priority(from)
            )));
        }
        if from != to && reaches(&edges, to, from) {
            let message = format!(
                "`{}` {verb} `{}`, which waits for `{}` directly or through others",
                name(from),
                name(to),
                name(from)
            );
            problems.push(
                Problem::at(from_span, message, "closes the circle")
                    .help(format!("both could wait for each other for ever: {instead}")),
            );
        }
        edges.push((from, to));
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
    let speakers = system.vms.len() + system.components.len();
    // The first that is too much decides what there is too much of.
    if speakers > SPEAKERS_MAX {
        problems.push(
            Problem::new(format!("{speakers} VMs and components, and the log can read {SPEAKERS_MAX}")).help(format!(
                "take at least {} away: let one component do the work of several",
                speakers - SPEAKERS_MAX
            )),
        );
    } else if system.vms.len() + 1 > CONSOLE_CLIENTS_MAX {
        let most = CONSOLE_CLIENTS_MAX - 1;
        problems.push(
            Problem::new(format!("{} VMs, and the console component can serve {most}", system.vms.len()))
                .help(format!("each VM has a console: make at most {most}, and write console = false in components")),
        );
    } else if all > CONSOLE_CLIENTS_MAX {
        let surplus = all - CONSOLE_CLIENTS_MAX;
        problems.push(
            Problem::new(format!("{all} consoles, and the console component can serve {CONSOLE_CLIENTS_MAX}"))
                .help(format!("write console = false in at least {surplus} of the components (the log has one, too)")),
        );
    }
    if system.vms.is_empty() && system.components.is_empty() {
        problems.push(
            Problem::new("the system is empty").help("write [vm.NAME] or [component.NAME], and its keys below it"),
        );
    }
}
