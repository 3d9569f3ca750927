//! Random systems: the checker against the naive simulation.

use super::made::*;
use super::naive::{Call, Given, Small, THINGS};
use crate::claims::{Claim, End, Kind, Model, Thing, check};
use abi::rights::Rights;
use proptest::prelude::*;
use std::collections::BTreeSet;
use system::{GroupId, ObjectKind};

const COMPONENTS: usize = 5;

fn given() -> impl Strategy<Value = Given> {
    let (who, thing) = (0..COMPONENTS, 0..THINGS);
    prop_oneof![
        3 => (thing.clone(), any::<bool>()).prop_map(|(n, write)| Given::Mapped(n, write)),
        1 => (thing.clone(), any::<bool>(), any::<bool>()).prop_map(|(n, read, write)| Given::Frame(n, read, write)),
        3 => (thing.clone(), any::<bool>()).prop_map(|(n, signal)| Given::Notification(n, signal)),
        3 => (thing, prop_oneof![Just(Call::Plain), Just(Call::Grant), Just(Call::Receive)])
            .prop_map(|(n, call)| Given::Endpoint(n, call)),
        1 => who.clone().prop_map(Given::CNode),
        1 => who.clone().prop_map(Given::Thread),
        1 => who.clone().prop_map(Given::Space),
        1 => (who, any::<bool>()).prop_map(|(who, write)| Given::Program(who, write)),
    ]
}

fn small() -> impl Strategy<Value = Small> {
    let given = proptest::collection::vec((0..COMPONENTS, given()), 0..14);
    (given, proptest::collection::btree_set(0..COMPONENTS, 0..3)).prop_map(|(given, trusted)| {
        let itself = |who: usize, given: Given| match given {
            Given::CNode(other) | Given::Thread(other) | Given::Space(other) | Given::Program(other, _) => other == who,
            _ => false,
        };
        let given = given.into_iter().filter(|&(who, given)| !itself(who, given)).collect();
        Small { components: COMPONENTS, given, trusted }
    })
}

/// The same system as records.
fn records(small: &Small) -> (Made, Vec<Component>) {
    let mut made = Made::new();
    let names = ["a", "b", "c", "d", "e"];
    let components: Vec<Component> = (0..small.components).map(|n| made.component(names[n])).collect();
    let memory: Vec<_> = (0..THINGS).map(|_| made.memory(0)).collect();
    let bells: Vec<_> = (0..THINGS).map(|_| made.object(0, ObjectKind::Notification)).collect();
    let points: Vec<_> = (0..THINGS).map(|_| made.object(0, ObjectKind::Endpoint)).collect();
    for &(who, given) in &small.given {
        let me = components[who];
        let flags = |write| if write { READ_WRITE } else { READ };
        let mut rights = Rights::empty();
        match given {
            Given::Mapped(n, write) => _ = made.map(memory[n], me.space, flags(write)),
            Given::Frame(n, read, write) => {
                rights.set(Rights::READ, read);
                rights.set(Rights::WRITE, write);
                made.grant(me.cnode, memory[n], rights);
            }
            Given::Notification(n, signal) => {
                made.grant(me.cnode, bells[n], if signal { Rights::WRITE } else { Rights::READ });
            }
            Given::Endpoint(n, call) => {
                let rights = match call {
                    Call::Plain => Rights::WRITE,
                    Call::Grant => CALL,
                    Call::Receive => Rights::READ,
                };
                made.grant(me.cnode, points[n], rights);
            }
            Given::CNode(other) => _ = made.grant(me.cnode, components[other].cnode, ALL),
            Given::Thread(other) => _ = made.grant(me.cnode, components[other].tcb, ALL),
            Given::Space(other) => _ = made.grant(me.cnode, components[other].space, ALL),
            Given::Program(other, write) => _ = made.map(components[other].program, me.space, flags(write)),
        }
    }
    (made, components)
}

/// Pairs of which something can flow from the first to the second, by the checker.
fn judged(small: &Small) -> BTreeSet<(usize, usize)> {
    let (made, components) = records(small);
    let model = made.model();
    let trust: Vec<GroupId> = small.trusted.iter().map(|&who| components[who].group).collect();
    let mut found = BTreeSet::new();
    for from in 0..small.components {
        for to in (0..small.components).filter(|&to| to != from) {
            let ends = [from, to].map(|who| End::Group(components[who].group));
            let trust = trust.iter().copied().filter(|group| !ends.contains(&End::Group(*group))).collect();
            let [from_end, to_end] = ends;
            let claim = Claim { kind: Kind::NoFlow(vec![(from_end, to_end)]), trust, except: vec![], time: false };
            if !check(&model, &machine(), &claim).holds() {
                found.insert((from, to));
            }
        }
    }
    found
}

/// The same by simulation: for each pair anew, since nobody is trusted in a claim about itself.
fn simulated(small: &Small) -> BTreeSet<(usize, usize)> {
    let mut found = BTreeSet::new();
    for from in 0..small.components {
        for to in (0..small.components).filter(|&to| to != from) {
            let trusted = small.trusted.iter().copied().filter(|who| ![from, to].contains(who)).collect();
            let known = Small { trusted, ..small.clone() }.simulate();
            if known[to].contains(&from) {
                found.insert((from, to));
            }
        }
    }
    found
}

fn has_space(small: &Small) -> bool {
    small.given.iter().any(|(_, given)| matches!(given, Given::Space(_)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Damage is an error, or a system that can be judged; it ends no program.
    #[test]
    fn no_bytes_are_too_much(small in small(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = records(&small).0.bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(model) = Model::read(&bytes) {
            for thing in [Thing::Group(1), Thing::Device(0), Thing::Memory(vec![0])] {
                let kind = Kind::Exclusive(thing, vec![]);
                check(&model, &machine(), &Claim { kind, trust: vec![2], except: vec![], time: true });
            }
            let kind = Kind::NoFlow(vec![(End::Group(1), End::Group(2))]);
            check(&model, &machine(), &Claim { kind, trust: vec![3], except: vec![], time: true });
        }
    }

    /// Whatever can happen, the checker knows. And it knows no more, but for one thing: who could map into another's space is
    /// taken to be able to tell it something, whether there is something to map or not.
    #[test]
    fn the_checker_knows_what_can_happen(small in small()) {
        let (judged, simulated) = (judged(&small), simulated(&small));
        prop_assert!(simulated.is_subset(&judged), "missed {:?}", simulated.difference(&judged));
        if !has_space(&small) {
            prop_assert_eq!(judged, simulated);
        }
    }
}

#[test]
fn random_systems_are_of_both_kinds() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut flows, mut apart) = (0, 0);
    for _ in 0..200 {
        let small = small().new_tree(&mut runner).unwrap().current();
        let found = judged(&small).len();
        flows += found;
        apart += COMPONENTS * (COMPONENTS - 1) - found;
    }
    assert!(flows > 500 && apart > 500, "{flows} flows, {apart} pairs that are apart");
}
