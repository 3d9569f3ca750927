//! Components with memory to make objects of, and components that handle the faults of others.

use super::fake::{checked, materials};
use crate::compose::assemble::{Composed, assemble};
use crate::compose::report;
use protocol::config::Config;
use std::collections::BTreeMap;
use system::{ObjectId, ObjectKind, Reader, Record};

const SYSTEM: &str = r#"
    [system]
    version = 1
    [component.second]
    crate = "ward"
    fault-handler = "keeper"
    [component.keeper]
    crate = "keeper"
    priority = 130
    untyped = "64KiB"
    [component.first]
    crate = "ward"
    fault-handler = "keeper"
    [component.free]
    crate = "ward"
"#;

fn composed() -> Composed {
    let checked = checked(SYSTEM).unwrap();
    assemble(&checked.system, &materials(&checked.system)).unwrap()
}

struct Seen<'a> {
    groups: Vec<&'a str>,
    objects: Vec<(u16, ObjectKind)>,
    configs: BTreeMap<&'a str, Config<'a>>,
    /// By the CNode's compartment and the slot.
    grants: BTreeMap<(&'a str, u32), (ObjectId, u8)>,
    /// By compartment: the object to which its first thread's faults go, the badge, and the thread.
    faults: BTreeMap<&'a str, (ObjectId, u32, ObjectId)>,
}

fn read(bytes: &[u8]) -> Seen<'_> {
    let (reader, _) = Reader::new(bytes).unwrap();
    let records: Vec<Record<'_>> = reader.map(Result::unwrap).collect();
    let mut seen = Seen {
        groups: Vec::new(),
        objects: Vec::new(),
        configs: BTreeMap::new(),
        grants: BTreeMap::new(),
        faults: BTreeMap::new(),
    };
    for record in &records {
        match *record {
            Record::Group { name, .. } => seen.groups.push(name),
            Record::Object { group, kind, .. } => seen.objects.push((group, kind)),
            Record::FillBytes { bytes, .. } => {
                let config = Config::read(bytes).unwrap();
                seen.configs.insert(config.name, config);
            }
            Record::Grant { cnode, index, object, rights, .. } => {
                seen.grants.insert((seen.owner(cnode), index), (object, rights));
            }
            Record::Thread { tcb, fault: Some((endpoint, badge)), .. } => {
                seen.faults.insert(seen.owner(tcb), (endpoint, badge, tcb));
            }
            _ => {}
        }
    }
    seen
}

impl<'a> Seen<'a> {
    fn owner(&self, object: ObjectId) -> &'a str {
        self.groups[usize::from(self.objects[usize::from(object)].0)]
    }

    fn held(&self, who: &'a str, name: &str) -> (ObjectId, u8) {
        self.grants[&(who, self.configs[who].capability(name).unwrap())]
    }
}

#[test]
fn faults_go_to_their_handler_which_has_the_threads() {
    let composed = composed();
    let seen = read(&composed.system);
    let (endpoint, rights) = seen.held("keeper", "faults");
    assert_eq!((seen.objects[usize::from(endpoint)].1, rights), (ObjectKind::Endpoint, abi::Rights::READ.bits()));
    assert_eq!(seen.owner(endpoint), "root", "it outlives its handler and those whose faults it brings");
    assert_eq!(seen.objects[usize::from(seen.held("keeper", "faults.reply").0)].1, ObjectKind::Reply);
    // The first in the manifest has the first badge.
    for (ward, badge) in [("second", 1), ("first", 2)] {
        let (thread, _) = seen.held("keeper", &format!("{ward}.thread"));
        assert_eq!(seen.faults[ward], (endpoint, badge, thread));
        assert_eq!((seen.objects[usize::from(thread)].1, seen.owner(thread)), (ObjectKind::Tcb, ward));
        assert!(seen.configs[ward].capability("faults").is_none());
    }
    for other in ["keeper", "free"] {
        assert_ne!(seen.faults[other].0, endpoint, "{other}");
    }
    let checked = checked(SYSTEM).unwrap();
    let json = report::json(&checked.system, &composed);
    let handled = json.compartments.iter().filter(|compartment| compartment.on_crash == "handler");
    assert_eq!(handled.map(|compartment| compartment.name.as_str()).collect::<Vec<_>>(), ["second", "first"]);
    let flows: Vec<_> = json.flows.iter().filter(|flow| flow.kind == "faults").collect();
    assert_eq!(flows.len(), 2);
    assert!(flows.iter().all(|flow| flow.to == "keeper" && flow.both_ways));
}

#[test]
fn an_untyped_belongs_to_its_component_alone_and_comes_with_slots() {
    let composed = composed();
    let seen = read(&composed.system);
    let (untyped, _) = seen.held("keeper", "untyped");
    assert_eq!(seen.objects[usize::from(untyped)].1, ObjectKind::Untyped { bits: 16 });
    assert_eq!(seen.owner(untyped), "keeper", "what is moved belongs to who gets it");
    assert_eq!(seen.objects.iter().filter(|(_, kind)| matches!(kind, ObjectKind::Untyped { .. })).count(), 1);
    let slots = |who: &str| {
        let of_who = |object: &&(u16, ObjectKind)| seen.groups[usize::from(object.0)] == who;
        seen.objects.iter().filter(of_who).find_map(|(_, kind)| match kind {
            ObjectKind::CNode { bits } => Some(1_u32 << bits),
            _ => None,
        })
    };
    let last = seen.configs["keeper"].capabilities.iter().map(|named| named.slot).max().unwrap();
    assert!(slots("keeper").unwrap() > last + 64);
    assert!(slots("free").unwrap() < 64);
}
