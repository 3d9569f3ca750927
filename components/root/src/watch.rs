//! Root's loop: it receives faults of components and requests of VMMs, tells of them, and acts.

use crate::build::Root;
use crate::failure::Failure;
use crate::lifecycle::{Done, Outcome};
use abi::Error;
use abi::MessageInfo;
use abi::boot::{ROOT_SLICE_US, root_slot};
use abi::fault::FaultKind;
use abi::message::MESSAGE_BYTES_MAX;
use protocol::request::{self, DecodeError, Request};
use protocol::vm::{Ended, Ending};
use runtime::ipc::pack;
use runtime::{Power, Received, SchedContext, clock, log, svc};
use system::GroupId;

/// How long `log` and `console` get to bring the last words out.
pub const DRAIN_US: u64 = 300_000;
/// While a group waits to be built again, root looks so often whether it is time, or anything else has happened, which it hears of
/// so late then.
pub const NAP_US: u32 = 50_000;
/// What it has in such a time to begin its nap.
const NAP_BUDGET_US: u32 = 1_000;

impl Root<'_> {
    /// Receives and acts for ever, or until the machine goes down.
    pub fn watch(&mut self) -> Outcome {
        let Some((endpoint, reply)) = self.endpoint else { return Outcome::Crashed };
        loop {
            let received = if self.has_waiting() {
                match self.build_due(clock::now_us()) {
                    Ok(None) => {}
                    Ok(Some(id)) => {
                        log::info!("{=str} is built again", self.table.group(id).map_or("?", |group| group.name));
                        continue;
                    }
                    Err(failure) => {
                        tell_failure(&failure);
                        return Outcome::Crashed;
                    }
                }
                endpoint.receive_if_any(reply)
            } else {
                endpoint.receive(reply)
            };
            let message = match received {
                Ok(message) => message,
                Err(Error::WouldBlock) => {
                    nap();
                    continue;
                }
                Err(_) => return Outcome::Crashed,
            };
            match self.handle(&message, clock::now_us()) {
                Ok(Outcome::GoOn) => {}
                Ok(outcome) => return outcome,
                Err(failure) => {
                    tell_failure(&failure);
                    return Outcome::Crashed;
                }
            }
        }
    }

    /// Acts on one message. A sender that is told nothing else waits for ever.
    pub fn handle(&mut self, message: &Received, now_us: u64) -> Result<Outcome, Failure> {
        let label = message.info.label();
        let group = message.badge.checked_sub(1).and_then(|number| GroupId::try_from(number).ok());
        let Some(id) = group.filter(|&id| self.table.group(id).is_ok()) else { return Ok(Outcome::GoOn) };
        let ending = if label == FaultKind::TimeOut as u16 {
            self.late(id, message.words[1]);
            return Ok(Outcome::GoOn);
        } else if let Some(fault) = FaultKind::from_label(label) {
            let told = self.as_urgent_as(id, |root| root.epitaph(id, fault, message.words, now_us));
            told.map_err(|cause| Failure { record: 0, kind: "epitaph", cause })?;
            Ending::Crashed
        } else {
            let mut buffer = [0; MESSAGE_BYTES_MAX];
            let request = match label {
                Ended::LABEL => request::decode::<Ended>(message.bytes(&mut buffer)),
                _ => Err(DecodeError::UnknownLabel(label)),
            };
            match request {
                Ok(Ended(ending)) => ending,
                Err(error) => {
                    if let Some((_, reply)) = self.endpoint {
                        let (info, words) = pack(error.label(), &[]);
                        // Who only sent does not wait for it.
                        let _ = reply.answer(info, words);
                    }
                    return Ok(Outcome::GoOn);
                }
            }
        };
        let (done, outcome) = self.end(id, ending, now_us)?;
        self.tell(id, ending, done);
        Ok(outcome)
    }

    /// A server has used up its caller's time. It goes on when the caller has time again: who gave too little waits longest.
    fn late(&mut self, id: GroupId, pc: u32) {
        if let Ok(group) = self.table.group_mut(id) {
            group.late_count = group.late_count.saturating_add(1);
            // The first time, and then ever more rarely.
            if group.late_count.is_power_of_two() {
                log::warn!(
                    "{=str} used up its caller's time, {=u32} times by now, pc {=u32:#x}; it goes on with the next",
                    group.name,
                    group.late_count,
                    pc
                );
            }
        }
        if let Some((_, reply)) = self.endpoint {
            let _ = reply.answer(MessageInfo::new(0, 0), [0; 4]);
        }
    }

    fn tell(&self, id: GroupId, ending: Ending, done: Done) {
        let name = self.table.group(id).map_or("?", |group| group.name);
        let what = match ending {
            Ending::Off => "switched itself off",
            Ending::Reset => "asks to be reset",
            Ending::Crashed => "crashed",
        };
        match done {
            Done::Restarted(count) => log::info!("{=str} {=str}: restarted, {=u32} times by now", name, what, count),
            Done::Waits(wait_us, count) => log::warn!(
                "{=str} {=str}: built again in {=u64} s, {=u32} times by now",
                name,
                what,
                wait_us / 1_000_000,
                count
            ),
            Done::Stopped => log::info!("{=str} {=str}: stopped", name, what),
            Done::Looped => log::error!("{=str} {=str} again and again: stopped", name, what),
            Done::Left => log::error!("{=str} {=str}", name, what),
        }
    }
}

/// Does nothing for [`NAP_US`], in which nothing of root's runs: the kernel has no call that waits for a time, but who has used up
/// its budget waits for its next period.
fn nap() {
    let time = SchedContext(root_slot::SCHED_CONTEXT);
    // If the kernel refuses, this is a loop that yields; it is bounded by what it waits for.
    let _ = time.configure(root_slot::SCHED_CONTROL, 0, NAP_BUDGET_US, NAP_US);
    svc::yield_now();
    let _ = time.configure(root_slot::SCHED_CONTROL, 0, ROOT_SLICE_US, ROOT_SLICE_US);
}

/// Says the last words, gives them time to get out, and switches the machine off.
pub fn go_down(outcome: Outcome) -> ! {
    match outcome {
        Outcome::Off => log::info!("last VM is off"),
        Outcome::Crashed | Outcome::GoOn => log::error!("system crashed"),
    }
    drain();
    loop {
        // Where the board can't, there is nothing left to do.
        let _ = Power(root_slot::POWER).off();
        svc::yield_now();
    }
}

/// Lets everyone else run, whatever their priority: with a small budget in each period, root is out of the way.
fn drain() {
    // If the kernel refuses, yielding still helps those of root's priority.
    let _ = SchedContext(root_slot::SCHED_CONTEXT).configure(root_slot::SCHED_CONTROL, 0, 1_000, 20_000);
    let start = clock::now_us();
    while clock::now_us().saturating_sub(start) < DRAIN_US {
        svc::yield_now();
    }
}

/// Logs why the system could not be built.
pub fn tell_failure(failure: &Failure) {
    log::error!(
        "record {=u32} ({=str}): {=str} ({=u32})",
        failure.record,
        failure.kind,
        failure.cause.text(),
        failure.cause.number()
    );
}
