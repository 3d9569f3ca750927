//! A checked system and its materials become an image: the pure part of building.

use super::at_hand::AtHand;
use super::check::{CMDLINE_BYTES_MAX, GUEST_RAM_BASE, GUEST_RAM_MIN, RAM_STEP};
use super::claims::{self, Judged};
use super::elf::{self, PAGE, Piece, Program};
use super::emit;
use super::guest::{Complaint, Kernel, Loaded, Placed, Request, cmdline, load, room};
use super::interfaces::{self, Joint};
use super::layout::plan::Plan;
use super::layout::{Programs, lay_out};
use super::manifest::{ConsoleKind, Vm};
use super::materials::{self, GuestFiles, Materials};
use super::pack::{self, Arrangement, KernelPlace};
use super::parse::units::show_size;
use super::problem::Problem;
use super::replay::{self, Refusal, Replayed, Retry};
use super::resolve::{ProgramName, Resolved, ResolvedVm};
use abi::boot::{ROOT_LINK_ADDRESS, ROOT_STACK_BYTES, ROOT_STACK_TOP};
use abi::object::{PAGE_BITS, UNTYPED_BITS_MAX};
use abi::rights::MapFlags;
use std::sync::Arc;

/// A composed system.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The image as an executable.
    pub elf: Vec<u8>,
    /// The image as bytes from the kernel's first address on.
    pub bin: Vec<u8>,
    /// The image as a zImage.
    pub zimage: Vec<u8>,
    /// The compiled system.
    pub system: Vec<u8>,
    /// Name of the build.
    pub build: u64,
    /// What stands where in the payload.
    pub arrangement: Arrangement,
    /// What was laid out.
    pub plan: Plan,
    /// Where the kernel and the payload are.
    pub kernel: KernelPlace,
    /// Where everything is after the boot.
    pub replayed: Replayed,
    /// Whether the ends of channels mean the same.
    pub joints: Vec<Joint>,
    /// The claims, all of which hold.
    pub claims: Vec<Judged>,
}

/// What a system is compiled to.
struct Compiled {
    plan: Plan,
    kernel: KernelPlace,
    arrangement: Arrangement,
    system: Vec<u8>,
    payload: Vec<u8>,
    replayed: Replayed,
}

/// What goes into an image, read and understood.
struct Parts<'a> {
    kernel: &'a Program,
    root: &'a Program,
    /// The other programs, and their names.
    programs: &'a [Program],
    names: Vec<&'a ProgramName>,
    /// In the order of the VMs.
    guests: &'a [Loaded],
}

/// What mends a system that is too large for root or for an address space.
const TOO_MUCH: &str = "make less of it there: fewer or smaller channels, devices and programs, or fewer components";

/// Assembles an image.
pub fn assemble(system: &Resolved, materials: &Materials) -> Result<Composed, Vec<Problem>> {
    let mut problems = Vec::new();
    let kernel = read(&materials.kernel.bytes, "the kernel", &mut problems);
    let head = read(&materials.zimage_head.bytes, "the head of the zImage", &mut problems);
    let root = root(&materials.root.bytes, &mut problems);
    let programs: Vec<Program> =
        materials.programs.iter().filter_map(|file| program(system, &file.name, &file.bytes, &mut problems)).collect();
    let guests: Vec<Loaded> =
        system.vms.iter().zip(&materials.guests).filter_map(|(vm, files)| guest(vm, files, &mut problems)).collect();
    let joints = interfaces::join(system, &materials.programs, &mut problems);
    let (Some(kernel), Some(head), Some(root), []) = (kernel, head, root, &problems[..]) else { return Err(problems) };
    let names = materials.programs.iter().map(|file| &file.name).collect();
    let parts = Parts { kernel: &kernel, root: &root, programs: &programs, names, guests: &guests };
    let compiled = compile(system, &parts).map_err(|problem| vec![problem])?;
    let claims = claims::judge(system, &compiled.system)?;
    let Compiled { plan, kernel: place, arrangement, system, payload, replayed } = compiled;
    let pieces = pack::pieces(&kernel, place, &payload, &arrangement);
    Ok(Composed {
        elf: elf::write(kernel.entry, &pieces),
        zimage: pack::zimage(&head, kernel.entry, &pieces).map_err(|error| vec![Problem::new(error)])?,
        bin: pack::image_bin(&kernel, place, &payload),
        build: pack::build_id(&payload),
        system,
        arrangement,
        plan,
        kernel: place,
        replayed,
        joints,
        claims,
    })
}

/// Compiles a system with what is at hand, and for the rest with programs of one page and guests of one byte: what does not start like
/// this never will. The compiled system.
pub fn try_least(system: &Resolved, at_hand: &AtHand) -> Result<Vec<u8>, Problem> {
    let page = |address: u32| Program {
        entry: address,
        pieces: vec![Piece {
            address,
            physical: address,
            bytes: vec![0; 4],
            memory_bytes: PAGE,
            flags: MapFlags::READ | MapFlags::EXECUTE,
        }],
    };
    let names = materials::components(system);
    let known = |name: &ProgramName| at_hand.programs.iter().find(|(known, _)| known == name);
    let least = page(protocol::layout::LINK);
    let programs: Vec<_> =
        names.iter().map(|name| known(name).map_or_else(|| least.clone(), |(_, known)| known.clone())).collect();
    let file = Placed { name: "device-tree", address: GUEST_RAM_BASE as u32, bytes: Arc::new(vec![0]) };
    let guest = Loaded { files: vec![file], entry: GUEST_RAM_BASE as u32, arguments: [0; 3] };
    let guests: Vec<_> = at_hand.guests.iter().map(|loaded| loaded.clone().unwrap_or_else(|| guest.clone())).collect();
    let parts = Parts {
        kernel: &page(system.board.kernel_address as u32),
        root: &page(ROOT_LINK_ADDRESS),
        programs: &programs,
        names: names.iter().collect(),
        guests: &guests,
    };
    compile(system, &parts).map(|compiled| compiled.system)
}

/// Compiles a system. If it does not fit the board, how much RAM its largest VM could have is found by trying.
fn compile(system: &Resolved, parts: &Parts<'_>) -> Result<Compiled, Problem> {
    let refusal = match compile_somehow(system, parts) {
        Ok(compiled) => return Ok(compiled),
        Err(refusal) => refusal,
    };
    let Some(largest) = system.largest_vm().filter(|_| refusal.retry == Retry::LessRam) else {
        return Err(refusal.problem);
    };
    let fits = |steps: u64| {
        let mut smaller = system.clone();
        smaller.vms[largest].vm.ram.value = steps * RAM_STEP;
        compile_somehow(&smaller, parts).is_ok()
    };
    let (mut least, mut beyond) = (GUEST_RAM_MIN / RAM_STEP, system.vms[largest].vm.ram.value / RAM_STEP);
    if !fits(least) {
        return Err(refusal.problem);
    }
    while least + 1 < beyond {
        let middle = least.midpoint(beyond);
        if fits(middle) { least = middle } else { beyond = middle }
    }
    let help = format!(
        "`{}` can have at most this beside the others: ram = \"{}\"",
        system.vms[largest].vm.name.value,
        show_size(least * RAM_STEP)
    );
    Err(refusal.problem.help(help))
}

/// Compiles a system, in the largest pieces of memory for which the board has room.
fn compile_somehow(system: &Resolved, parts: &Parts<'_>) -> Result<Compiled, Refusal> {
    let mut piece_bits = UNTYPED_BITS_MAX;
    loop {
        match compile_pieces(system, parts, piece_bits) {
            Err(Refusal { retry: Retry::Pieces(smaller), .. }) => piece_bits = smaller,
            ended => return ended,
        }
    }
}

fn compile_pieces(system: &Resolved, parts: &Parts<'_>, piece_bits: u32) -> Result<Compiled, Refusal> {
    let Parts { kernel, root, programs, names, guests } = parts;
    let number = |name: &ProgramName| names.iter().position(|other| *other == name).unwrap_or(0);
    let named = Programs {
        all: programs,
        console: number(&ProgramName::Console),
        log: number(&ProgramName::Log),
        vmm: number(&ProgramName::VmmServer),
        components: system.components.iter().map(|component| number(&component.program)).collect(),
    };
    let plan = lay_out(system, &named, guests, piece_bits).map_err(|error| Problem::new(error).help(TOO_MUCH))?;
    let place = pack::kernel_place(kernel, system.board.kernel_address).map_err(Problem::new)?;

    // Where guests' files are depends on how long the compiled system is, which holds that in numbers of
    // varying length: so it is written twice, first with the longest numbers.
    let longest = pack::arrange(root, programs, 0, &plan.regions).map_err(Problem::new)?;
    let longest = Arrangement {
        pieces: longest.pieces.iter().map(|offsets| vec![u32::MAX >> 1; offsets.len()]).collect(),
        regions: vec![u32::from(u16::MAX); plan.regions.len()],
        ..longest
    };
    let system_max = emit::emit(&plan, &longest).len() as u32;
    let arrangement = pack::arrange(root, programs, system_max, &plan.regions).map_err(Problem::new)?;
    let compiled = emit::emit(&plan, &arrangement);
    let header =
        pack::header(root, &plan, system.on_fault, compiled.len() as u32, &arrangement).map_err(Problem::new)?;
    let payload = pack::payload(&header, root, programs, &compiled, &plan.regions, &arrangement);
    let image = replay::Image { board: &system.board, kernel: place, payload: &payload };
    let replayed = replay::replay(system, &plan, &image)?;
    Ok(Compiled { plan, kernel: place, arrangement, system: compiled, payload, replayed })
}

fn read(bytes: &[u8], what: &str, problems: &mut Vec<Problem>) -> Option<Program> {
    elf::read(bytes).map_err(|error| problems.push(Problem::new(format!("{what}: {error}")))).ok()
}

fn root(bytes: &[u8], problems: &mut Vec<Problem>) -> Option<Program> {
    let program = read(bytes, "root", problems)?;
    let high = ROOT_STACK_TOP - ROOT_STACK_BYTES - (1 << PAGE_BITS);
    elf::as_component(program, ROOT_LINK_ADDRESS, high)
        .map_err(|error| problems.push(Problem::new(format!("root: {error}"))))
        .ok()
}

/// A component's program, if it can be one.
pub fn program(system: &Resolved, name: &ProgramName, bytes: &[u8], problems: &mut Vec<Problem>) -> Option<Program> {
    let written = system.components.iter().find(|component| component.program == *name);
    let program = elf::read(bytes)
        .and_then(|program| elf::as_component(program, protocol::layout::LINK, protocol::layout::STACKS));
    let problem = |error: String| {
        match written.map(|component| component.component.program.at()) {
        Some(at) => Problem::at(
            &at.span,
            format!("`{}` can't be a component: {error}", at.value),
            "this program",
        )
        .help("components are ELFs for 32-bit Arm, linked by the runtime's script: see `cargo bulkhead new component`"),
        None => Problem::new(format!("{name:?}: {error}")),
    }
    };
    program.map_err(|error| problems.push(problem(error))).ok()
}

/// A guest with its files in its RAM, if it can be booted.
pub fn guest(vm: &ResolvedVm, files: &GuestFiles, problems: &mut Vec<Problem>) -> Option<Loaded> {
    let vm = &vm.vm;
    let raw = vm.load.as_ref().zip(vm.entry.as_ref());
    let raw = raw.map(|(load, entry)| (load.value as u32, entry.value as u32));
    let kernel = Kernel::identify(&files.kernel, raw)
        .map_err(|error| {
            let message = format!("`{}` can't be booted: {}", vm.kernel.value, error.what);
            problems.push(Problem::at(&vm.kernel.span, message, "this file").help(error.help));
        })
        .ok()?;
    let given = vm.cmdline.as_ref();
    let cmdline = cmdline(&kernel, vm.console, given.map(|cmdline| cmdline.value.as_str()));
    if let Some(given) = given.filter(|_| cmdline.len() > CMDLINE_BYTES_MAX) {
        let added = cmdline.len() - given.value.len();
        let message = format!("a command line of {} bytes is too long, {added} of which are added", cmdline.len());
        let help = format!("write at most {} bytes, or say what a panic means: panic=0", CMDLINE_BYTES_MAX - added);
        problems.push(Problem::at(&given.span, message, "too long").help(help));
        return None;
    }
    let request = Request {
        kernel: &kernel,
        kernel_bytes: &files.kernel,
        initrd: files.initrd.as_ref(),
        ram_bytes: vm.ram.value,
        vcpus: vm.vcpus,
        thumb: vm.thumb,
        cmdline: &cmdline,
        virtio_console: vm.console == ConsoleKind::Virtio,
    };
    load(&request).map_err(|complaint| problems.push(no_room(vm, complaint))).ok()
}

/// Holds an initial file system against the RAM of its guest, whose kernel is not known yet.
pub fn initrd_alone(vm: &ResolvedVm, initrd: Option<&Arc<Vec<u8>>>, problems: &mut Vec<Problem>) {
    let bytes = initrd.map(|initrd| initrd.len() as u64);
    problems.extend(room(vm.vm.ram.value, None, bytes).err().map(|complaint| no_room(&vm.vm, complaint)));
}

fn no_room(vm: &Vm, (message, help): Complaint) -> Problem {
    Problem::at(&vm.ram.span, message, "not enough").help(help)
}
