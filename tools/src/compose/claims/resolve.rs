//! What the names in claims mean.

use crate::compose::manifest::{self, Channel, ChannelKind, Ends};
use crate::compose::problem::{At, Problem, Span, did_you_mean};
use boards::Board;

/// What a claim can be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A compartment.
    Compartment(String),
    /// A device of the board.
    Device(String),
    /// A channel, by its place.
    Channel(usize),
}

/// What is claimed. Pairs are ordered.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Nothing flows from the first of a pair to the second.
    NoFlow(Vec<(At<Named>, At<Named>)>),
    /// Nobody else has it.
    Exclusive(At<Named>, Vec<At<Named>>),
}

/// A claim whose every name means something.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Where what is claimed stands.
    pub span: Span,
    /// It, as it was written.
    pub text: String,
    /// All of it on one line: with who is trusted, which channels don't count, and whether time does.
    pub whole: String,
    /// What is claimed.
    pub kind: Kind,
    /// Compartments that may stand between.
    pub trust: Vec<String>,
    /// Channels that may be used, by their places.
    pub except: Vec<usize>,
    /// Whether time counts.
    pub time: bool,
}

/// What there is to be named.
pub struct Scope<'a> {
    /// VMs.
    pub vms: Vec<&'a str>,
    /// Components.
    pub components: Vec<&'a str>,
    /// Channels.
    pub channels: &'a [Channel],
    /// The board, if it is known.
    pub board: Option<&'a Board>,
}

/// What every system has beside the manifest's components.
const SERVICES: &[&str] = &["console", "log"];

/// Finds what the names of a claim mean; `None`, with problems, if one means nothing.
pub fn resolve(claim: &manifest::Claim, source: &str, scope: &Scope<'_>, problems: &mut Vec<Problem>) -> Option<Claim> {
    let before = problems.len();
    let mut trust: Vec<String> =
        claim.trust.iter().filter_map(|name| scope.compartment(name, "`trust`", problems)).collect();
    let mut except: Vec<usize> = claim.except.iter().filter_map(|name| scope.channel(name, problems)).collect();
    let kind = match &claim.kind {
        manifest::ClaimKind::NoFlow(ends) => Kind::NoFlow(scope.pairs(ends, problems)),
        manifest::ClaimKind::OnlyVia(ends, via) => {
            let pairs = scope.pairs(ends, problems);
            for name in via {
                match scope.anything(name, problems) {
                    Some(Named::Compartment(name)) => trust.push(name),
                    Some(Named::Channel(n)) => except.push(n),
                    Some(Named::Device(_)) => problems.push(
                        Problem::at(&name.span, "nothing flows via a device", "a device")
                            .help("name compartments and channels"),
                    ),
                    None => {}
                }
            }
            Kind::NoFlow(pairs)
        }
        manifest::ClaimKind::Exclusive(of, to) => {
            let of = scope.end(of, problems);
            let to = to.iter().filter_map(|name| {
                Some(At::new(Named::Compartment(scope.compartment(name, "`to`", problems)?), name.span.clone()))
            });
            let to = to.collect();
            Kind::Exclusive(of?, to)
        }
    };
    if let Kind::NoFlow(pairs) = &kind {
        for end in pairs.iter().flat_map(|(from, to)| [from, to]) {
            if let Named::Compartment(name) = &end.value
                && trust.contains(name)
            {
                problems.push(
                    Problem::at(&end.span, format!("`{name}` is trusted by the claim that is about it"), "an end")
                        .help("trust is for who may stand between the ends: take it out of `trust`, or of `via`"),
                );
            }
        }
    }
    let text = source.get(claim.span.clone()).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let word = match &claim.kind {
        manifest::ClaimKind::NoFlow(_) => "no-flow",
        manifest::ClaimKind::OnlyVia(..) => "only-via",
        manifest::ClaimKind::Exclusive(..) => "exclusive",
    };
    let text = format!("{word} = {text}");
    let mut whole = text.clone();
    for (word, names) in [("trust", &claim.trust), ("except", &claim.except)] {
        let names: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
        if !names.is_empty() {
            whole.push_str(&format!(", {word} {}", names.join(" and ")));
        }
    }
    whole.push_str(if claim.time { ", time" } else { "" });
    let resolved = Claim { span: claim.span.clone(), text, whole, kind, trust, except, time: claim.time };
    (problems.len() == before).then_some(resolved)
}

impl Scope<'_> {
    fn pairs(&self, ends: &Ends, problems: &mut Vec<Problem>) -> Vec<(At<Named>, At<Named>)> {
        let mut resolved = |names: &[At<String>]| -> Vec<At<Named>> {
            names.iter().filter_map(|name| self.end(name, problems)).collect()
        };
        let mut pairs = Vec::new();
        match ends {
            Ends::Between(names) => {
                let names = resolved(names);
                for (n, from) in names.iter().enumerate() {
                    let others = names.iter().enumerate().filter(|(m, _)| *m != n);
                    pairs.extend(others.map(|(_, to)| (from.clone(), to.clone())));
                }
            }
            Ends::FromTo(from, to) => {
                let (from, to) = (resolved(from), resolved(to));
                pairs.extend(from.iter().flat_map(|from| to.iter().map(|to| (from.clone(), to.clone()))));
            }
        }
        if let Some((from, to)) = pairs.iter().find(|(from, to)| from.value == to.value) {
            problems.push(
                Problem::at(&to.span, "a claim about something and itself", "again")
                    .also(&from.span, "first here")
                    .help("name different ends"),
            );
        }
        pairs
    }

    /// An end of a flow, or what somebody has alone: a channel must be a memory.
    fn end(&self, name: &At<String>, problems: &mut Vec<Problem>) -> Option<At<Named>> {
        let found = self.anything(name, problems)?;
        if let Named::Channel(n) = found
            && !matches!(self.channels[n].kind, ChannelKind::Memory(_))
        {
            let message = format!("`{}` is no memory", name.value);
            problems.push(
                Problem::at(&name.span, message, "a channel of calls or signals")
                    .help("name the compartments that it joins; what stays somewhere is only in a channel of memory"),
            );
            return None;
        }
        Some(At::new(found, name.span.clone()))
    }

    fn compartment(&self, name: &At<String>, what: &str, problems: &mut Vec<Problem>) -> Option<String> {
        match self.anything(name, problems)? {
            Named::Compartment(found) => Some(found),
            _ => {
                let message = format!("{what} names compartments, and `{}` is none", name.value);
                problems.push(
                    Problem::at(&name.span, message, "no compartment").help("write \"vm.NAME\" or \"component.NAME\""),
                );
                None
            }
        }
    }

    fn channel(&self, name: &At<String>, problems: &mut Vec<Problem>) -> Option<usize> {
        match self.anything(name, problems)? {
            Named::Channel(n) => Some(n),
            _ => {
                let message = format!("`except` names channels, and `{}` is none", name.value);
                problems.push(
                    Problem::at(&name.span, message, "no channel")
                        .help("write \"channel.NAME\"; who may stand between is named in `trust`"),
                );
                None
            }
        }
    }

    fn anything(&self, name: &At<String>, problems: &mut Vec<Problem>) -> Option<Named> {
        let known: Vec<String> = self.known();
        let found = known.iter().find(|known| {
            let bare =
                known.split_once('.').filter(|(kind, _)| ["vm", "component"].contains(kind)).map(|(_, bare)| bare);
            **known == name.value || bare == Some(&name.value)
        });
        let Some((kind, found)) = found.and_then(|found| found.split_once('.')) else {
            let kernel = ["kernel", "root"].contains(&name.value.as_str());
            let help = match kernel {
                true => "every claim trusts kernel and root: nothing holds without them".to_owned(),
                false if name.value.contains('.') => did_you_mean(&name.value, known.iter().map(String::as_str)),
                false => {
                    // Compartments can be named without their kind.
                    let bare = known.iter().map(|known| match known.split_once('.') {
                        Some(("vm" | "component", bare)) => bare,
                        _ => known.as_str(),
                    });
                    did_you_mean(&name.value, bare)
                }
            };
            let message = match kernel {
                true => format!("no claim can be about `{}`", name.value),
                false => format!("there is no `{}`", name.value),
            };
            problems.push(Problem::at(&name.span, message, "nothing to claim of").help(help));
            return None;
        };
        Some(match kind {
            "device" => Named::Device(found.to_owned()),
            "channel" => Named::Channel(self.channels.iter().position(|channel| channel.name.value == found)?),
            _ => Named::Compartment(found.to_owned()),
        })
    }

    fn known(&self) -> Vec<String> {
        let prefixed = |kind: &'static str| move |name: &str| format!("{kind}.{name}");
        let mut known: Vec<String> = self.vms.iter().copied().map(prefixed("vm")).collect();
        known.extend(self.components.iter().chain(SERVICES).copied().map(prefixed("component")));
        known.extend(self.channels.iter().map(|channel| prefixed("channel")(&channel.name.value)));
        known.extend(self.board.into_iter().flat_map(|board| &board.device).map(|it| prefixed("device")(&it.name)));
        known.push(format!("device.{}", super::names::UART));
        known
    }
}
