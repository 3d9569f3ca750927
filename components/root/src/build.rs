//! Executing records: each becomes the system calls that it stands for.

use crate::allowance::Allowance;
use crate::backoff::Backoff;
use crate::failure::{Cause, Failure, kind};
use crate::fill::Scratch;
use crate::memory::{Memory, retype_many};
use crate::scope::Scope;
use crate::table::{Group, Handler, Object, State, Table};
use abi::boot::{BootInfo, root_slot};
use abi::object::PAGE_BITS;
use abi::rights::{MapFlags, Rights};
use abi::{Error, ObjectType};
use runtime::{
    CNode, Endpoint, Frame, IrqControl, Notification, Reply, SchedContext, Table as TableHandle, Tcb, Untyped, VSpace,
    Vcpu, svc,
};
use system::{GroupId, ObjectId, ObjectKind, ROOT_VSPACE, Reader, Record};

pub(crate) const CNODE: CNode = CNode(root_slot::CNODE);

/// Root: what it was given, and what it made of it.
#[derive(Debug)]
pub struct Root<'s> {
    pub(crate) table: Table<'s>,
    memory: Memory,
    scratch: Option<Scratch>,
    /// Nothing before root has learned of it.
    payload: Option<&'s [u8]>,
    /// The records, a part of it.
    system: Option<&'s [u8]>,
    /// First of root's spare slots.
    spare: u32,
    /// Where root receives.
    pub(crate) endpoint: Option<(Endpoint, Reply)>,
    /// How much may be told of the dead.
    pub(crate) allowance: Allowance,
    /// How urgent it is; `None`: as it was made.
    pub(crate) priority: Option<u8>,
}

impl<'s> Root<'s> {
    /// Before anything is known.
    pub const fn new() -> Self {
        Self {
            table: Table::new(),
            memory: Memory::new(),
            scratch: None,
            payload: None,
            system: None,
            spare: 0,
            endpoint: None,
            allowance: Allowance::new(),
            priority: None,
        }
    }

    /// Takes over what the kernel tells and gives.
    pub fn learn(&mut self, boot: &BootInfo, payload: &'s [u8], scratch: Scratch) {
        self.memory.learn(boot);
        self.payload = Some(payload);
        self.scratch = Some(scratch);
        let (offset, bytes) = (boot.system_offset as usize, boot.system_bytes as usize);
        self.system = offset.checked_add(bytes).and_then(|end| payload.get(offset..end));
    }

    /// Builds and starts everything. `mapped` is told of each mapping in root's own space, by its address.
    pub fn build(&mut self, mapped: impl FnMut(u32)) -> Result<(), Failure> {
        self.execute(Scope::System, mapped)
    }

    /// Builds and starts a group again whose memory was reset.
    pub fn rebuild(&mut self, group: GroupId) -> Result<(), Failure> {
        self.execute(Scope::Group(group), |_| ())
    }

    fn execute(&mut self, scope: Scope, mut mapped: impl FnMut(u32)) -> Result<(), Failure> {
        let bad = |record, kind, cause| Failure { record, kind, cause };
        let (reader, header) =
            Reader::new(self.system.unwrap_or(&[])).map_err(|error| bad(0, "header", Cause::Read(error)))?;
        if let Record::Header { free_slot, .. } = header {
            self.spare = free_slot;
        }
        for (record, number) in reader.zip(1..) {
            let record = record.map_err(|error| bad(number, "record", Cause::Read(error)))?;
            let failed = |cause| bad(number, kind(&record), cause);
            if scope.holds(&record, &self.table).map_err(failed)? {
                self.apply(&record, scope).map_err(failed)?;
            }
            if let Record::MapFrames { vspace: ROOT_VSPACE, address, .. } = record {
                mapped(address);
            }
        }
        Ok(())
    }

    fn apply(&mut self, record: &Record<'s>, scope: Scope) -> Result<(), Cause> {
        match *record {
            Record::Header { .. } => Err(Cause::BadReference),
            Record::Group { name, slot, untypeds, policy } => {
                let state = State::Running;
                self.table.add_group(Group {
                    name,
                    slot,
                    untypeds,
                    policy,
                    state,
                    restarts_us: [None; 5],
                    restart_count: 0,
                    backoff: Backoff::new(),
                    late_count: 0,
                    urgency: 0,
                })
            }
            Record::Untyped { group, part, bits } => {
                let slot = self.table.group(group)?.untyped(part).ok_or(Cause::BadReference)?;
                self.memory.make_untyped(bits.into(), slot)
            }
            Record::Object { group, part, slot, kind } => {
                let object = Object { group, part, slot, kind, handler: Handler::Here };
                self.make(&object, scope)?;
                if scope == Scope::System { self.table.add_object(object) } else { Ok(()) }
            }
            Record::RootEndpoint { endpoint, reply } => {
                self.endpoint = Some((Endpoint(self.table.slot(endpoint)?), Reply(self.table.slot(reply)?)));
                Ok(())
            }
            Record::Fill { object, at, payload_offset, bytes, execute } => {
                let (from, length) = (payload_offset as usize, bytes as usize);
                let end = from.checked_add(length).ok_or(Cause::OutOfBounds)?;
                let bytes = self.payload.and_then(|payload| payload.get(from..end)).ok_or(Cause::OutOfBounds)?;
                self.scratch()?.fill(&self.table.object(object)?, at, bytes, execute)
            }
            Record::FillBytes { object, at, bytes } => {
                self.scratch()?.fill(&self.table.object(object)?, at, bytes, false)
            }
            Record::MapTable { table, vspace, address } => {
                Ok(TableHandle(self.table.slot(table)?).map(self.vspace(vspace)?, address)?)
            }
            Record::MapFrames { frames, first, count, vspace, address, flags, slot } => {
                let flags = MapFlags::from_bits(flags).ok_or(Cause::OutOfBounds)?;
                let vspace = self.vspace(vspace)?;
                let object = self.table.object(frames)?;
                let bits = frame_bits(object.kind)?;
                for index in 0..count {
                    let source = object.part(first + index).ok_or(Cause::BadReference)?;
                    self.vacate(slot + index, scope)?;
                    CNODE.copy(slot + index, source, Rights::all())?;
                    Frame(slot + index).map(vspace, address + (index << bits), flags)?;
                }
                Ok(())
            }
            Record::Grant { cnode, index, object, part, rights, badge } => {
                let source = self.table.part(object, part)?;
                let cnode = CNode(self.table.slot(cnode)?);
                match self.table.object(object)?.kind {
                    ObjectKind::Untyped { .. } | ObjectKind::Reply => return Ok(cnode.take(index, source)?),
                    ObjectKind::Irq { .. } => return self.grant_irq(object, cnode, index, scope),
                    _ => {}
                }
                grant(cnode, index, source, rights, badge)
            }
            Record::GrantRoot { cnode, index, slot, rights, badge } => {
                grant(CNode(self.table.slot(cnode)?), index, slot, rights, badge)
            }
            Record::Thread { tcb, priority, .. } => {
                let group = self.table.group_mut(self.table.object(tcb)?.group)?;
                group.urgency = group.urgency.max(priority);
                self.thread(record)
            }
            Record::BindNotification { tcb, notification } => {
                Ok(Tcb(self.table.slot(tcb)?).bind_notification(Notification(self.table.slot(notification)?))?)
            }
            Record::Interrupt { irq, notification, badge } => self.bind_irq(irq, notification, badge, scope),
            Record::StartPassive { tcb, context } => {
                // It runs until it receives, while root is the least urgent; then its context is taken away.
                let tcb = Tcb(self.table.slot(tcb)?);
                tcb.resume()?;
                match self.at_priority(0, |_| wait_until_it_receives(tcb))?? {
                    true => Ok(SchedContext(self.table.slot(context)?).unbind()?),
                    false => Err(Cause::NeverReceives),
                }
            }
            Record::Start { tcb } => Ok(Tcb(self.table.slot(tcb)?).resume()?),
        }
    }

    /// Makes an object out of its group's memory, or of what else it is made of.
    fn make(&mut self, object: &Object, scope: Scope) -> Result<(), Cause> {
        let untyped = self.table.group(object.group)?.untyped(object.part).ok_or(Cause::BadReference)?;
        let untyped = Untyped(untyped);
        let slot = object.slot;
        let make = |ty, bits: u8, count| retype_many(untyped, ty, bits.into(), count, slot);
        match object.kind {
            ObjectKind::Untyped { bits } => make(ObjectType::Untyped, bits, 1),
            ObjectKind::CNode { bits } => make(ObjectType::CNode, bits, 1),
            ObjectKind::Frames { bits, count } => make(ObjectType::Frame, bits, count.into()),
            ObjectKind::Table { level } => make(ObjectType::Table, level, 1),
            ObjectKind::VSpace => make(ObjectType::VSpace, 0, 1),
            ObjectKind::Tcb => make(ObjectType::Tcb, 0, 1),
            ObjectKind::Vcpu { .. } => make(ObjectType::Vcpu, 0, 1),
            ObjectKind::Endpoint => make(ObjectType::Endpoint, 0, 1),
            ObjectKind::Notification => make(ObjectType::Notification, 0, 1),
            ObjectKind::Reply => make(ObjectType::Reply, 0, 1),
            ObjectKind::SchedContext { core, budget_us, period_us } => {
                make(ObjectType::SchedContext, 0, 1)?;
                Ok(SchedContext(slot).configure(root_slot::SCHED_CONTROL, core.into(), budget_us, period_us)?)
            }
            // These are not made of the group's memory: they are still there when it is built again.
            ObjectKind::Device { page, count } if scope == Scope::System => {
                self.memory.make_device(page, count.into(), slot, self.spare)
            }
            ObjectKind::Irq { intid, edge } if scope == Scope::System => {
                Ok(IrqControl(root_slot::IRQ_CONTROL).get(intid.into(), CNODE, slot, edge)?)
            }
            ObjectKind::Device { .. } | ObjectKind::Irq { .. } | ObjectKind::Payload { .. } | ObjectKind::KernelLog => {
                Ok(())
            }
        }
    }

    fn thread(&self, record: &Record<'_>) -> Result<(), Cause> {
        let &Record::Thread {
            tcb,
            cspace,
            vspace,
            ipc_buffer,
            fault,
            entry,
            stack,
            argument,
            priority,
            ceiling,
            context,
            vcpu,
        } = record
        else {
            return Err(Cause::BadReference);
        };
        let tcb = Tcb(self.table.slot(tcb)?);
        tcb.set_spaces(CNode(self.table.slot(cspace)?), self.vspace(vspace)?)?;
        if let Some((frames, part, offset)) = ipc_buffer {
            tcb.set_ipc_buffer(Frame(self.table.part(frames, part)?), offset)?;
        }
        if let Some((endpoint, badge)) = fault {
            let endpoint = self.table.slot(endpoint)?;
            let rights = Rights::WRITE | Rights::GRANT;
            self.with_badge(endpoint, rights, badge, |copy| tcb.set_fault_handler(Endpoint(copy)))?;
        }
        tcb.set_priority(Tcb(root_slot::TCB), priority, ceiling)?;
        match vcpu {
            Some(vcpu) => tcb.bind_vcpu(Vcpu(self.table.slot(vcpu)?))?,
            None => tcb.write_registers(entry, stack, argument)?,
        }
        if let Some(context) = context {
            SchedContext(self.table.slot(context)?).bind(tcb)?;
        }
        Ok(())
    }

    /// Does something with a badged copy of a capability, which is gone afterwards.
    pub(crate) fn with_badge(
        &self,
        source: u32,
        rights: Rights,
        badge: u32,
        work: impl FnOnce(u32) -> Result<(), Error>,
    ) -> Result<(), Cause> {
        if badge == 0 {
            return Ok(work(source)?);
        }
        CNODE.mint(self.spare, source, rights, badge)?;
        let worked = work(self.spare);
        CNODE.delete(self.spare)?;
        Ok(worked?)
    }

    /// When a group is built again, a slot of root's may still hold a copy of what another group owns.
    fn vacate(&self, slot: u32, scope: Scope) -> Result<(), Cause> {
        match scope {
            Scope::System => Ok(()),
            Scope::Group(_) => match CNODE.delete(slot) {
                Ok(()) | Err(Error::EmptySlot) => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn vspace(&self, id: ObjectId) -> Result<VSpace, Cause> {
        Ok(VSpace(if id == ROOT_VSPACE { root_slot::VSPACE } else { self.table.slot(id)? }))
    }

    /// The records of the system once more, behind the first.
    pub(crate) fn records(&self) -> Result<Reader<'s>, Cause> {
        Ok(Reader::new(self.system.unwrap_or(&[]))?.0)
    }

    pub(crate) fn scratch(&self) -> Result<Scratch, Cause> {
        self.scratch.ok_or(Cause::BadReference)
    }
}

impl Default for Root<'_> {
    fn default() -> Self {
        Self::new()
    }
}

fn grant(cnode: CNode, index: u32, source: u32, rights: u8, badge: u32) -> Result<(), Cause> {
    let rights = Rights::from_bits_truncate(rights);
    if badge == 0 {
        cnode.copy(index, source, rights)?
    } else {
        cnode.mint(index, source, rights, badge)?
    }
    Ok(())
}

fn frame_bits(kind: ObjectKind) -> Result<u32, Cause> {
    match kind {
        ObjectKind::Frames { bits, .. } => Ok(bits.into()),
        ObjectKind::Device { .. } | ObjectKind::KernelLog => Ok(PAGE_BITS),
        ObjectKind::Payload { .. } => Ok(abi::object::BLOCK_BITS),
        _ => Err(Cause::BadReference),
    }
}

/// How often root looks whether a passive thread receives, each time after all more urgent threads have run.
const PASSIVE_LOOKS: u32 = 10_000;

/// Looks until a thread receives, each time after all others have run.
fn wait_until_it_receives(tcb: Tcb) -> Result<bool, Cause> {
    for _ in 0..PASSIVE_LOOKS {
        if tcb.is_receiving()? {
            return Ok(true);
        }
        svc::yield_now();
    }
    Ok(false)
}
