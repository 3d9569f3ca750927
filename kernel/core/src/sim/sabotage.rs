//! The maintenance that the kernel does is needed, all of it: each line of `maintain.rs` is left out in turn, then for each
//! place that uses one of its orders by itself, and a check fails.

use super::check::check_all;
use super::machine::{Sabotage, Site, walk};
use super::maker::{FIRST, Maker};
use super::scene::Scene;
use super::step::{Step, Svc};
use super::world::World;
use crate::cap::Cap;
use abi::Syscall;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use abi::rights::MapFlags;
use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

// The slots of the memory scene.
const SPACES: u32 = FIRST + 1;
const TABLES: u32 = FIRST + 3;
const MEMORY: u32 = FIRST + 11;
const FRAME: u32 = FIRST + 12;
const COPY: u32 = FIRST + 14;
/// An empty one.
const THIRD: u32 = FIRST + 40;
const AT: u32 = 0x5000;
const ELSEWHERE: u32 = 0x6000;
const VALUE: u32 = 0x600d_cafe;

const RW: u32 = MapFlags::READ.union(MapFlags::WRITE).bits();
const RX: u32 = MapFlags::READ.union(MapFlags::EXECUTE).bits();
const UNCACHED: u32 = MapFlags::UNCACHED.union(MapFlags::READ).union(MapFlags::WRITE).bits();

fn map(frame: u32, space: u32, at: u32, flags: u32) -> Step {
    Svc::method(frame, FrameMethod::Map as u16, &[space, at, flags])
}
fn unmap(frame: u32) -> Step {
    Svc::method(frame, FrameMethod::Unmap as u16, &[])
}
fn copy(to: u32) -> Step {
    Svc::method(root_slot::CNODE, CNodeMethod::Copy as u16, &[to, FRAME, 0xf])
}
fn line(method: FrameMethod) -> Step {
    Svc::method(FRAME, method as u16, &[0, 64])
}
/// The other thread runs, and remembers its space; then this one again.
fn look_around() -> [Step; 2] {
    [Svc::call(Syscall::Yield, 0, 0); 2]
}

fn page(world: &World) -> u32 {
    match world.cap(FRAME) {
        Cap::Frame { page, .. } => page,
        other => panic!("no frame: {other:?}"),
    }
}

/// Lines of `maintain.rs`, and who used them.
type Reached = BTreeSet<(Option<Site>, u32)>;

/// What is done, and how one sees that it was done right.
struct Scenario {
    name: &'static str,
    world: fn() -> World,
    before: Vec<Step>,
    prepare: fn(&mut World),
    /// This is done with some of the maintenance left out.
    call: Step,
    after: Vec<Step>,
    right: fn(&mut World) -> bool,
}

impl Scenario {
    fn new(name: &'static str, before: &[Step], call: Step) -> Self {
        Self {
            name,
            world: || Scene::Memory.build(),
            before: before.to_vec(),
            prepare: |_| {},
            call,
            after: Vec::new(),
            right: |_| true,
        }
    }

    /// What goes wrong; and the lines of `maintain.rs` that were reached.
    fn run(&self, sabotage: Sabotage) -> (Option<String>, Reached) {
        let mut world = (self.world)();
        for step in &self.before {
            assert_eq!(world.step(step), Ok(true), "{}: {step}", self.name);
        }
        assert_eq!(check_all(&world.kernel, world.cnode), Ok(()), "{}", self.name);
        (self.prepare)(&mut world);
        world.kernel.platform.reached.clear();
        world.kernel.platform.sabotage = sabotage;
        assert_eq!(world.step(&self.call), Ok(true), "{}: {}", self.name, self.call);
        assert!(!world.refused, "{}: {}", self.name, self.call);
        world.kernel.platform.sabotage = Sabotage::None;
        let reached = std::mem::take(&mut world.kernel.platform.reached);
        let mut wrong = check_all(&world.kernel, world.cnode).err().map(|violation| violation.to_string());
        for step in &self.after {
            if wrong.is_none() {
                wrong = world.step(step).err().map(|violation| violation.to_string());
                wrong = wrong.or(check_all(&world.kernel, world.cnode).err().map(|violation| violation.to_string()));
            }
        }
        if wrong.is_none() && !(self.right)(&mut world) {
            wrong = Some(format!("{} is not right", self.name));
        }
        (wrong, reached)
    }
}

/// Three threads in spaces of their own, each with a page to execute at the same place; the first runs.
fn three_spaces() -> World {
    let mut maker = Maker::new(17);
    let mut threads = Vec::new();
    for _ in 0..3 {
        let space = maker.space();
        let frame = maker.make(ObjectType::Frame, 12, 1);
        maker.take(map(frame, space, AT, RX));
        threads.push((maker.thread(190, space), maker.context(10_000, 10_000)));
    }
    for (thread, context) in threads {
        maker.start(thread, context);
    }
    let mut world = maker.done();
    for _ in 0..3 {
        assert_eq!(world.step(&Svc::call(Syscall::Yield, 0, 0)), Ok(true));
    }
    world
}

/// All VMIDs are used up, and the space of who runs next has none. Those of the other two are the next that are given.
fn use_up_vmids(world: &mut World) {
    let vmids = world.census().spaces.all.iter().map(|&space| world.kernel.arena.get(space).vmid).collect::<Vec<_>>();
    assert!(vmids.iter().all(|vmid| *vmid < 8), "{vmids:?}");
    let next = world.kernel.cores[0].ready.queue(190).head.expect("the second thread is ready");
    let Cap::VSpace { vspace } = world.kernel.arena.get(next).vspace.cap else { panic!("it has a space") };
    world.kernel.arena.get_mut(vspace).generation = 0;
    world.kernel.next_vmid = 256;
}

/// Root with 2 MiB of memory in slot [`MEMORY`], of which a page was executed, and which has been reset.
fn executed_block() -> World {
    let mut world = World::new();
    let untyped = world.clean_untyped();
    world.retype(untyped, ObjectType::Untyped, 21, 1, MEMORY).expect("memory");
    world.retype(MEMORY, ObjectType::Frame, 12, 1, FRAME).expect("a page");
    let at = abi::boot::ROOT_SCRATCH_ADDRESS;
    for step in [
        map(FRAME, root_slot::VSPACE, at, RW),
        Step::Store(at, VALUE),
        unmap(FRAME),
        map(FRAME, root_slot::VSPACE, at, RX),
        unmap(FRAME),
        Svc::method(root_slot::CNODE, CNodeMethod::Revoke as u16, &[MEMORY]),
        Svc::method(MEMORY, UntypedMethod::Reset as u16, &[]),
    ] {
        assert_eq!(world.step(&step), Ok(true), "{step}");
        assert!(!world.refused, "{step}");
    }
    world.retype(MEMORY, ObjectType::Frame, 21, 1, FRAME).expect("a block");
    world
}

fn scenarios() -> Vec<Scenario> {
    let here = map(FRAME, SPACES, AT, RW);
    let mut all = std::vec![
        Scenario::new("a new mapping", &[], here),
        Scenario::new("unmapping a page of one's own", &[here, Step::Load(AT)], unmap(FRAME)),
        Scenario::new(
            "unmapping a page of another's",
            &[&[map(FRAME, SPACES + 1, AT, RW)][..], &look_around()].concat(),
            unmap(FRAME),
        ),
        Scenario::new("unmapping a page of a space that has not run", &[map(FRAME, SPACES + 1, AT, RW)], unmap(FRAME),),
        Scenario::new(
            "unmapping a table of another's",
            &look_around(),
            Svc::method(TABLES + 3, TableMethod::Unmap as u16, &[]),
        ),
        Scenario::new(
            "mapping a table",
            &[Svc::method(TABLES + 1, TableMethod::Unmap as u16, &[])],
            Svc::method(TABLES + 1, TableMethod::Map as u16, &[SPACES, 0]),
        ),
        Scenario::new(
            "mapping uncached what was written",
            &[here, Step::Store(AT, VALUE), unmap(FRAME)],
            map(FRAME, SPACES, AT, UNCACHED),
        ),
        Scenario::new(
            "mapping executable what was written",
            &[map(FRAME, SPACES, AT, RX), unmap(FRAME), here, Step::Store(AT, VALUE), unmap(FRAME)],
            map(FRAME, SPACES, AT, RX),
        ),
        Scenario::new(
            "resetting memory that was written",
            &[here, Step::Store(AT, VALUE), Svc::method(root_slot::CNODE, CNodeMethod::Revoke as u16, &[MEMORY]),],
            Svc::method(MEMORY, UntypedMethod::Reset as u16, &[]),
        ),
        Scenario::new("booting", &[], Step::Evict(0)),
    ];
    all.push(Scenario {
        right: |world| {
            let physical = page(world) << 12;
            world.kernel.platform.caches.read_ram(&world.kernel.arena, physical) == VALUE
        },
        ..Scenario::new("cleaning for a device", &[here, Step::Store(AT, VALUE)], line(FrameMethod::Clean))
    });
    all.push(Scenario {
        prepare: |world| {
            let (physical, kernel) = (page(world) << 12, &mut *world.kernel);
            kernel.platform.caches.write_ram(&mut kernel.arena, physical, VALUE);
        },
        right: |world| world.load(AT) == Some(VALUE),
        ..Scenario::new("invalidating what a device wrote", &[here, Step::Load(AT)], line(FrameMethod::Invalidate))
    });
    let both =
        [here, copy(COPY), map(COPY, SPACES, ELSEWHERE, UNCACHED), Step::Load(AT), Step::Store(ELSEWHERE, VALUE)];
    all.push(Scenario {
        right: |world| world.load(AT) == Some(VALUE),
        ..Scenario::new("invalidating what was stored past the cache", &both, line(FrameMethod::Invalidate))
    });
    all.push(Scenario {
        right: |world| world.kernel.platform.caches.is_unified(&world.kernel.arena, page(world)),
        ..Scenario::new(
            "unifying what is executable already",
            &[here, copy(COPY), map(COPY, SPACES, ELSEWHERE, RX), Step::Store(AT, VALUE)],
            line(FrameMethod::Unify),
        )
    });
    all.push(Scenario {
        right: |world| world.kernel.platform.caches.is_unified(&world.kernel.arena, page(world)),
        ..Scenario::new(
            "mapping executable what is so already and was written since",
            &[here, copy(COPY), map(COPY, SPACES, ELSEWHERE, RX), Step::Store(AT, VALUE), copy(THIRD)],
            map(THIRD, SPACES, AT + 0x2000, RX),
        )
    });
    all.push(Scenario {
        world: three_spaces,
        prepare: use_up_vmids,
        after: std::vec![Svc::call(Syscall::Yield, 0, 0), Svc::call(Syscall::Yield, 0, 0)],
        ..Scenario::new("a new generation of VMIDs", &[], Svc::call(Syscall::Yield, 0, 0))
    });
    all.push(Scenario {
        world: executed_block,
        ..Scenario::new(
            "mapping a block of which a page was executed",
            &[],
            map(FRAME, root_slot::VSPACE, abi::boot::ROOT_SCRATCH_BLOCK_ADDRESS, RX),
        )
    });
    all
}

/// Booting is no step of a world.
fn boot(sabotage: Sabotage) -> (Option<String>, Reached) {
    let mut world = World::sabotaged((4 << 20) + (1 << 19), 9, sabotage);
    let mut wrong = check_all(&world.kernel, world.cnode).err().map(|violation| violation.to_string());
    let arena = &world.kernel.arena;
    let Cap::VSpace { vspace } = world.cap(root_slot::VSPACE) else { panic!("root has a space") };
    let code = walk(arena, vspace.address(), abi::boot::ROOT_LINK_ADDRESS).expect("root has code").page;
    if wrong.is_none() && !world.kernel.platform.caches.is_unified(arena, code) {
        wrong = Some(String::from("root would not execute what it was loaded with"));
    }
    (wrong, std::mem::take(&mut world.kernel.platform.reached))
}

fn run(scenario: &Scenario, sabotage: Sabotage) -> (Option<String>, Reached) {
    if scenario.name == "booting" { boot(sabotage) } else { scenario.run(sabotage) }
}

/// Lines of `maintain.rs` on which an operation is done.
fn lines() -> BTreeSet<u32> {
    let source = include_str!("../maintain.rs");
    let does = |line: &str| {
        let code = line.split("//").next().unwrap_or("");
        code.contains("self.maintain(") && !code.contains("operation(") || code.contains("self.each_line(")
    };
    source.lines().enumerate().filter(|(_, line)| does(line)).map(|(n, _)| n as u32 + 1).collect()
}

/// Places in the kernel where an order of `maintain.rs` is used.
fn sites() -> BTreeSet<Site> {
    let sources = [
        ("boot/root.rs", include_str!("../boot/root.rs")),
        ("invoke/frame.rs", include_str!("../invoke/frame.rs")),
        ("map.rs", include_str!("../map.rs")),
        ("schedule.rs", include_str!("../schedule.rs")),
        ("untyped.rs", include_str!("../untyped.rs")),
    ];
    let mut sites = BTreeSet::new();
    for (file, source) in sources {
        let lines = source.lines().enumerate().filter(|(_, line)| line.contains(".order()"));
        sites.extend(lines.map(|(n, _)| (file, n as u32 + 1)));
    }
    sites
}

/// Lines that are reached in the scenarios and whose loss is noticed in one of them, as `sabotage` leaves them out.
fn missed(sabotage: impl Fn((Option<Site>, u32)) -> Sabotage) -> (Reached, Reached) {
    let (mut reached, mut missed) = (BTreeSet::new(), BTreeSet::new());
    for scenario in scenarios() {
        let (wrong, uses) = run(&scenario, Sabotage::None);
        assert_eq!(wrong, None, "{}", scenario.name);
        assert!(!uses.is_empty(), "{} needs no maintenance", scenario.name);
        for &used in &uses {
            if !missed.contains(&used) && run(&scenario, sabotage(used)).0.is_some() {
                missed.insert(used);
            }
        }
        reached.extend(uses);
    }
    (reached, missed)
}

#[test]
fn what_is_left_out_is_missed_line_by_line() {
    let (reached, missed) = missed(|(_, line)| Sabotage::Line(line));
    let of = |uses: Reached| uses.into_iter().map(|(_, line)| line).collect::<BTreeSet<u32>>();
    let (reached, missed) = (of(reached), of(missed));
    assert_eq!(reached, lines(), "lines of maintain.rs that are reached, and all that there are");
    assert_eq!(lines().len(), 19, "MUTANTS.md says so");
    let unneeded: Vec<&u32> = reached.difference(&missed).collect();
    assert!(unneeded.is_empty(), "lines {unneeded:?} of maintain.rs can be left out and nothing is wrong");
}

#[test]
fn what_is_left_out_is_missed_by_each_who_uses_it() {
    let (reached, missed) = missed(|(site, line)| Sabotage::Use(site.expect("somebody asks"), line));
    let used: BTreeSet<Site> = reached.iter().filter_map(|(site, _)| *site).collect();
    assert_eq!(used, sites(), "places that use an order, and all that there are");
    let line_of = |operation: &str| {
        let source = include_str!("../maintain.rs").lines().enumerate();
        source.into_iter().find(|(_, line)| line.contains(operation)).map(|(n, _)| n as u32 + 1)
    };
    // The barrier with which work on cache lines begins is for those that are thrown away: what was stored past the cache
    // before must not lie under one that is older. Nobody else needs it. And when root is loaded nobody has run, so nothing
    // of it can have been fetched, and there are barriers enough before it runs: it must be cleaned, and no more.
    let (barrier, clean) = (line_of("Maintenance::DsbSy"), line_of("Maintenance::Dccmvau"));
    let spare = |(site, line): &(Option<Site>, u32)| match site {
        Some(("boot/root.rs", _)) => Some(*line) != clean,
        Some(("invoke/frame.rs", _)) => false,
        _ => Some(*line) == barrier,
    };
    let unneeded: Vec<_> = reached.difference(&missed).filter(|used| !spare(used)).collect();
    assert_eq!((reached.len(), missed.len()), (36, 29), "uses, and those that are missed: MUTANTS.md says so");
    assert!(unneeded.is_empty(), "{unneeded:?} can be left out and nothing is wrong");
}

#[test]
fn what_is_left_out_is_missed_wherever_it_is_used() {
    for scenario in scenarios() {
        let (wrong, _) = run(&scenario, Sabotage::All);
        assert!(wrong.is_some(), "{}: nobody misses the maintenance", scenario.name);
    }
}
