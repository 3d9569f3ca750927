//! Looking for a way from one end to another that nobody trusted stands in.

use super::check::Door;
use super::graph::Graph;
use super::model::Model;
use super::node::{Node, Path, Step, Use, Why};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use system::GroupId;

/// A node, and the door by which it was entered, if that is one that does not count.
type Place = (Node, Option<usize>);

/// What does not count.
#[derive(Clone, Debug, Default)]
pub struct Allowed<'a> {
    /// Groups that may stand between.
    pub trust: BTreeSet<GroupId>,
    /// Doors that may be used by their ends.
    pub doors: &'a [Door],
}

impl Allowed<'_> {
    /// The door through which a thread goes in.
    fn door(&self, model: &Model, from: Node, why: Why, to: Node) -> Option<usize> {
        let group = from.group(model)?;
        self.doors.iter().position(|door| door.ends.contains(&group) && door.is_entered(why, to))
    }

    /// Whether the next step is one that does not count.
    fn leaves(&self, model: &Model, entered: Option<usize>, to: Node) -> bool {
        let Some(door) = entered else { return false };
        to.group(model).is_some_and(|group| self.doors[door].ends.contains(&group))
    }
}

impl Door {
    fn is_entered(&self, why: Why, to: Node) -> bool {
        match to {
            Node::Messages(id) | Node::Answers(id) | Node::Frame(id, _) => self.objects.contains(&id),
            Node::Notification(_) => {
                matches!(why, Why::Uses(_, Use::Cap(cnode, slot)) if self.capabilities.contains(&(cnode, slot)))
            }
            _ => false,
        }
    }
}

/// A shortest way, if there is one.
pub fn find(model: &Model, graph: &Graph, from: &[Node], to: &BTreeSet<Node>, allowed: &Allowed<'_>) -> Option<Path> {
    let mut came: BTreeMap<Place, Option<(Place, Why)>> = BTreeMap::new();
    let mut queue: VecDeque<Place> = VecDeque::new();
    for &node in from {
        came.insert((node, None), None);
        queue.push_back((node, None));
    }
    while let Some(place) = queue.pop_front() {
        let (node, entered) = place;
        for (next, why) in graph.from(node) {
            if allowed.leaves(model, entered, next) {
                continue;
            }
            let next_place = (next, allowed.door(model, node, why, next));
            if came.contains_key(&next_place) {
                continue;
            }
            let reached = to.contains(&next);
            let trusted = next == Node::Root || next.group(model).is_some_and(|group| allowed.trust.contains(&group));
            if trusted && !reached {
                continue;
            }
            came.insert(next_place, Some((place, why)));
            if reached {
                return Some(back(&came, next_place));
            }
            queue.push_back(next_place);
        }
    }
    None
}

fn back(came: &BTreeMap<Place, Option<(Place, Why)>>, end: Place) -> Path {
    let (mut steps, mut at) = (Vec::new(), end);
    while let Some(&Some((before, why))) = came.get(&at) {
        steps.push(Step { why, to: at.0 });
        at = before;
    }
    steps.reverse();
    Path { from: at.0, steps }
}
