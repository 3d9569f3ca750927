//! Laying a system out: every object, its place in memory, its number, and who has it.

mod build;
mod channels;
mod devices;
mod faults;
pub mod finish;
pub mod plan;
mod room;
mod services;
mod tables;
mod vm;

use super::defaults;
use super::elf::Program;
use super::guest::Loaded;
use super::resolve::Resolved;
use build::{Builder, READ_WRITE, crash_policy};
use plan::{Plan, Space, Speaker};
use room::{Recipe, Room, Shared};
use system::{Action, ObjectKind};

/// The programs of a system, as places in `all`.
#[derive(Clone, Debug)]
pub struct Programs<'a> {
    /// Every program once, ready to be a component.
    pub all: &'a [Program],
    /// The console's.
    pub console: usize,
    /// The log's.
    pub log: usize,
    /// The VMM's.
    pub vmm: usize,
    /// Those of the manifest's components, in their order.
    pub components: Vec<usize>,
}

/// Lays a system out. `guests` are those of its VMs, in their order; no piece of a large memory has more than `1 << piece_bits`
/// bytes. The error says of what there is too much.
pub fn lay_out(system: &Resolved, programs: &Programs<'_>, guests: &[Loaded], piece_bits: u32) -> Result<Plan, String> {
    let mut builder = Builder::new(piece_bits);
    let b = &mut builder;
    let root = b.group("root", crash_policy(Action::Panic));
    let endpoint = b.object(root, "root's endpoint", ObjectKind::Endpoint);
    let reply = b.object(root, "root's reply", ObjectKind::Reply);
    b.plan.root = Some((endpoint, reply));
    let shared = Shared { group: root, endpoint };
    let root_ring = b.pages(root, "log ring of root", 1);
    b.map(&root_ring, Space::Root, protocol::layout::LOG_RING, READ_WRITE);

    let mut speakers = Speakers::new();
    let id = speakers.add("console", Some(programs.console), false, false);
    let mut console = service(b, shared, programs, ("console", programs.console), id);
    let id = speakers.add("log", Some(programs.log), false, false);
    let mut log = service(b, shared, programs, ("log", programs.log), id);
    services::uart(b, root, &mut console, &system.board);

    let mut vms = Vec::new();
    if !system.vms.is_empty() {
        let gicv = devices::registers(b, root, "gicv", system.board.gic.gicv, 0x2000);
        for (vm, guest) in system.vms.iter().zip(guests) {
            let id = speakers.add(&vm.vm.name.value, Some(programs.vmm), true, true);
            speakers.last().guest_console = Some(vm.vm.console);
            let program = (programs.vmm, &programs.all[programs.vmm]);
            vms.push(vm::make(b, shared, &gicv, &vm.vm, id, program, guest));
        }
    }
    let mut rooms = Vec::new();
    for (component, &program) in system.components.iter().zip(&programs.components) {
        let written = &component.component;
        let id = speakers.add(&written.name.value, Some(program), written.console, false);
        let recipe = Recipe {
            name: &written.name.value,
            wire_id: id,
            policy: crash_policy(written.on_crash),
            program: (program, &programs.all[program]),
            stack_bytes: written.stack.as_ref().map_or(defaults::STACK_BYTES, |stack| stack.value as u32),
            threads: 1,
            priority: defaults::priority(&written.time, defaults::COMPONENT_PRIORITY),
            core: defaults::core(&written.time),
            share: defaults::share(&written.time, defaults::COMPONENT),
            passive: written.passive,
            bind_events: written.bind_events,
        };
        let mut room = Room::new(b, shared, &recipe);
        let own: Vec<_> = component.devices.iter().map(|at| &at.value).collect();
        devices::wire(b, root, &mut room, &own)?;
        if let Some(untyped) = &written.untyped {
            room.untyped(b, untyped.value);
        }
        rooms.push(room);
    }
    faults::wire(b, root, &mut rooms, &system.components);
    for channel in &system.channels {
        channels::wire(b, root, &mut rooms, channel)?;
    }

    // The first client is the first VM: it gets what is typed before a channel is chosen.
    let talking = system.components.iter().map(|component| component.component.console);
    let clients = vms.iter_mut().chain(rooms.iter_mut().zip(talking).filter_map(|(room, talks)| talks.then_some(room)));
    let mut index = 0;
    for client in clients {
        let tag = client.wire_id.into();
        services::client(b, &mut console, client, index, tag);
        index += 1;
    }
    services::client(b, &mut console, &mut log, index, services::FRAMES_TAG);
    let others: Vec<&Room> = std::iter::once(&console).chain(&vms).chain(&rooms).collect();
    services::rings(b, root, &mut log, &others, root_ring);

    for room in [console, log].into_iter().chain(vms).chain(rooms) {
        room.finish(b)?;
    }
    tables::add(b, root);
    let mut plan = builder.plan;
    plan.speakers = speakers.0;
    finish::number(&mut plan)?;
    Ok(plan)
}

fn service(b: &mut Builder, shared: Shared, programs: &Programs<'_>, who: (&str, usize), id: u8) -> Room {
    let (name, program) = who;
    let (priority, share, on_crash) = match name {
        "log" => (defaults::LOG_PRIORITY, defaults::LOG, Action::Restart),
        _ => (defaults::CONSOLE_PRIORITY, defaults::CONSOLE, Action::Panic),
    };
    let recipe = Recipe {
        name,
        wire_id: id,
        policy: crash_policy(on_crash),
        program: (program, &programs.all[program]),
        stack_bytes: defaults::STACK_BYTES,
        threads: 1,
        priority,
        core: 0,
        share,
        passive: false,
        bind_events: false,
    };
    Room::new(b, shared, &recipe)
}

/// Ids on the wire, in order: the kernel, root, console, log, VMs, components.
struct Speakers(Vec<Speaker>);

impl Speakers {
    fn new() -> Self {
        let mut speakers = Self(Vec::new());
        speakers.add("kernel", None, false, false);
        let root = speakers.add("root", None, false, false);
        debug_assert_eq!(root, protocol::wire::ROOT_ID);
        speakers
    }

    fn add(&mut self, name: &str, program: Option<usize>, console: bool, vm: bool) -> u8 {
        let id = self.0.len() as u8;
        self.0.push(Speaker { id, name: name.to_owned(), program, console, vm, guest_console: None });
        id
    }

    fn last(&mut self) -> &mut Speaker {
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}
