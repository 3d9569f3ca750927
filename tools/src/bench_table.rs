//! The table of what things cost: measured, the goal, and what was committed.

use crate::bench_count::Split;
use crate::failure::{Failure, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A change to the worse by more than this fails, in percent.
pub const WORSE_PERCENT: f64 = 2.0;

const HEADER: &str = "# What operations cost, and the goals. `cargo bulkhead bench` compares with these figures, and\n\
                      # `cargo bulkhead bench --accept` writes them anew.\n\n";

/// All figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// In the order of the table.
    #[serde(default)]
    pub figure: Vec<Figure>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The name that the bench system prints.
    pub name: String,
    /// What is measured.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// What it counts.
    #[serde(default = "instructions")]
    pub unit: String,
    /// Not more than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<f64>,
    /// What it was when it was last accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<f64>,
    /// The most (or the least) of what was seen in a run in which much depends on chance: shown, and compared with nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub seen: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn instructions() -> String {
    "instructions".to_owned()
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The figure.
    #[serde(flatten)]
    pub figure: Figure,
    /// What was measured now.
    pub measured: Option<f64>,
    /// Change against what was committed, in percent.
    pub change: Option<f64>,
    /// Who executes it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

impl Row {
    /// Whether it is so much worse that it fails; a figure that is no longer measured is.
    pub fn is_worse(&self) -> bool {
        match (self.measured, self.figure.committed) {
            (None, committed) => committed.is_some(),
            (Some(_), _) => self.change.is_some_and(|change| change > WORSE_PERCENT),
        }
    }

    /// Whether it meets its goal.
    pub fn meets_goal(&self) -> Option<bool> {
        Some(self.measured? <= self.figure.goal?)
    }
}

/// What a bench system printed: a line `bench: NAME VALUE mark NUMBER less NUMBER rounds NUMBER`, or `bench: NAME - irq NUMBER`.
/// All behind the value may be left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// The figure's name.
    pub name: String,
    /// What it measured itself; `None` (`-` in the line): what the plugin counts is the figure.
    pub value: Option<f64>,
    /// The number of its marks.
    pub mark: Option<u32>,
    /// Of those of nothing.
    pub less: Option<u32>,
    /// Operations between two marks.
    pub rounds: u32,
    /// Between two marks components execute so many legs, with the kernel between them, that are worth telling.
    pub legs: usize,
    /// The figure is the least from the vector of an interrupt to the end mark of this number.
    pub irq: Option<u32>,
}

/// The figures among all that a system said.
pub fn parse(output: &str) -> Vec<Line> {
    let lines = output.lines().filter_map(|line| line.split_once("bench: "));
    let parsed = lines.filter_map(|(_, rest)| {
        let mut words = rest.split_whitespace();
        let name = words.next()?.to_owned();
        let value = match words.next()? {
            "-" => None,
            value => Some(value.parse::<f64>().ok().filter(|value| value.is_finite())?),
        };
        let mut line = Line { name, value, rounds: 1, ..Line::default() };
        while let (Some(key), Some(Ok(number))) = (words.next(), words.next().map(str::parse::<u32>)) {
            match key {
                "mark" => line.mark = Some(number),
                "less" => line.less = Some(number),
                "rounds" => line.rounds = number,
                "legs" => line.legs = number as usize,
                "irq" => line.irq = Some(number),
                _ => break,
            }
        }
        Some(line)
    });
    parsed.collect()
}

impl Figures {
    /// Reads the committed figures.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::path(path, error))?;
        toml::from_str(&text).map_err(|error| Failure::path(path, error))
    }

    /// Writes them.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Failure::path(path, error))?;
        crate::workspace::write(path, format!("{HEADER}{text}").as_bytes())
    }

    /// Compares with what was measured. What is new stands at the end.
    pub fn compare(&self, measured: &BTreeMap<String, f64>, splits: &BTreeMap<String, Split>) -> Vec<Row> {
        let row = |figure: &Figure| {
            let now = measured.get(&figure.name).copied();
            let change = match (now, figure.committed) {
                (Some(now), Some(before)) if before != 0.0 => Some((now - before) / before * 100.0),
                (Some(now), Some(_)) => Some(if now > 0.0 { 100.0 } else { 0.0 }),
                _ => None,
            };
            Row { figure: figure.clone(), measured: now, change, split: splits.get(&figure.name).copied() }
        };
        let new = measured.keys().filter(|name| self.figure.iter().all(|figure| figure.name != **name));
        let new = new.map(|name| Figure {
            name: name.clone(),
            what: String::new(),
            unit: instructions(),
            goal: None,
            committed: None,
            seen: false,
        });
        self.figure.iter().cloned().chain(new).map(|figure| row(&figure)).collect()
    }

    /// The figures with what was measured as the new measure.
    pub fn accepted(rows: &[Row]) -> Self {
        let committed = |row: &Row| if row.figure.seen { None } else { row.measured };
        let figure = rows.iter().map(|row| Figure { committed: committed(row), ..row.figure.clone() });
        Self { figure: figure.collect() }
    }
}

/// The table for people.
pub fn shown(rows: &[Row]) -> String {
    let number =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{}", (value * 1e3).round() / 1e3));
    let width = rows.iter().map(|row| row.figure.name.len()).max().unwrap_or(4).max(4);
    let line = |words: [&str; 9], verdict: &str| {
        let [name, measured, goal, committed, change, cp15, gic, barriers, unit] = words;
        format!(
            "{name:width$}  {measured:>12}  {goal:>8}  {committed:>12}  {change:>7}  {cp15:>6}  {gic:>6}  {barriers:>8}  {unit}{verdict}\n"
        )
    };
    let mut text = line(["name", "measured", "goal", "committed", "change", "CP15", "GIC", "barriers", "unit"], "");
    for row in rows {
        let change = row.change.map_or_else(|| "-".to_owned(), |change| format!("{change:+.1}%"));
        let (measured, goal, committed) = (number(row.measured), number(row.figure.goal), number(row.figure.committed));
        let part = |part: fn(&Split) -> f64| {
            row.split.as_ref().map_or_else(String::new, |split| format!("{:.1}", part(split)))
        };
        let (cp15, gic, barriers) = (part(|split| split.cp15), part(|split| split.gic), part(|split| split.barriers));
        let verdict = match (row.is_worse(), row.meets_goal()) {
            (true, _) => "  WORSE",
            (false, Some(false)) => "  above its goal",
            _ => "",
        };
        let (name, unit) = (&row.figure.name, &row.figure.unit);
        text += &line([name, &measured, &goal, &committed, &change, &cp15, &gic, &barriers, unit], verdict);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        toml::from_str(
            "[[figure]]\nname = \"call\"\ngoal = 300\ncommitted = 200\n[[figure]]\nname = \"gone\"\ncommitted = 5\n",
        )
        .unwrap()
    }

    fn compared(values: &[(&str, f64)]) -> Vec<Row> {
        let measured = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        figures().compare(&measured, &BTreeMap::new())
    }

    #[test]
    fn lines_of_the_bench_are_found_wherever_they_stand() {
        let found = parse(
            "[kernel] x\n[bench] bench: call 203 mark 3 less 1 rounds 9\n[b] INFO bench: ratio 1.02 (a.rs:3)\nbench: bad nan\n\
             bench: one - mark 7 legs 3\nbench: best - irq 12 (a.rs:9)",
        );
        let line = |name: &str, value, mark, less, rounds| Line {
            name: name.to_owned(),
            value,
            mark,
            less,
            rounds,
            ..Line::default()
        };
        let wanted = [
            line("call", Some(203.0), Some(3), Some(1), 9),
            line("ratio", Some(1.02), None, None, 1),
            Line { legs: 3, ..line("one", None, Some(7), None, 1) },
            Line { irq: Some(12), ..line("best", None, None, None, 1) },
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn worse_by_more_than_two_percent_fails_and_so_does_a_figure_that_is_gone() {
        let rows = compared(&[("call", 204.0), ("gone", 5.0)]);
        assert!(!rows.iter().any(Row::is_worse));
        let rows = compared(&[("call", 205.0), ("new", 7.0)]);
        assert_eq!(rows.iter().map(Row::is_worse).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(rows[0].meets_goal(), Some(true));
        assert!(shown(&rows).contains("+2.5%") && shown(&rows).contains("WORSE"));
    }

    #[test]
    fn accepted_figures_survive_their_file() {
        let accepted = Figures::accepted(&compared(&[("call", 100.0)]));
        let path = std::env::temp_dir().join(format!("bulkhead-bench-{}.toml", std::process::id()));
        let mut seen = compared(&[("call", 100.0)]);
        seen[0].figure.seen = true;
        assert_eq!(Figures::accepted(&seen).figure[0].committed, None);
        accepted.write(&path).unwrap();
        assert_eq!(Figures::read(&path).unwrap(), accepted);
        assert_eq!(accepted.figure[0].committed, Some(100.0));
        std::fs::remove_file(path).unwrap();
    }
}
