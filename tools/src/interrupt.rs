//! What an interrupt (Ctrl-C, or a polite kill) does: it ends the processes that were started here, and then the tool;
//! or it is handed to whoever asked for it.
//!
//! Children have process groups of their own, so that what they started goes with them; hence the terminal's
//! interrupt does not reach them by itself.

use crate::failure::{EXIT_INTERRUPTED, Failure, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Hand = Box<dyn Fn() + Send>;

struct State {
    groups: Vec<Pid>,
    hand: Option<Hand>,
    /// What must not be stopped half-way, and whether an interrupt waits for its end.
    unbroken: Option<(String, bool)>,
}

static STATE: Mutex<State> = Mutex::new(State { groups: Vec::new(), hand: None, unbroken: None });

fn state() -> MutexGuard<'static, State> {
    // No code that holds it can leave it half changed.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on interrupts are handled here. Once in a process.
pub fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        let mut state = state();
        if let Some((what, waits)) = &mut state.unbroken {
            *waits = true;
            // Nobody may listen any more: a terminal that is closed interrupts, too.
            let _ = writeln!(
                std::io::stderr(),
                "bulkhead: waiting for `{what}` to end: stopped half-way it would leave the system's packages broken"
            );
            return;
        }
        match &state.hand {
            Some(hand) => hand(),
            None => {
                state.groups.iter().for_each(|group| end(*group));
                std::process::exit(i32::from(EXIT_INTERRUPTED));
            }
        }
    })
    .map_err(|error| Failure::new(format!("interrupts can't be handled: {error}")))
}

/// From now on interrupts are told this way, and end nothing.
pub fn hand_over(hand: impl Fn() + Send + 'static) {
    state().hand = Some(Box::new(hand));
}

/// While this lives, an interrupt waits for its end.
#[derive(Debug)]
pub struct Unbroken(());

impl Unbroken {
    /// From now on interrupts wait for the end of that program.
    pub fn begin(what: &str) -> Self {
        state().unbroken = Some((what.to_owned(), false));
        Self(())
    }

    /// Interrupts end the tool again. One that came meanwhile is the error.
    pub fn end(self) -> Result<()> {
        match state().unbroken.take() {
            Some((what, true)) => {
                Err(Failure::new(format!("interrupted, when `{what}` had ended")).exit(EXIT_INTERRUPTED))
            }
            _ => Ok(()),
        }
    }
}

fn end(group: Pid) {
    // It may have ended by itself.
    let _ = kill_process_group(group, Signal::KILL);
}

/// A group of processes that ends with this.
#[derive(Debug)]
pub struct Group(Pid);

impl Group {
    /// The group that a child leads, which was started with a group of its own.
    pub fn of(child: &std::process::Child) -> Option<Self> {
        let group = Pid::from_raw(i32::try_from(child.id()).ok()?)?;
        state().groups.push(group);
        Some(Self(group))
    }

    /// Its leader has ended and was reaped: its id may be another's by now.
    pub fn forget(self) {
        state().groups.retain(|group| *group != self.0);
        std::mem::forget(self);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        end(self.0);
        state().groups.retain(|group| *group != self.0);
    }
}
