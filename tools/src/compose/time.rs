//! Whose time is which core's: what is wrong with it, and how much is left.
//!
//! What counts is who has less than all of a core: a budget that is shorter than its period. Who has a budget as long as its period
//! runs when nobody else wants to, in turns. A budget that is written is a promise, and there can't be more of them than there is
//! time. One that nobody wrote is only a limit, and who has it hardly uses it: all of them together may be more.

use super::defaults::{self, Share};
use super::manifest::Time;
use super::problem::{Problem, Span};
use super::resolve::Resolved;
use abi::zimage::CORES_MAX;
use serde::Serialize;

/// All of a core's time, in the unit of [`CoreTime`].
const WHOLE_PPM: u64 = 1_000_000;

/// A core's time, in parts of a million.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CoreTime {
    /// Which core.
    pub core: u8,
    /// The sum of the budgets in the manifest.
    pub written_ppm: u64,
    /// The sum of those that nobody wrote.
    pub default_ppm: u64,
    /// What is left if all of them are used to their end.
    pub left_ppm: u64,
}

impl CoreTime {
    /// One line about it.
    pub fn line(&self) -> String {
        let [written, default, left] = [self.written_ppm, self.default_ppm, self.left_ppm].map(percent);
        format!("core {}: budgets of {written} written, {default} by default; {left} left", self.core)
    }
}

/// A share of a core's time for people, cut after two digits behind the point.
pub fn percent(ppm: u64) -> String {
    let text = format!("{}.{:02}", ppm / 10_000, ppm % 10_000 / 100);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A budget that is shorter than its period.
struct Budget<'a> {
    core: u8,
    ppm: u64,
    /// Where it was written, and by whom.
    written: Option<(&'a Span, &'a str)>,
}

fn budget<'a>(name: &'a str, time: &'a Time, core: u8, default: Share) -> Option<Budget<'a>> {
    let Share { budget_us, period_us } = defaults::share(time, default);
    let at = time.budget_us.as_ref().or(time.period_us.as_ref());
    let ppm = u64::from(budget_us) * WHOLE_PPM / u64::from(period_us).max(1);
    (budget_us < period_us).then_some(Budget { core, ppm, written: at.map(|at| (&at.span, name)) })
}

/// All budgets of a system.
fn budgets(system: &Resolved) -> Vec<Budget<'_>> {
    const UNWRITTEN: &Time = &Time { core: None, budget_us: None, period_us: None, priority: None };
    let mut found = Vec::new();
    for share in [defaults::CONSOLE, defaults::LOG] {
        found.extend(budget("", UNWRITTEN, 0, share));
    }
    for vm in system.vms.iter().map(|vm| &vm.vm) {
        let core = defaults::core(&vm.time);
        found.extend(budget("", UNWRITTEN, core, defaults::VMM));
        for _ in 0..vm.vcpus {
            found.extend(budget(&vm.name.value, &vm.time, core, defaults::GUEST));
        }
    }
    for component in system.components.iter().map(|it| &it.component).filter(|component| !component.passive) {
        let core = defaults::core(&component.time);
        found.extend(budget(&component.name.value, &component.time, core, defaults::COMPONENT));
    }
    found
}

/// The time of each core that a system uses.
pub fn account(system: &Resolved) -> Vec<CoreTime> {
    let budgets = budgets(system);
    let sum = |core: u8, written: bool| {
        let of = budgets.iter().filter(|budget| budget.core == core && budget.written.is_some() == written);
        of.map(|budget| budget.ppm).sum::<u64>()
    };
    let line = |core: u8| {
        let (written_ppm, default_ppm) = (sum(core, true), sum(core, false));
        let left_ppm = WHOLE_PPM.saturating_sub(written_ppm + default_ppm);
        CoreTime { core, written_ppm, default_ppm, left_ppm }
    };
    (0..system.cores()).map(|core| line(core as u8)).collect()
}

/// Cores that the board lacks, and cores for who runs on others' time.
pub fn cores(system: &Resolved, problems: &mut Vec<Problem>) {
    let board = &system.board;
    let count = u64::from(board.cores).min(CORES_MAX as u64);
    let vms = system.vms.iter().map(|vm| &vm.vm.time);
    for core in vms.chain(system.components.iter().map(|it| &it.component.time)).filter_map(|time| time.core.as_ref()) {
        if core.value >= count {
            let message = format!("the board `{}` has no core {}", board.name, core.value);
            let help = match count {
                1 => "it has one: take `core` out, or choose another board".to_owned(),
                _ => format!("its cores are 0 to {}: name one of them, or choose another board", count - 1),
            };
            problems.push(Problem::at(&core.span, message, "no such core").help(help));
        }
    }
    for component in system.components.iter().map(|it| &it.component).filter(|component| component.passive) {
        if let Some(core) = &component.time.core {
            let message = format!("`{}` is passive, and has a core", component.name.value);
            problems.push(
                Problem::at(&core.span, message, "not its own")
                    .help("it runs on its callers' time, and so on their cores: take `core` out, or `passive`"),
            );
        }
    }
}

/// Cores of which more was promised than there is.
pub fn sums(system: &Resolved, problems: &mut Vec<Problem>) {
    let budgets = budgets(system);
    for CoreTime { core, written_ppm, .. } in account(system) {
        if written_ppm <= WHOLE_PPM {
            continue;
        }
        let here = budgets.iter().filter(|budget| budget.core == core);
        let mut written = here.filter_map(|budget| budget.written.map(|(span, name)| (span, name, budget.ppm)));
        let Some((span, name, ppm)) = written.next() else { continue };
        let of = |name: &str, ppm| format!("{} for `{name}`", percent(ppm));
        let message = format!("the budgets on core {core} come to {}", percent(written_ppm));
        let problem = Problem::at(span, message, of(name, ppm));
        let problem = written.fold(problem, |problem, (span, name, ppm)| problem.also(span, of(name, ppm)));
        let elsewhere = match system.board.cores {
            1 => "",
            _ => ", or give some of them another core",
        };
        problems.push(problem.help(format!("a core has 100 % of its time: make them shorter{elsewhere}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::layout::plan::Plan;
    use crate::compose::tests::fake::checked;
    use crate::compose::tests::round_trip::composed;
    use std::collections::BTreeMap;
    use system::ObjectKind;

    const TWO_CORES: &str = "[system]\nversion = 1\n\
        [vm.linux]\nkernel = \"debian:armmp\"\nram = \"64MiB\"\ncore = 1\n\
        [vm.control]\nkernel = \"debian:armmp\"\nram = \"64MiB\"\ncore = 2\nbudget = \"3ms\"\n\
        [component.a]\ncrate = \"x\"\ncore = 1\nbudget = \"1ms\"\nperiod = \"3ms\"\n\
        [component.b]\ncrate = \"x\"\n\
        [component.c]\ncrate = \"x\"\npassive = true\n\
        [component.d]\ncrate = \"x\"\ncore = 1\nbudget = \"10ms\"\nperiod = \"10ms\"\n\
        [channel.c]\nfrom = \"b\"\nto = \"c\"\n";

    /// The sum of all budgets by core, from what root is told to make.
    fn laid_out(plan: &Plan) -> BTreeMap<u8, u64> {
        let mut sums = BTreeMap::new();
        let passive: Vec<_> =
            plan.threads.iter().filter(|thread| thread.passive).filter_map(|thread| thread.context).collect();
        for (n, object) in plan.objects.iter().enumerate() {
            if let ObjectKind::SchedContext { core, budget_us, period_us } = object.kind
                && !passive.iter().any(|key| key.0 == n)
            {
                let sum: &mut u64 = sums.entry(core).or_default();
                *sum += if budget_us < period_us { u64::from(budget_us) * WHOLE_PPM / u64::from(period_us) } else { 0 };
            }
        }
        sums
    }

    #[test]
    fn what_is_said_of_each_core_is_what_root_makes() {
        let system = checked(TWO_CORES).unwrap().system;
        let account = account(&system);
        let lines: Vec<_> = account.iter().map(CoreTime::line).collect();
        assert_eq!(
            lines,
            [
                "core 0: budgets of 0 % written, 74 % by default; 26 % left",
                "core 1: budgets of 33.33 % written, 50 % by default; 16.66 % left",
                "core 2: budgets of 30 % written, 50 % by default; 20 % left"
            ]
        );
        let sums: BTreeMap<u8, u64> =
            account.iter().map(|line| (line.core, line.written_ppm + line.default_ppm)).collect();
        assert_eq!(laid_out(&composed(TWO_CORES).plan), sums);
    }

    #[test]
    fn shares_are_read_by_people() {
        assert_eq!([0, 1_000_000, 333_333, 1_005_000].map(percent), ["0 %", "100 %", "33.33 %", "100.5 %"]);
    }
}
