//! VMs with several vCPUs: each has what one has, and the guest is told of all.

use super::round_trip::{SYSTEM, Seen, composed, read};
use crate::compose::report;
use std::collections::BTreeSet;
use system::{ObjectId, ObjectKind, Record};

fn several(vcpus: u32) -> String {
    SYSTEM.replace("ram = \"128MiB\"", &format!("ram = \"128MiB\"\nvcpus = {vcpus}"))
}

/// The object behind a capability that the configuration of `who` names.
fn held(seen: &Seen<'_>, who: &str, name: &str) -> Option<ObjectId> {
    let slot = seen.config(who).capability(name)?;
    seen.records.iter().find_map(|record| match *record {
        Record::Grant { cnode, index, object, .. } if index == slot && seen.owner(cnode) == who => Some(object),
        _ => None,
    })
}

#[test]
fn each_vcpu_has_all_that_it_takes_and_none_is_another_s() {
    for vcpus in 1..=4 {
        let composed = composed(&several(vcpus));
        let seen = read(&composed.system);
        assert_eq!(u32::from(seen.config("linux").vm.unwrap().vcpus), vcpus);
        assert_eq!(seen.config("second").vm.unwrap().vcpus, 1);
        let mut objects = BTreeSet::new();
        for n in 0..vcpus {
            for name in ["exits", "reply", "vcpu", "guest", "exit-thread", "context"] {
                let object = held(&seen, "linux", &format!("{name}.{n}")).unwrap_or_else(|| panic!("no {name}.{n}"));
                assert!(objects.insert(object), "{name}.{n} is something else, too");
            }
            let held = |name: &str| held(&seen, "linux", &format!("{name}.{n}")).unwrap();
            assert_eq!(seen.objects[usize::from(held("vcpu"))].2, ObjectKind::Vcpu { number: n as u8 });
            let guest = seen.records.iter().find_map(|record| match *record {
                Record::Thread { tcb, vcpu, fault, vspace, .. } if tcb == held("guest") => Some((vcpu, fault, vspace)),
                _ => None,
            });
            let (vcpu, fault, vspace) = guest.unwrap();
            assert_eq!((vcpu, fault), (Some(held("vcpu")), Some((held("exits"), 1 + n))));
            // All of them see one memory.
            let first = seen.records.iter().find_map(|record| match *record {
                Record::Thread { vcpu: Some(_), vspace, .. } if seen.owner(vspace) == "linux" => Some(vspace),
                _ => None,
            });
            assert_eq!(Some(vspace), first);
        }
        assert_eq!(held(&seen, "linux", &format!("vcpu.{vcpus}")), None);
        let threads = report::json(&super::fake::checked(&several(vcpus)).unwrap().system, &composed).threads;
        let told = threads.iter().filter(|line| line.compartment == "linux" && line.name.starts_with("guest "));
        assert_eq!(told.count() as u32, vcpus);
    }
}

#[test]
fn the_device_tree_names_them_and_wires_the_timer_to_each() {
    for vcpus in [1, 2, 4] {
        let composed = composed(&several(vcpus));
        let tree =
            composed.plan.regions.iter().flat_map(|region| &region.files).find(|file| file.name == "device-tree");
        let bytes = &tree.unwrap().bytes;
        let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        for n in 0..4 {
            assert_eq!(has(format!("cpu@{n}\0").as_bytes()), n < vcpus, "cpu@{n} of {vcpus}");
        }
        // PPI 11, level low, for that many processors.
        let timer = [1, 11, ((1 << vcpus) - 1) << 8 | 8_u32].map(u32::to_be_bytes).concat();
        assert!(has(&timer) && has(b"psci\0"));
    }
}
