//! What comes of the claims, in words.

use super::names::{Directory, machine};
use super::resolve::{Claim, Kind, Named};
use crate::claims::{self, End, Path, Step, Thing, Verdict, Why, check};
use crate::compose::problem::Problem;
use crate::compose::resolve::{Resolved, ResolvedChannel};

/// A claim that holds, for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What is claimed, as it was written.
    pub claim: String,
    /// All of it on one line.
    pub whole: String,
    /// Who may stand between.
    pub trust: Vec<String>,
    /// Which channels may be used.
    pub except: Vec<String>,
    /// Whether time counts.
    pub time: bool,
}

/// Holds a system's claims against what it was compiled to. Those that hold, or why not all do.
pub fn judge(system: &Resolved, compiled: &[u8]) -> Result<Vec<Judged>, Vec<Problem>> {
    let Some(first) = system.claims.first() else { return Ok(Vec::new()) };
    let unreadable = |why: String| {
        vec![
            Problem::at(&first.span, format!("the compiled system can't be judged: {why}"), "claims begin here")
                .help(FAULT),
        ]
    };
    let directory = Directory::read(compiled).map_err(unreadable)?;
    let court = Court { system, directory, machine: machine(&system.board) };
    let mut problems = Vec::new();
    let mut judged = Vec::new();
    for claim in &system.claims {
        match court.claim(claim) {
            Ok(asked) => {
                let verdict = check(&court.directory.model, &court.machine, &asked);
                problems.extend(court.problems(claim, &verdict));
            }
            Err(why) => {
                let message = format!("the claim can't be judged: {why}");
                problems.push(Problem::at(&claim.span, message, "claimed here").help(FAULT));
            }
        }
        judged.push(Judged {
            claim: claim.text.clone(),
            whole: claim.whole.clone(),
            trust: claim.trust.clone(),
            except: claim.except.iter().map(|&n| system.channels[n].name.value.clone()).collect(),
            time: claim.time,
        });
    }
    if problems.is_empty() { Ok(judged) } else { Err(problems) }
}

const FAULT: &str = "nothing in the manifest says so: this is a fault of the composer, please report it";

struct Court<'a> {
    system: &'a Resolved,
    directory: Directory,
    machine: claims::Machine,
}

impl Court<'_> {
    /// The claim as the checker takes it. The error says what of it is not in the compiled system.
    fn claim(&self, claim: &Claim) -> Result<claims::Claim, String> {
        let group = |name: &str| self.directory.group(name).ok_or_else(|| format!("there is no compartment `{name}`"));
        let trust = claim.trust.iter().map(|name| group(name)).collect::<Result<_, _>>()?;
        let except = claim.except.iter().map(|&n| self.door(&self.system.channels[n])).collect();
        let kind = match &claim.kind {
            Kind::NoFlow(pairs) => {
                let pair = |(from, to): &(crate::compose::problem::At<Named>, crate::compose::problem::At<Named>)| {
                    Ok::<_, String>((self.end(&from.value)?, self.end(&to.value)?))
                };
                claims::Kind::NoFlow(pairs.iter().map(pair).collect::<Result<_, _>>()?)
            }
            Kind::Exclusive(of, to) => {
                let thing = match self.end(&of.value)? {
                    End::Group(group) => Thing::Group(group),
                    End::Device(n) => Thing::Device(n),
                    End::Memory(objects) => Thing::Memory(objects),
                };
                let named: Vec<String> = match to.is_empty() {
                    true => self.owners(&of.value),
                    false => to.iter().filter_map(|to| compartment(&to.value)).collect(),
                };
                let mut to: Vec<_> = named.iter().map(|name| group(name)).collect::<Result<_, _>>()?;
                if let Thing::Group(own) = thing {
                    to.push(own);
                }
                claims::Kind::Exclusive(thing, to)
            }
        };
        Ok(claims::Claim { kind, trust, except, time: claim.time })
    }

    fn end(&self, named: &Named) -> Result<End, String> {
        match named {
            Named::Compartment(name) => match self.directory.group(name) {
                Some(group) if self.has_thread(group) => Ok(End::Group(group)),
                _ => Err(format!("`{name}` has no thread")),
            },
            Named::Device(name) => {
                let n = self.machine.devices.iter().position(|device| device.name == *name);
                n.map(End::Device).ok_or_else(|| format!("there is no device `{name}`"))
            }
            Named::Channel(n) => {
                let channel = &self.system.channels[*n];
                let objects = self.door(channel).objects;
                match objects.is_empty() {
                    true => Err(format!("the ends of `{}` have no memory in common", channel.name.value)),
                    false => Ok(End::Memory(objects)),
                }
            }
        }
    }

    fn has_thread(&self, group: system::GroupId) -> bool {
        self.directory.model.threads.iter().any(|thread| self.directory.model.group_of(thread.tcb) == group)
    }

    fn ends<'a>(&'a self, channel: &'a ResolvedChannel) -> [Vec<&'a str>; 2] {
        let name = |n: usize| self.system.components[n].component.name.value.as_str();
        [&channel.from, &channel.to].map(|ends| ends.iter().map(|end| name(end.value)).collect())
    }

    fn door(&self, channel: &ResolvedChannel) -> claims::Door {
        let [from, to] = self.ends(channel);
        self.directory.door(&channel.name.value, &channel.kind, &from, &to)
    }

    /// Who has it by the manifest.
    fn owners(&self, of: &Named) -> Vec<String> {
        match of {
            Named::Compartment(name) => vec![name.clone()],
            Named::Device(name) if name == super::names::UART => vec!["console".to_owned()],
            Named::Device(name) => {
                let drives =
                    self.system.components.iter().filter(|it| it.devices.iter().any(|at| at.value.name == *name));
                drives.map(|it| it.component.name.value.clone()).collect()
            }
            Named::Channel(n) => self.ends(&self.system.channels[*n]).concat().into_iter().map(str::to_owned).collect(),
        }
    }

    /// One problem for each way; a way back is told with the way there.
    fn problems(&self, claim: &Claim, verdict: &Verdict) -> Vec<Problem> {
        let ends = |path: &Path| {
            let of = |node: Option<claims::Node>| node.map(|node| node.group(&self.directory.model).ok_or(node));
            (of(Some(path.from)), of(path.steps.last().map(|step| step.to)))
        };
        let back = |path: &Path| {
            let (from, to) = ends(path);
            verdict.paths.iter().position(|other| ends(other) == (to, from))
        };
        let told = verdict.paths.iter().enumerate().filter(|(n, path)| back(path).is_none_or(|other| other > *n));
        told.map(|(_, path)| self.broken(claim, verdict, path, back(path).is_some())).collect()
    }

    fn broken(&self, claim: &Claim, verdict: &Verdict, path: &Path, back: bool) -> Problem {
        let (model, names) = (&self.directory.model, &self.directory.names);
        let text = |path: &Path| path.text(model, &self.machine, names);
        let first = path.from.text(model, &self.machine);
        let last = path.steps.last().map_or_else(|| first.clone(), |step| step.to.text(model, &self.machine));
        let message = match &claim.kind {
            Kind::NoFlow(_) => {
                let back = if back { ", and back" } else { "" };
                format!("a claim does not hold: something can flow from {first} to {last}{back}")
            }
            Kind::Exclusive(of, _) => format!("a claim does not hold: {first} has `{}`, too", self.called(&of.value)),
        };
        let mut problem = Problem::at(&claim.span, message, "claimed here");
        let channels = self.channels(path);
        for channel in &channels {
            problem = problem.also(&channel.name.span, "through this channel");
        }
        for name in self.between(path) {
            let components = self.system.components.iter().map(|it| &it.component.name);
            let mut known = components.chain(self.system.vms.iter().map(|vm| &vm.vm.name));
            if let Some(at) = known.find(|at| at.value == name) {
                problem = problem.also(&at.span, "through this compartment");
            }
        }
        let mut help = text(path);
        for (group, how) in &verdict.distrusted {
            let name = &model.groups[usize::from(*group)];
            help.push_str(&format!("\n`{name}` can't be trusted here, others control it: {}", text(how)));
        }
        help.push_str(&format!("\n{}", self.mend(claim, path, &channels)));
        problem.help(help)
    }

    /// The compartments on a way, but for its ends.
    fn between(&self, path: &Path) -> Vec<String> {
        let model = &self.directory.model;
        let ends = [path.from.group(model), path.steps.last().and_then(|step| step.to.group(model))];
        let between = path.groups(model).into_iter().filter(|group| !ends.contains(&Some(*group)));
        between.map(|group| model.groups[usize::from(group)].clone()).collect()
    }

    fn called(&self, named: &Named) -> String {
        match named {
            Named::Compartment(name) => name.clone(),
            Named::Device(name) => format!("device.{name}"),
            Named::Channel(n) => format!("channel.{}", self.system.channels[*n].name.value),
        }
    }

    /// The manifest's channels on a way.
    fn channels(&self, path: &Path) -> Vec<&ResolvedChannel> {
        let names = &self.directory.names;
        let used = |step: &Step| match step.why {
            Why::Uses(_, used) => names.of(used),
            Why::Nature(_) => None,
        };
        let named: Vec<&str> = path.steps.iter().filter_map(used).collect();
        let on_it = |channel: &&ResolvedChannel| {
            let name = channel.name.value.as_str();
            named.iter().any(|used| *used == name || used.split_once('.').is_some_and(|(first, _)| first == name))
        };
        self.system.channels.iter().filter(on_it).collect()
    }

    fn mend(&self, claim: &Claim, path: &Path, channels: &[&ResolvedChannel]) -> String {
        if matches!(claim.kind, Kind::Exclusive(..)) {
            return match channels.is_empty() {
                true => "change who has it, or name that one in `to` or `trust`".to_owned(),
                false => "change who is at its ends, or name that one in `to` or `trust`".to_owned(),
            };
        }
        let (model, between) = (&self.directory.model, self.between(path));
        let mut ways = Vec::new();
        if path.steps.iter().any(|step| matches!(step.to, claims::Node::Core(_))) {
            ways.push("give them different cores, or don't write time = true".to_owned());
        } else if !between.is_empty() {
            let quoted: Vec<_> = between.iter().map(|name| format!("`{name}`")).collect();
            ways.push(format!("name who may stand between in `trust`: {}", quoted.join(", ")));
        }
        if let [channel, ..] = channels {
            let name = &channel.name.value;
            ways.push(format!("take the channel `{name}` out, or, if it is meant, add except = [\"channel.{name}\"]"));
        }
        let ends = [path.from.group(model), path.steps.last().and_then(|step| step.to.group(model))];
        let component = |group: system::GroupId| {
            let mut names = self.system.components.iter().map(|it| &it.component.name.value);
            names.any(|name| *name == model.groups[usize::from(group)])
        };
        if between == ["console"] && ends.into_iter().flatten().any(component) {
            ways.push("or write console = false in one of the ends".to_owned());
        }
        if ways.is_empty() { FAULT.to_owned() } else { ways.join("; ") }
    }
}

fn compartment(named: &Named) -> Option<String> {
    match named {
        Named::Compartment(name) => Some(name.clone()),
        _ => None,
    }
}
