//! What could happen in a small system, simulated step by step until nothing new comes: who has which capabilities, and whose words are
//! where. It knows neither paths nor graphs: capabilities move, memory is written and read, and what is marked spreads.

use std::collections::BTreeSet;

/// A component of the small system.
pub type Who = usize;

/// Something that a component was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Given {
    /// A mapping of a shared memory: readable, and writable or not.
    Mapped(usize, bool),
    /// A capability to a frame of a shared memory: readable, writable.
    Frame(usize, bool, bool),
    /// To signal or to wait.
    Notification(usize, bool),
    /// To call (with or without granting) or to receive.
    Endpoint(usize, Call),
    /// Another's CNode.
    CNode(Who),
    /// Another's thread.
    Thread(Who),
    /// Another's address space.
    Space(Who),
    /// A mapping of another's program: readable, and writable or not.
    Program(Who, bool),
}

/// What can be done with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Call.
    Plain,
    /// Call, and send capabilities along.
    Grant,
    /// Receive and answer.
    Receive,
}

/// A small system.
#[derive(Clone, Debug)]
pub struct Small {
    pub components: usize,
    /// What each was given.
    pub given: Vec<(Who, Given)>,
    /// Who only does what it is there for: nothing, here.
    pub trusted: BTreeSet<Who>,
}

type Words = BTreeSet<Who>;

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    caps: Vec<BTreeSet<Given>>,
    /// Words that reached each component.
    known: Vec<Words>,
    memory: Vec<Words>,
    program: Vec<Words>,
    bells: Vec<Words>,
    asked: Vec<Words>,
    answered: Vec<Words>,
    /// Capabilities on their way.
    sent: Vec<BTreeSet<Given>>,
    returned: Vec<BTreeSet<Given>>,
    /// Who acts: the untrusted, and whom they have made do so.
    acts: BTreeSet<Who>,
}

/// Shared memories, bells and endpoints of a small system.
pub const THINGS: usize = 3;

impl Small {
    /// For each component, whose words it can come to know.
    pub fn simulate(&self) -> Vec<Words> {
        let none = vec![Words::new(); THINGS];
        let mut state = State {
            caps: vec![BTreeSet::new(); self.components],
            known: (0..self.components).map(|who| [who].into()).collect(),
            program: vec![Words::new(); self.components],
            memory: none.clone(),
            bells: none.clone(),
            asked: none.clone(),
            answered: none,
            sent: vec![BTreeSet::new(); THINGS],
            returned: vec![BTreeSet::new(); THINGS],
            acts: (0..self.components).filter(|who| !self.trusted.contains(who)).collect(),
        };
        self.given.iter().for_each(|&(who, given)| _ = state.caps[who].insert(given));
        loop {
            let before = state.clone();
            for who in before.acts.iter().copied() {
                for given in before.caps[who].clone() {
                    state.act(who, given);
                }
                // Its own program is its memory.
                let known = state.known[who].clone();
                state.program[who].extend(known);
                let written = state.program[who].clone();
                state.known[who].extend(written);
            }
            if state == before {
                return state.known;
            }
        }
    }
}

fn spread(from: &Words, to: &mut Words) {
    to.extend(from);
}

impl State {
    fn act(&mut self, who: Who, given: Given) {
        match given {
            Given::Mapped(n, write) => self.memory(who, n, true, write),
            Given::Frame(n, read, write) => {
                self.memory(who, n, read, write);
                // It can be mapped into any space that one has.
                for other in self.spaces(who) {
                    if read || write {
                        self.caps[other].insert(Given::Frame(n, read, write));
                    }
                }
            }
            Given::Notification(n, signal) => {
                if signal {
                    spread(&self.known[who], &mut self.bells[n]);
                } else {
                    // What one waiter takes, another misses.
                    spread(&self.known[who].clone(), &mut self.bells[n]);
                    spread(&self.bells[n], &mut self.known[who]);
                }
            }
            Given::Endpoint(n, Call::Receive) => {
                spread(&self.known[who], &mut self.asked[n]);
                spread(&self.asked[n], &mut self.known[who]);
                spread(&self.known[who], &mut self.answered[n]);
                // An answer can always carry a capability.
                let (sent, mine) = (self.sent[n].clone(), self.caps[who].clone());
                self.caps[who].extend(sent);
                self.returned[n].extend(mine);
            }
            Given::Endpoint(n, call) => {
                spread(&self.known[who], &mut self.asked[n]);
                spread(&self.answered[n], &mut self.known[who]);
                if call == Call::Grant {
                    let mine = self.caps[who].clone();
                    self.sent[n].extend(mine);
                }
                let returned = self.returned[n].clone();
                self.caps[who].extend(returned);
            }
            Given::CNode(other) | Given::Thread(other) => self.is(who, other),
            Given::Space(other) => {
                self.acts.insert(other);
            }
            Given::Program(other, write) => {
                self.acts.insert(other);
                spread(&self.program[other], &mut self.known[who]);
                if write {
                    spread(&self.known[who], &mut self.program[other]);
                }
            }
        }
    }

    fn memory(&mut self, who: Who, n: usize, read: bool, write: bool) {
        if read {
            spread(&self.memory[n], &mut self.known[who]);
        }
        if write {
            spread(&self.known[who], &mut self.memory[n]);
        }
    }

    fn spaces(&self, who: Who) -> Vec<Who> {
        let space = |given: &Given| match given {
            Given::Space(other) => Some(*other),
            _ => None,
        };
        self.caps[who].iter().filter_map(space).collect()
    }

    /// Two that are one from now on.
    fn is(&mut self, one: Who, other: Who) {
        self.acts.insert(other);
        let caps: BTreeSet<Given> = self.caps[one].union(&self.caps[other]).copied().collect();
        let known: Words = self.known[one].union(&self.known[other]).copied().collect();
        for who in [one, other] {
            self.caps[who] = caps.clone();
            self.known[who] = known.clone();
        }
    }
}
