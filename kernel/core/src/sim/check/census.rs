//! Everything that exists.

use crate::Kernel;
use crate::arena::{Arena, Handle, Object};
use crate::cap::{Cap, Slot};
use crate::irq::IRQS;
use crate::objects::{CNode, Endpoint, Notification, Reply, SchedContext, Table, VSpace};
use crate::sim::machine::Machine;
use crate::tcb::{TCB_SLOTS, Tcb};
use crate::vcpu::Vcpu;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::vec::Vec;

/// A hasher for addresses, which are not chosen by anybody who means ill.
#[derive(Default)]
pub(crate) struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }
    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }
    fn write_u64(&mut self, word: u64) {
        // Folded multiplication: good enough to tell states apart, and a few cycles.
        let product = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

/// A set of addresses.
pub(super) type Addresses = HashSet<u32, BuildHasherDefault<Quick>>;

/// Objects of one type, each once.
pub struct Known<T> {
    seen: Addresses,
    /// Them.
    pub all: Vec<Handle<T>>,
}

impl<T> Known<T> {
    fn new() -> Self {
        Self { seen: Addresses::default(), all: Vec::new() }
    }
    fn add(&mut self, object: Handle<T>) -> bool {
        let new = self.seen.insert(object.address());
        if new {
            self.all.push(object);
        }
        new
    }
    /// Whether it is known.
    pub fn has(&self, object: Handle<T>) -> bool {
        self.seen.contains(&object.address())
    }
}

/// What was found.
pub struct Census<'a> {
    /// The kernel that was looked at.
    pub kernel: &'a Kernel<Machine>,
    /// Slots that hold something.
    pub slots: Vec<Handle<Slot>>,
    /// CNodes, those that are condemned included.
    pub cnodes: Known<CNode>,
    /// Threads.
    pub threads: Known<Tcb>,
    /// Spaces, those that are condemned included.
    pub spaces: Known<VSpace>,
    /// Tables.
    pub tables: Known<Table>,
    /// vCPUs.
    pub vcpus: Known<Vcpu>,
    /// Endpoints.
    pub endpoints: Known<Endpoint>,
    /// Notifications.
    pub notifications: Known<Notification>,
    /// Reply objects.
    pub replies: Known<Reply>,
    /// Scheduling contexts.
    pub contexts: Known<SchedContext>,
}

impl<'a> Census<'a> {
    /// Finds everything in a kernel whose first CNode is `root`.
    pub fn take(kernel: &'a Kernel<Machine>, root: Handle<CNode>) -> Self {
        let mut census = Census {
            kernel,
            slots: Vec::new(),
            cnodes: Known::new(),
            threads: Known::new(),
            spaces: Known::new(),
            tables: Known::new(),
            vcpus: Known::new(),
            endpoints: Known::new(),
            notifications: Known::new(),
            replies: Known::new(),
            contexts: Known::new(),
        };
        let (mut seen, mut work) = (Addresses::default(), Vec::new());
        census.add_cnode(root, &mut work);
        let mut condemned = kernel.condemned.cnodes;
        while let Some(cnode) = condemned.filter(|&cnode| !census.cnodes.has(cnode)) {
            census.add_cnode(cnode, &mut work);
            condemned = kernel.arena.get(cnode).condemned_next;
        }
        let mut condemned = kernel.condemned.spaces;
        while let Some(space) = condemned.filter(|&space| !census.spaces.has(space)) {
            census.add_space(space, &mut work);
            condemned = kernel.arena.get(space).condemned_next;
        }
        if let Some(first) = kernel.irqs.slots() {
            work.extend(row(&kernel.arena, first, 0..IRQS as u32));
        }
        while let Some(slot) = work.pop() {
            let node = kernel.arena.get(slot);
            if node.cap.is_null() || !seen.insert(slot.address()) {
                continue;
            }
            census.slots.push(slot);
            work.extend([node.parent, node.child, node.next, node.prev].into_iter().flatten());
            census.add(node.cap, &mut work);
        }
        census.slots.sort_by_key(|slot| slot.address());
        census
    }

    /// The object.
    pub fn get<T: Object>(&self, object: Handle<T>) -> &'a T {
        self.kernel.arena.get(object)
    }

    /// The capabilities.
    pub fn caps(&self) -> impl Iterator<Item = (Handle<Slot>, Cap)> {
        self.slots.iter().map(|&slot| (slot, self.get(slot).cap))
    }

    fn add(&mut self, cap: Cap, work: &mut Vec<Handle<Slot>>) {
        match cap {
            Cap::CNode { cnode, .. } => self.add_cnode(cnode, work),
            Cap::Tcb { tcb } => {
                if self.threads.add(tcb) {
                    work.extend(TCB_SLOTS.map(|offset| Tcb::slot(&self.kernel.arena, tcb, offset)));
                }
            }
            Cap::VSpace { vspace } => self.add_space(vspace, work),
            Cap::Table { table, .. } => {
                if self.tables.add(table) {
                    work.extend(self.get(table).owners.iter().flatten());
                }
            }
            Cap::Vcpu { vcpu } => {
                self.vcpus.add(vcpu);
            }
            Cap::Endpoint { endpoint, .. } => {
                self.endpoints.add(endpoint);
            }
            Cap::Notification { notification, .. } => {
                self.notifications.add(notification);
            }
            Cap::Reply { reply } => {
                self.replies.add(reply);
            }
            Cap::SchedContext { context } => {
                self.contexts.add(context);
            }
            _ => {}
        }
    }

    fn add_cnode(&mut self, cnode: Handle<CNode>, work: &mut Vec<Handle<Slot>>) {
        if self.cnodes.add(cnode) {
            let arena = &self.kernel.arena;
            work.extend(row(arena, arena.part::<CNode, Slot>(cnode, 0), 1..1 << (arena.get(cnode).bits & 31)));
        }
    }

    fn add_space(&mut self, space: Handle<VSpace>, work: &mut Vec<Handle<Slot>>) {
        if self.spaces.add(space) {
            work.extend(self.get(space).owners.iter().flatten());
        }
    }
}

fn row(arena: &Arena, first: Handle<Slot>, range: std::ops::Range<u32>) -> impl Iterator<Item = Handle<Slot>> {
    range.map(move |n| arena.nth(first, n)).filter(|&slot| !arena.get(slot).cap.is_null())
}
