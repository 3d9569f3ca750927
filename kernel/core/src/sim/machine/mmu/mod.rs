//! Stage-2 translation, as unkind as the architecture allows (ARM DDI 0406C B3.6, B3.9, B3.10).
//!
//! Whatever hardware *may* remember, this remembers, all at once: a translation that could have been found at some time
//! while its space was the current one stays until an invalidation for its VMID has been executed **and** completed by a
//! barrier. A store to a table may be seen by walkers at once or not before a barrier, so both the old and the new
//! descriptor are walked until then. Tables that walkers passed through are remembered, too. So no check here depends on
//! luck: what could go wrong on some processor goes wrong always.

mod descriptor;

use crate::Arena;
use crate::kernel::CORES_MAX;
use crate::sim::check::Quick;
use abi::rights::MapFlags;
pub use descriptor::{Descriptor, Translation, decode, leaf, table, walk};
use descriptor::{read, walk_to};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::vec::Vec;

/// A remembered translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// Under which VMID.
    pub vmid: u8,
    /// Virtual page, or first page of a block.
    pub page: u32,
    /// Of 2 MiB.
    pub block: bool,
    /// What.
    pub to: Translation,
}

/// A remembered table: where walks under `vmid` look on for a piece of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Passed {
    vmid: u8,
    /// Level of the descriptor that named it: 1 or 2.
    level: u8,
    /// Address divided by 1 GiB (level 1) or 2 MiB (level 2).
    region: u32,
    table: u32,
}

/// An invalidation that was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Begun {
    Vmid(u8),
    All,
}

/// VTTBR of a core.
#[derive(Clone, Copy, Debug, Default)]
struct Vttbr {
    /// What it was written with.
    written: u64,
    /// What it counts as, since the last context synchronization.
    current: u64,
    /// What the way out believes that it holds.
    believed: u64,
}

/// The memory management of all cores. What one remembers, all are taken to remember: every invalidation reaches all of them.
#[derive(Clone, Debug, Default)]
pub struct Mmu {
    vttbr: [Vttbr; CORES_MAX],
    /// The core that is meant.
    core: usize,
    /// Descriptors that are not zero, by address.
    descriptors: BTreeMap<u32, u64>,
    /// Descriptors that were overwritten, and that walkers may still find.
    unseen: Vec<(u32, u64)>,
    begun: Vec<Begun>,
    entries: Vec<Entry>,
    passed: Vec<Passed>,
    /// Nothing has changed since all that can be remembered is.
    filled: bool,
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = Quick::default();
    value.hash(&mut hasher);
    hasher.finish()
}

/// VTTBR for a space that maps nothing.
const fn nothing(vmid: u8) -> u64 {
    (vmid as u64) << 48
}

impl Mmu {
    /// A machine that something ran on before: translations to the page of nobody are remembered under every VMID.
    pub fn used() -> Self {
        let to = Translation { page: 0xfffff, flags: MapFlags::READ };
        let entries = (0..=255).map(|vmid| Entry { vmid, page: 0x10, block: false, to }).collect();
        Self { entries, ..Self::default() }
    }

    /// From now on this core is meant.
    pub fn switch_core(&mut self, core: usize) {
        self.core = core;
    }

    /// A descriptor is stored.
    pub fn store(&mut self, address: u32, old: u64, new: u64) {
        self.fill();
        self.unseen.push((address, old));
        if new == 0 {
            self.descriptors.remove(&address);
        } else {
            self.descriptors.insert(address, new);
        }
        self.filled = false;
    }

    /// VTTBR is written: nobody's space, under that VMID.
    pub fn select(&mut self, vmid: u8) {
        self.fill();
        self.vttbr[self.core].written = nothing(vmid);
    }

    /// It is written with what it held for the running thread.
    pub fn select_running(&mut self) {
        self.fill();
        self.vttbr[self.core].written = self.vttbr[self.core].believed;
    }

    /// Nobody runs until the way out.
    pub fn select_nobody(&mut self) {
        self.select(0);
        self.vttbr[self.core].believed = self.vttbr[self.core].written;
    }

    /// Context synchronization.
    pub fn synchronize(&mut self) {
        self.fill();
        if self.vttbr[self.core].current != self.vttbr[self.core].written {
            self.vttbr[self.core].current = self.vttbr[self.core].written;
            self.filled = false;
        }
    }

    /// Entry code writes VTTBR for who runs next, if it believes that it must.
    pub fn choose(&mut self, vttbr: u64, must: bool) {
        if must || self.vttbr[self.core].believed != vttbr {
            self.fill();
            self.vttbr[self.core].believed = vttbr;
            self.vttbr[self.core].written = vttbr;
        }
    }

    /// The space whose translations a core uses now, as VTTBR.
    pub fn current(&self, core: usize) -> u64 {
        self.vttbr[core].current
    }

    /// TLBIALLIS.
    pub fn invalidate_vmid(&mut self) {
        self.fill();
        self.begun.push(Begun::Vmid((self.vttbr[self.core].current >> 48) as u8));
    }

    /// TLBIALLNSNHIS.
    pub fn invalidate_all(&mut self) {
        self.fill();
        self.begun.push(Begun::All);
    }

    /// A barrier. `invalidations`: it waits for these, too, not for stores alone.
    pub fn barrier(&mut self, invalidations: bool) {
        self.fill();
        if invalidations && !self.begun.is_empty() {
            for begun in std::mem::take(&mut self.begun) {
                let kept = |vmid| matches!(begun, Begun::Vmid(gone) if gone != vmid);
                self.entries.retain(|entry| kept(entry.vmid));
                self.passed.retain(|passed| kept(passed.vmid));
            }
            // A walk between the invalidation and now may have found what is not seen to be overwritten yet.
            self.filled = false;
            self.fill();
        }
        if !self.unseen.is_empty() {
            self.unseen.clear();
            self.filled = false;
        }
    }

    /// What walkers may find at an address.
    fn found(&self, address: u32) -> impl Iterator<Item = u64> {
        let now = self.descriptors.get(&address).copied();
        now.into_iter().chain(self.unseen.iter().filter(move |(at, _)| *at == address).map(|&(_, old)| old))
    }

    /// Addresses in a table where walkers may find something, with their indexes.
    fn places(&self, table: u32, bytes: u32) -> Vec<(u32, u64)> {
        let range = table..table.saturating_add(bytes);
        let old = self.unseen.iter().filter(|(at, _)| range.contains(at)).copied();
        let all = self.descriptors.range(range.clone()).map(|(&at, &now)| (at, now)).chain(old);
        all.map(|(at, descriptor)| ((at - table) / 8, descriptor)).collect()
    }

    fn remember(&mut self, entry: Entry) {
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }

    fn pass(&mut self, passed: Passed) {
        if !self.passed.contains(&passed) {
            self.passed.push(passed);
        }
    }

    /// Remembers all that can be found in the current space.
    fn fill(&mut self) {
        if self.filled {
            return;
        }
        self.filled = true;
        for core in 0..CORES_MAX {
            self.fill_from(self.vttbr[core].current);
        }
    }

    fn fill_from(&mut self, current: u64) {
        let (vmid, root) = ((current >> 48) as u8, current as u32);
        if root != 0 {
            for region in 0..4 {
                let tables: Vec<u64> = self.found(root + 8 * region).collect();
                for descriptor in tables {
                    if let Some(Descriptor::Table(table)) = decode(1, descriptor) {
                        self.pass(Passed { vmid, level: 1, region, table });
                    }
                }
            }
        }
        let mut next = 0;
        while let Some(&passed) = self.passed.get(next) {
            next += 1;
            if passed.vmid != vmid {
                continue;
            }
            for (index, descriptor) in self.places(passed.table, 4096) {
                let region = passed.region << 9 | index;
                match decode(passed.level + 1, descriptor) {
                    Some(Descriptor::Table(table)) => self.pass(Passed { vmid, level: 2, region, table }),
                    Some(Descriptor::Leaf(to)) if passed.level == 1 => {
                        self.remember(Entry { vmid, page: region << 9, block: true, to });
                    }
                    Some(Descriptor::Leaf(to)) => self.remember(Entry { vmid, page: region, block: false, to }),
                    None => {}
                }
            }
        }
    }

    /// What an access of the space that is current may be translated to: what is remembered and wrong before what the tables
    /// say.
    pub fn access(&mut self, arena: &Arena, address: u32) -> Option<Translation> {
        self.fill();
        let (vmid, root) = ((self.vttbr[self.core].current >> 48) as u8, self.vttbr[self.core].current as u32);
        let right = if root == 0 { None } else { walk(arena, root, address) };
        let page = address >> 12;
        let remembered = self.entries.iter().filter(|entry| {
            entry.vmid == vmid && if entry.block { entry.page >> 9 == page >> 9 } else { entry.page == page }
        });
        let mut found = remembered.map(|entry| Translation {
            page: if entry.block { entry.to.page + (page & 511) } else { entry.to.page },
            flags: entry.to.flags,
        });
        found.find(|&found| Some(found) != right).or(right)
    }

    /// A translation or table that is remembered under `vmid` and is not (or no more) in the tables at `root`; or a descriptor
    /// there that walkers need not have seen yet.
    pub fn stale(&self, arena: &Arena, vmid: u8, root: u32) -> Option<String> {
        for entry in self.entries.iter().filter(|entry| entry.vmid == vmid) {
            if walk_to(arena, root, entry.page << 12) != Some((entry.to, entry.block)) {
                return Some(format!("vmid {vmid}: {entry:x?} is remembered, {:x?} is mapped", {
                    walk(arena, root, entry.page << 12)
                }));
            }
        }
        for passed in self.passed.iter().filter(|passed| passed.vmid == vmid) {
            let gigabyte = if passed.level == 1 { passed.region } else { passed.region >> 9 };
            let mut now = decode(1, read(arena, root + 8 * gigabyte));
            if passed.level == 2 {
                now = match now {
                    Some(Descriptor::Table(table)) => decode(2, read(arena, table + 8 * (passed.region & 511))),
                    _ => None,
                };
            }
            if now != Some(Descriptor::Table(passed.table)) {
                return Some(format!("vmid {vmid}: walks look on as {passed:x?} says, the tables say {now:x?}"));
            }
        }
        None
    }

    /// The descriptor that was last written there.
    pub fn descriptor(&self, address: u32) -> u64 {
        self.descriptors.get(&address).copied().unwrap_or(0)
    }

    /// How many descriptors are not zero.
    pub fn descriptors(&self) -> usize {
        self.descriptors.len()
    }

    /// A descriptor that was written and that walkers need not have seen.
    pub fn unseen(&self) -> Option<u32> {
        self.unseen.first().map(|&(address, _)| address)
    }

    /// What is remembered under the VMID of a space, whichever that is.
    pub(crate) fn hash_space(&self, vmid: u8, hasher: &mut impl Hasher) {
        // In any order: sums do not care.
        let (mut entries, mut passed) = (0u64, 0u64);
        for entry in self.entries.iter().filter(|entry| entry.vmid == vmid) {
            entries = entries.wrapping_add(hash_of(&(entry.page, entry.block, entry.to)));
        }
        for way in self.passed.iter().filter(|passed| passed.vmid == vmid) {
            passed = passed.wrapping_add(hash_of(&(way.level, way.region, way.table)));
        }
        (entries, passed).hash(hasher);
    }

    /// What is in tables, and what is under way.
    pub(super) fn hash_begun(&self, hasher: &mut impl Hasher) {
        // Which space is current follows from who runs; which was, from what is remembered.
        self.vttbr.map(|vttbr| (vttbr.current as u32, vttbr.written as u32)).hash(hasher);
        (&self.unseen, &self.begun, &self.descriptors).hash(hasher);
    }

    /// About how many bytes there are.
    pub(super) fn bytes(&self) -> usize {
        self.descriptors.len() * 24 + self.entries.len() * size_of::<Entry>() + self.passed.len() * size_of::<Passed>()
    }

    /// Pages that can be executed in a space that is current on some core, as far as the machine remembers: VMID, virtual page,
    /// physical page, whether a block.
    pub(super) fn executable(&mut self) -> Vec<(u8, u32, u32, bool)> {
        self.fill();
        let executable = |entry: &&Entry| {
            let current = self.vttbr.iter().any(|vttbr| (vttbr.current >> 48) as u8 == entry.vmid);
            current && entry.to.flags.contains(MapFlags::EXECUTE)
        };
        let all = self.entries.iter().filter(executable);
        all.map(|entry| (entry.vmid, entry.page, entry.to.page, entry.block)).collect()
    }

    /// Whether some descriptor maps that physical page so.
    pub(super) fn maps(&self, page: u32, flags: MapFlags) -> bool {
        self.descriptors.values().any(|&descriptor| {
            // A page's descriptor is a table's at level 2: whoever looks at both can only say yes too often.
            [2, 3].into_iter().any(|level| match decode(level, descriptor) {
                Some(Descriptor::Leaf(to)) => {
                    let pages = if level == 2 { 512 } else { 1 };
                    to.flags.intersects(flags) && (to.page..to.page + pages).contains(&page)
                }
                _ => false,
            })
        })
    }
}
