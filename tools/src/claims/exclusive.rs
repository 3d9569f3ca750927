//! Who has something, and whether anybody else does.

use super::check::Thing;
use super::control::Control;
use super::graph::Graph;
use super::model::{Model, Space};
use super::node::{Access, Node, Path, Step, Why};
use std::collections::BTreeSet;
use system::{GroupId, ObjectKind};

/// Those who have a thing and may not, each with what gives it to them. Whoever controls who has it, has it.
pub fn others(
    model: &Model,
    graph: &Graph,
    interrupts: &[u16],
    thing: &Thing,
    may: &BTreeSet<GroupId>,
    controls: &[Control],
) -> Vec<Path> {
    let mut found: Vec<(GroupId, Path)> = Vec::new();
    for thread in &model.threads {
        let group = model.group_of(thread.tcb);
        let known = |found: &[(GroupId, Path)]| found.iter().any(|(other, _)| *other == group);
        let me = Node::Thread(thread.tcb);
        let has = graph.touched_by(me).filter(|&(access, _, node)| is(model, interrupts, thing, access, node));
        // The registers of a device say more than the notification of its interrupt.
        let touches = has.min_by_key(|(_, _, node)| matches!(node, Node::Notification(_)));
        if let Some((access, used, node)) = touches
            && !known(&found)
        {
            found.push((group, Path { from: me, steps: vec![Step { why: Why::Uses(access, used), to: node }] }));
        }
    }
    let mut next = 0;
    while let Some((holder, path)) = found.get(next).cloned() {
        next += 1;
        for control in controls.iter().filter(|control| control.of == holder) {
            let by = model.group_of(control.by);
            if !found.iter().any(|(other, _)| *other == by) {
                let mut whole = control.path.clone();
                whole.steps.push(Step { why: Why::Nature("controls"), to: path.from });
                whole.steps.extend(path.steps.iter().copied());
                found.push((by, whole));
            }
        }
    }
    found.into_iter().filter(|(group, _)| !may.contains(group)).map(|(_, path)| path).collect()
}

/// Whether to touch a node so is to have the thing.
fn is(model: &Model, interrupts: &[u16], thing: &Thing, access: Access, node: Node) -> bool {
    if matches!(node, Node::Everything(_)) {
        return true;
    }
    match thing {
        Thing::Device(device) => {
            let bound = |id| {
                model.interrupts.iter().any(|&(irq, notification)| {
                    let number = match model.objects[usize::from(irq)].1 {
                        ObjectKind::Irq { intid, .. } => intid,
                        _ => return false,
                    };
                    notification == id && interrupts.contains(&number)
                })
            };
            match node {
                Node::Device(n) => n == *device,
                Node::Interrupt(number) => interrupts.contains(&number),
                Node::Notification(id) => access == Access::Read && bound(id),
                _ => false,
            }
        }
        Thing::Memory(objects) => matches!(node, Node::Frame(id, _) if objects.contains(&id)),
        Thing::Group(group) => match node {
            Node::Untyped(of, _) => of == *group || model.groups[usize::from(of)] == "root",
            // What others may send there is no authority over it.
            Node::Messages(id) | Node::Notification(id) => access == Access::Read && model.group_of(id) == *group,
            Node::Answers(id) => access == Access::Write && model.group_of(id) == *group,
            Node::Thread(id)
            | Node::CNode(id)
            | Node::Space(Space::Of(id))
            | Node::Table(id)
            | Node::Frame(id, _)
            | Node::Reply(id)
            | Node::Pool(id)
            | Node::Vcpu(id)
            | Node::Context(id) => model.group_of(id) == *group,
            _ => false,
        },
    }
}
