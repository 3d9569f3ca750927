//! Caches, as unkind as the architecture allows (ARM DDI 0406C A3.9, B2.2).
//!
//! What the kernel and cached readers see is the arena's memory. For lines that a write-back cache holds, this keeps what
//! is *behind* them: in RAM, where devices and guests with their caches off read and write, and at the point of
//! unification, where instructions are fetched from. A line that was written goes back when it is cleaned, or when it is
//! evicted, which may happen at any time or never. Cache maintenance and stores past the cache have their effect when a
//! barrier waits for them, in the worst order.

use super::mmu::Mmu;
use crate::Arena;
use abi::rights::MapFlags;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::string::String;
use std::vec::Vec;

/// Bytes of a line.
pub const LINE: u32 = 64;
const WORDS: usize = LINE as usize / 4;

/// What a line holds.
pub type Line = [u32; WORDS];

/// Reads a line of the arena.
pub fn line_of(arena: &Arena, address: u32) -> Line {
    std::array::from_fn(|word| arena.read_word((address & !(LINE - 1)) + 4 * word as u32))
}

/// A line that the cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    /// What RAM holds.
    ram: Line,
    /// What instruction fetch finds.
    unified: Line,
    /// It was written since it was last cleaned to RAM.
    dirty: bool,
}

/// An operation whose completion no barrier has waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Begun {
    /// To the point of unification, with this content.
    Unify(u32, Line),
    /// To RAM, with this content; and invalidate.
    Clean(u32, Line, bool),
    Invalidate(u32),
}

/// The data cache and the instruction side of one core.
#[derive(Clone, Debug, Default)]
pub struct Caches {
    held: BTreeMap<u32, Held>,
    begun: Vec<Begun>,
    /// Stores past the cache that are on their way.
    buffered: Vec<(u32, u32)>,
    /// Pages that instructions may have been fetched from: VMID, virtual page, physical page, whether a block.
    fetched: BTreeSet<(u8, u32, u32, bool)>,
    /// Lines that instruction caches may hold with another content than the point of unification has.
    outdated: BTreeSet<u32>,
    invalidating: bool,
    /// Pages that somebody wrote to through the cache while they were mapped executable or uncached: to make that seen is
    /// the writer's duty, not the kernel's.
    excused: BTreeSet<u32>,
}

impl Caches {
    /// A line is about to be written through the cache, of which `old` is the content.
    fn write(&mut self, line: u32, old: impl FnOnce() -> Line) {
        let held = self.held.entry(line).or_insert_with(|| {
            let old = old();
            Held { ram: old, unified: old, dirty: false }
        });
        held.dirty = true;
    }

    /// Zeroes are about to be written.
    pub fn before_zero(&mut self, arena: &Arena, address: u32, bytes: u32) {
        // RAM may end where addresses do.
        for line in (0..bytes).step_by(LINE as usize).map(|offset| address + offset) {
            self.write(line, || line_of(arena, line));
        }
    }

    /// Somebody wrote frames through the cache: lines, with what they held before.
    pub fn written(&mut self, lines: Vec<(u32, Line)>, mmu: &Mmu) {
        for (line, old) in lines {
            self.write(line, || old);
            if mmu.maps(line >> 12, MapFlags::EXECUTE | MapFlags::UNCACHED) {
                self.excused.insert(line >> 12);
            }
        }
    }

    /// A reader past the cache: a device, or a guest with its caches off.
    pub fn read_ram(&self, arena: &Arena, address: u32) -> u32 {
        // It sees its own stores.
        if let Some(&(_, value)) = self.buffered.iter().rev().find(|(at, _)| *at == address) {
            return value;
        }
        match self.held.get(&(address & !(LINE - 1))) {
            Some(held) => held.ram[(address % LINE / 4) as usize],
            None => arena.read_word(address),
        }
    }

    /// A store past the cache, by the core itself: it waits in the store buffer.
    pub fn store_past(&mut self, address: u32, value: u32) {
        self.buffered.push((address, value));
    }

    /// A device's store to RAM.
    pub fn write_ram(&mut self, arena: &mut Arena, address: u32, value: u32) {
        match self.held.get_mut(&(address & !(LINE - 1))) {
            Some(held) => held.ram[(address % LINE / 4) as usize] = value,
            None => arena.write_word_unseen(address, value),
        }
    }

    /// A cached reader brings a line in.
    pub fn allocate(&mut self, arena: &Arena, address: u32) {
        let line = address & !(LINE - 1);
        let content = line_of(arena, line);
        self.held.entry(line).or_insert(Held { ram: content, unified: content, dirty: false });
    }

    /// The cache loses a line: what was written goes to RAM.
    pub fn evict(&mut self, arena: &mut Arena, nth: usize) {
        let Some(&line) = self.held.keys().nth(nth % self.held.len().max(1)) else { return };
        let content = line_of(arena, line);
        self.complete_clean(arena, line, content, true);
    }

    /// Lines that the cache holds.
    pub fn lines(&self) -> usize {
        self.held.len()
    }

    /// DCCMVAC, DCCIMVAC.
    pub fn clean(&mut self, arena: &Arena, line: u32, invalidate: bool) {
        if self.held.contains_key(&line) {
            self.begun.push(Begun::Clean(line, line_of(arena, line), invalidate));
        }
    }

    /// DCCMVAU.
    pub fn unify(&mut self, arena: &Arena, line: u32) {
        if self.held.contains_key(&line) {
            self.begun.push(Begun::Unify(line, line_of(arena, line)));
        }
    }

    /// DCIMVAC.
    pub fn invalidate(&mut self, line: u32) {
        self.begun.push(Begun::Invalidate(line));
    }

    /// ICIALLUIS.
    pub fn invalidate_instructions(&mut self) {
        self.invalidating = true;
    }

    /// A barrier that waits for the inner shareable domain (`whole` false: to the point of unification) or for everything.
    pub fn barrier(&mut self, arena: &mut Arena, mmu: &mut Mmu, whole: bool) {
        if std::mem::take(&mut self.invalidating) {
            // Fetched again at once, before what was cleaned has arrived.
            self.fetched.clear();
            self.outdated.clear();
            self.fetch(mmu);
            let held = &self.held;
            self.excused.retain(|page| held.range(page << 12..=page << 12 | 0xfff).next().is_some());
        }
        for begun in std::mem::take(&mut self.begun) {
            match begun {
                Begun::Unify(line, content) => self.reach_unification(line, content),
                other if !whole => self.begun.push(other),
                Begun::Clean(line, content, invalidate) => self.complete_clean(arena, line, content, invalidate),
                Begun::Invalidate(line) => {
                    if let Some(held) = self.held.remove(&line) {
                        for (word, value) in held.ram.into_iter().enumerate() {
                            arena.write_word_unseen(line + 4 * word as u32, value);
                        }
                        self.changed(line, held.unified != held.ram);
                    }
                    if self.buffered.iter().any(|&(at, _)| at & !(LINE - 1) == line) {
                        // Fetched again, before what is on its way has arrived: the kernel's window lets it.
                        self.allocate(arena, line);
                    }
                }
            }
        }
        if whole {
            for (address, value) in std::mem::take(&mut self.buffered) {
                self.write_ram(arena, address, value);
                self.changed(address & !(LINE - 1), true);
            }
        }
    }

    /// Instructions of the current space may be fetched at any time.
    pub fn fetch(&mut self, mmu: &mut Mmu) {
        self.fetched.extend(mmu.executable());
    }

    /// Instructions were fetched so.
    #[cfg(test)]
    pub(in crate::sim) fn remember_fetch(&mut self, fetched: (u8, u32, u32, bool)) {
        self.fetched.insert(fetched);
    }

    /// What instruction fetch finds in a line has changed.
    fn changed(&mut self, line: u32, changed: bool) {
        let page = line >> 12;
        let holds =
            |&(_, _, first, block): &(u8, u32, u32, bool)| (first..first + if block { 512 } else { 1 }).contains(&page);
        if changed && self.fetched.iter().any(holds) {
            self.outdated.insert(line);
        }
    }

    fn reach_unification(&mut self, line: u32, content: Line) {
        if let Some(held) = self.held.get_mut(&line) {
            let changed = held.unified != content;
            held.unified = content;
            self.changed(line, changed);
        }
    }

    fn complete_clean(&mut self, arena: &Arena, line: u32, content: Line, invalidate: bool) {
        self.reach_unification(line, content);
        let Some(held) = self.held.get_mut(&line) else { return };
        held.ram = content;
        held.dirty = content != line_of(arena, line);
        if invalidate && !held.dirty {
            self.held.remove(&line);
        }
    }

    /// A line of that memory that the cache holds: a reader past the cache may find something else there, now or when the line
    /// is evicted; and a cached one may not find what was stored past it.
    pub fn held_in(&self, address: u32, bytes: u32) -> Option<u32> {
        self.held.range(address..address.saturating_add(bytes)).next().map(|(&line, _)| line)
    }

    /// A line of a page that was written through the cache and is not in RAM, unless its writer is to blame.
    pub fn dirty_in(&self, page: u32) -> Option<u32> {
        if self.excused.contains(&page) {
            return None;
        }
        let mut lines = self.held.range(page << 12..=page << 12 | 0xfff);
        lines.find(|(_, held)| held.dirty).map(|(&line, _)| line)
    }

    /// A line of a page that is executable at `at` under `vmid`, of which instruction fetch may find something else than was
    /// last written, unless its writer is to blame. `unwritten`: only what was fetched counts, not what was not unified.
    pub fn outdated_in(&self, arena: &Arena, vmid: u8, at: u32, page: u32, unwritten: bool) -> Option<String> {
        let other =
            |&&(owner, from, to, block): &&(u8, u32, u32, bool)| owner == vmid && !block && from == at && to != page;
        if let Some(fetched) = self.fetched.iter().find(other) {
            return Some(format!("vmid {vmid}: instructions at page {at:#x} were fetched from page {:#x}", fetched.2));
        }
        if self.excused.contains(&page) {
            return None;
        }
        let lines = page << 12..=page << 12 | 0xfff;
        if let Some(line) = self.outdated.range(lines.clone()).next() {
            return Some(format!("instructions of line {line:#x} were fetched before it was written"));
        }
        let mut held = self.held.range(lines);
        let behind = held.find(|(line, held)| !unwritten && held.unified != line_of(arena, **line));
        behind.map(|(line, _)| format!("line {line:#x} was not unified"))
    }

    /// Whether instruction fetch from a page finds what was last written there, whoever is to blame if not.
    pub fn is_unified(&self, arena: &Arena, page: u32) -> bool {
        let lines = page << 12..=page << 12 | 0xfff;
        let behind = |(&line, held): (&u32, &Held)| held.unified != line_of(arena, line);
        self.outdated.range(lines.clone()).next().is_none() && !self.held.range(lines).any(behind)
    }

    /// An operation whose completion nobody has waited for.
    pub fn begun(&self) -> bool {
        !self.begun.is_empty() || self.invalidating
    }

    /// What distinguishes one state from another.
    pub(super) fn hash(&self, hasher: &mut impl Hasher) {
        (&self.held, &self.begun, &self.buffered, &self.outdated, self.invalidating, &self.excused).hash(hasher);
        for (_, at, page, block) in &self.fetched {
            (at, page, block).hash(hasher);
        }
    }

    /// About how many bytes there are.
    pub(super) fn bytes(&self) -> usize {
        self.held.len() * (size_of::<Held>() + 8) + self.fetched.len() * 24
    }
}
