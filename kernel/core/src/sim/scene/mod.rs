//! Small worlds in which everything is tried.
//!
//! A scene has a few threads that share root's capability space, and says what its running thread, its guest and its
//! hardware may do. Numbers are few on purpose: two endpoints show what ten would.

mod caps;
mod interrupts;
mod ipc;
mod memory;
mod mixed;
pub mod partitions;
mod teardown;
mod time;

use super::machine::Sabotage;
use super::maker::FIRST;
use super::stage::Stage;
use super::step::Step;
use super::world::World;
pub use mixed::{LAST, populate};
use std::vec::Vec;

/// A small world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Messages, notifications, lent time, and their ends.
    Ipc,
    /// Capabilities: made, copied, moved, deleted, revoked, their memory reset.
    Caps,
    /// Mappings: made and taken back, memory used again, caches.
    Memory,
    /// Budgets, priorities, timeouts.
    Time,
    /// A guest's interrupts.
    Interrupts,
    /// The end of everything, in any order, interrupted anywhere.
    Teardown,
    /// All kinds of objects and calls: for random traces; too much to try everything.
    Mixed,
    /// Two compartments without a channel: for what one can find out of the other.
    Partitions,
    /// The mixed world on two cores.
    Cores,
}

impl Scene {
    /// All that can be tried exhaustively.
    pub const EXHAUSTIVE: [Scene; 6] =
        [Scene::Ipc, Scene::Caps, Scene::Memory, Scene::Time, Scene::Interrupts, Scene::Teardown];
    /// All.
    pub const ALL: [Scene; 9] = [
        Scene::Ipc,
        Scene::Caps,
        Scene::Memory,
        Scene::Time,
        Scene::Interrupts,
        Scene::Teardown,
        Scene::Mixed,
        Scene::Partitions,
        Scene::Cores,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Scene::Ipc => "ipc",
            Scene::Caps => "caps",
            Scene::Memory => "memory",
            Scene::Time => "time",
            Scene::Interrupts => "interrupts",
            Scene::Teardown => "teardown",
            Scene::Mixed => "mixed",
            Scene::Partitions => "partitions",
            Scene::Cores => "cores",
        }
    }

    /// The scene of that name.
    pub fn named(name: &str) -> Option<Scene> {
        Self::ALL.into_iter().find(|scene| scene.name() == name)
    }

    /// Its world, as it begins.
    pub fn build(self) -> World {
        let mut world = match self {
            Scene::Ipc => ipc::build(),
            Scene::Caps => caps::build(),
            Scene::Memory => memory::build(),
            Scene::Time => time::build(),
            Scene::Interrupts => interrupts::build(),
            Scene::Teardown => teardown::build(),
            Scene::Mixed => mixed::build(),
            Scene::Partitions => partitions::build(),
            Scene::Cores => mixed::build_on(2),
        };
        // What boot has left in the cache goes to RAM, as it may.
        while world.step(&Step::Evict(0)) == Ok(true) {}
        world
    }

    /// The same, to be put back as often as one likes.
    pub fn stage(self) -> Stage {
        self.stage_without(Sabotage::None)
    }

    /// The same, with some of the kernel's maintenance left out from the beginning on.
    pub fn stage_without(self, sabotage: Sabotage) -> Stage {
        let mut world = self.build();
        world.kernel.platform.sabotage = sabotage;
        Stage::new(world, FIRST)
    }

    /// What may happen next, that is of interest.
    pub fn steps(self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        match self {
            Scene::Ipc => ipc::steps(world, &mut steps),
            Scene::Caps => caps::steps(world, &mut steps),
            Scene::Memory => memory::steps(world, &mut steps),
            Scene::Time => time::steps(world, &mut steps),
            Scene::Interrupts => interrupts::steps(world, &mut steps),
            Scene::Teardown => teardown::steps(world, &mut steps),
            Scene::Mixed | Scene::Partitions | Scene::Cores => {}
        }
        steps
    }
}
