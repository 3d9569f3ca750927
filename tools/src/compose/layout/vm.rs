//! A VM: a VMM that holds the authority over one guest, and the guest itself.

use super::build::{ALL, Builder, DEVICE, Memory, READ, READ_WRITE, existing};
use super::plan::{Badge, Region, RegionFile, Space, Thread};
use super::room::{Recipe, Room, Shared, VmConfig};
use crate::compose::check::GUEST_RAM_BASE;
use crate::compose::defaults;
use crate::compose::elf::{PAGE, Program};
use crate::compose::guest::{Loaded, devicetree::map};
use crate::compose::manifest::{ConsoleKind, Vm};
use abi::object::BLOCK_BITS;
use abi::rights::{MapFlags, Rights};
use protocol::layout;
use system::{ObjectKind, Policy};

/// What is set in the notification at which the VMM's threads wait for each other.
const LOCK_BADGE: u32 = 1;

/// Makes a VM. `gicv` are the pages of the virtual CPU interface.
pub fn make(
    b: &mut Builder,
    shared: Shared,
    gicv: &Memory,
    vm: &Vm,
    wire_id: u8,
    program: (usize, &Program),
    loaded: &Loaded,
) -> Room {
    let core = defaults::core(&vm.time);
    let guest_priority = defaults::priority(&vm.time, defaults::GUEST_PRIORITY);
    let recipe = Recipe {
        name: &vm.name.value,
        wire_id,
        policy: Policy {
            is_vm: true,
            on_crash: vm.ends.on_crash,
            on_reboot: vm.ends.on_reboot,
            on_off: vm.ends.on_off,
        },
        program,
        stack_bytes: defaults::STACK_BYTES,
        threads: 1 + vm.vcpus,
        priority: guest_priority + defaults::EVENTS_ABOVE_GUEST,
        core,
        share: defaults::VMM,
        passive: false,
        bind_events: false,
    };
    let mut room = Room::new(b, shared, &recipe);
    let group = room.group;
    let guest_space = b.object(group, "guest space", ObjectKind::VSpace);
    let ram = b.blocks(group, "guest RAM", (vm.ram.value >> BLOCK_BITS) as u32);
    let ram_base = GUEST_RAM_BASE as u32;
    b.map(&ram, Space::Of(room.space), ram_base, READ_WRITE);
    b.map(&ram, Space::Of(guest_space), ram_base, READ_WRITE | MapFlags::EXECUTE);
    b.map(gicv, Space::Of(guest_space), map::GICC, DEVICE);

    let lock = b.object(group, "lock", ObjectKind::Notification);
    room.capability(b, "lock", lock, ALL, Badge::Bits(LOCK_BADGE));
    // A guest makes no system calls; its thread gets capabilities of nothing.
    let nothing = b.object(group, "guest capabilities", ObjectKind::CNode { bits: abi::object::CNODE_BITS_MIN as u8 });
    for n in 0..vm.vcpus {
        let share = defaults::share(&vm.time, defaults::GUEST);
        let context = ObjectKind::SchedContext { core, budget_us: share.budget_us, period_us: share.period_us };
        // An endpoint for each: an exit is answered by its own vCPU's thread, and by no other.
        let exits = b.object(group, format!("exits {n}"), ObjectKind::Endpoint);
        room.capability(b, &format!("exits.{n}"), exits, Rights::READ, Badge::None);
        let reply = b.object(group, format!("reply {n}"), ObjectKind::Reply);
        let vcpu = b.object(group, format!("vCPU {n}"), ObjectKind::Vcpu { number: n as u8 });
        let guest = b.object(group, format!("guest {n}"), ObjectKind::Tcb);
        let context = b.object(group, format!("guest context {n}"), context);
        let exit_thread = room.thread(b, shared, 1 + n, guest_priority + defaults::EXITS_ABOVE_GUEST, None);
        b.plan.threads.push(Thread {
            tcb: guest,
            cnode: nothing,
            space: guest_space,
            ipc_buffer: None,
            fault: (exits, Badge::Bits(1 + n)),
            entry: 0,
            stack: 0,
            argument: 0,
            priority: guest_priority,
            context: None,
            vcpu: Some(vcpu),
            bound: None,
            starts: false,
            passive: false,
        });
        let named =
            [("reply", reply), ("vcpu", vcpu), ("guest", guest), ("exit-thread", exit_thread), ("context", context)];
        for (name, object) in named {
            room.capability(b, &format!("{name}.{n}"), object, ALL, Badge::None);
        }
    }
    room.capabilities(b, "ram.0", &ram, ALL);
    files(b, shared, &mut room, vm, loaded);
    room
}

/// The guest's files: a region of the payload of its own, seen by its VMM.
fn files(b: &mut Builder, shared: Shared, room: &mut Room, vm: &Vm, loaded: &Loaded) {
    let mut bytes = 0;
    let mut files = Vec::new();
    for file in &loaded.files {
        let offset = u32::next_multiple_of(bytes, PAGE);
        bytes = offset + file.bytes.len() as u32;
        files.push(RegionFile { name: file.name, offset, address: file.address, bytes: file.bytes.clone() });
    }
    let frames = bytes.div_ceil(1 << BLOCK_BITS);
    let kind = ObjectKind::Payload { first: 0, count: frames as u16 };
    let object = b.object(shared.group, format!("files of {}", room.name), kind);
    b.map(&existing(object, BLOCK_BITS, frames), Space::Of(room.space), layout::PAYLOAD, READ);
    let named =
        files.iter().map(|file| (file.name, layout::PAYLOAD + file.offset, file.address, file.bytes.len() as u32));
    room.vm = Some(VmConfig {
        files: named.collect(),
        vm: protocol::config::Vm {
            ram_base: GUEST_RAM_BASE as u32,
            ram_bytes: vm.ram.value as u32,
            vcpus: vm.vcpus as u8,
            files: Default::default(),
            entry: loaded.entry,
            arguments: loaded.arguments,
            console: match vm.console {
                ConsoleKind::Pl011 => protocol::config::Console::Pl011,
                ConsoleKind::Virtio => protocol::config::Console::Virtio,
            },
            watchdog_us: 0,
        },
    });
    b.plan.regions.push(Region { object, files, bytes });
}
