//! `cargo bulkhead diff`: what authority a change grants or takes away.

use crate::claims::{Amount, Authority, Right};
use crate::compose::{self, Subject};
use crate::composer;
use crate::failure::{EXIT_CRASHED, Failure, Result};
use crate::output;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Changes with any change to the JSON that is not an addition.
const DIFF_VERSION: u32 = 1;

/// What is compared, and how it is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// A manifest, or the folder of a built image.
    pub old: PathBuf,
    /// The same.
    pub new: PathBuf,
    /// Say it as JSON.
    pub json: bool,
    /// End with 1 if something is granted.
    pub fail_on_grant: bool,
}

/// A difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Difference {
    version: u32,
    /// Whether anybody may do more than before.
    grants: bool,
    granted: Vec<Line>,
    taken: Vec<Line>,
    amounts: Vec<Change>,
    /// From whom something can now flow to whom.
    flows_opened: Vec<Flow>,
    flows_closed: Vec<Flow>,
    claims_made: Vec<String>,
    claims_dropped: Vec<String>,
}

/// Something that a compartment may do, or a compartment that there is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Line {
    who: String,
    can: String,
    #[serde(serialize_with = "plain")]
    what: String,
    by: Option<String>,
}

/// Without the marks that are for people.
fn plain<S: Serializer>(what: &str, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&what.replace('`', ""))
}

/// An amount that is another than before; `None`: there was or is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Change {
    who: String,
    what: String,
    old: Option<String>,
    new: Option<String>,
    grows: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Flow {
    from: String,
    to: String,
}

/// Compares, tells, and returns the exit code.
pub fn run(options: &Options) -> Result<u8> {
    let (old, new) = (load(&options.old)?, load(&options.new)?);
    let difference = compare(&old, &new);
    if options.json {
        let text = serde_json::to_string_pretty(&difference).map_err(|error| Failure::new(error.to_string()))?;
        output::print(&(text + "\n"))?;
    } else {
        output::print(&difference.text())?;
    }
    Ok(if options.fail_on_grant && difference.grants { EXIT_CRASHED } else { 0 })
}

fn load(path: &Path) -> Result<Subject> {
    let unreadable = |error: String| Failure::new(format!("{}: {error}", path.display()));
    let folder = match (path.is_dir(), path.extension().is_some_and(|extension| extension == "json")) {
        (true, _) => path,
        (false, true) => path.parent().unwrap_or(path),
        (false, false) => return composer::checked(path, None)?.subject().map_err(unreadable),
    };
    let read = |name: &str| {
        let file = folder.join(name);
        let mend = "name a manifest, or the folder that `cargo bulkhead build -o FOLDER` wrote";
        std::fs::read(&file).map_err(|error| Failure::path(&file, error).mend(mend))
    };
    let report: Value = serde_json::from_slice(&read("report.json")?).map_err(|error| unreadable(error.to_string()))?;
    let board = report["board"].as_str().ok_or_else(|| unreadable("its report names no board".to_owned()))?;
    let board = boards::find(board).map_err(|error| unreadable(error.to_string()))?;
    let claims = report["claims"].as_array().into_iter().flatten();
    let claims = claims.filter_map(|claim| Some(claim["whole"].as_str()?.to_owned())).collect();
    let compiled = compose::compiled_of(&read("system.elf")?).map_err(unreadable)?;
    compose::subject(&board, &compiled, claims).map_err(unreadable)
}

fn compare(old: &Subject, new: &Subject) -> Difference {
    let [before, after] = [&old.authority, &new.authority].map(lines);
    let granted: Vec<Line> = after.difference(&before).cloned().collect();
    let amounts = changes(&old.authority, &new.authority);
    let flows = |from: &Authority, without: &Authority| -> Vec<Flow> {
        let flow = |(from, to): &(String, String)| Flow { from: from.clone(), to: to.clone() };
        from.flows.difference(&without.flows).map(flow).collect()
    };
    let claims = |from: &Subject, without: &Subject| -> Vec<String> {
        from.claims.iter().filter(|claim| !without.claims.contains(claim)).cloned().collect()
    };
    Difference {
        version: DIFF_VERSION,
        grants: !granted.is_empty() || amounts.iter().any(|change| change.grows),
        granted,
        taken: before.difference(&after).cloned().collect(),
        amounts,
        flows_opened: flows(&new.authority, &old.authority),
        flows_closed: flows(&old.authority, &new.authority),
        claims_made: claims(new, old),
        claims_dropped: claims(old, new),
    }
}

fn lines(authority: &Authority) -> BTreeSet<Line> {
    let there = |name: &String| Line { who: name.clone(), can: "is".to_owned(), what: "there".to_owned(), by: None };
    let line = |right: &Right| Line {
        who: right.who.clone(),
        can: right.can.to_owned(),
        what: right.what.clone(),
        by: right.by.clone(),
    };
    authority.compartments.iter().map(there).chain(authority.rights.iter().map(line)).collect()
}

fn changes(old: &Authority, new: &Authority) -> Vec<Change> {
    let places: BTreeSet<&(String, String)> = old.amounts.keys().chain(new.amounts.keys()).collect();
    let change = |place: &(String, String)| {
        let (before, after) = (old.amounts.get(place), new.amounts.get(place));
        let value = |amount: Option<&Amount>| amount.map_or(0, |amount| amount.value);
        (before != after).then(|| Change {
            who: place.0.clone(),
            what: place.1.clone(),
            old: before.map(|amount| amount.shown.clone()),
            new: after.map(|amount| amount.shown.clone()),
            grows: value(after) > value(before),
        })
    };
    places.into_iter().filter_map(change).collect()
}

impl Difference {
    fn text(&self) -> String {
        let line = |line: &Line| {
            let by = line.by.as_ref().map_or(String::new(), |by| format!(" (`{by}`)"));
            format!("`{}` {} {}{by}", line.who, line.can, line.what)
        };
        let change = |change: &Change| {
            let shown = |amount: &Option<String>| amount.clone().unwrap_or_else(|| "none".to_owned());
            format!("`{}`: {} {} instead of {}", change.who, change.what, shown(&change.new), shown(&change.old))
        };
        let flow = |flow: &Flow| format!("from `{}` to `{}`", flow.from, flow.to);
        let (grows, shrinks): (Vec<_>, Vec<_>) = self.amounts.iter().partition(|change| change.grows);
        let more = self.granted.iter().map(line).chain(grows.into_iter().map(change)).collect();
        let less = self.taken.iter().map(line).chain(shrinks.into_iter().map(change)).collect();
        let sections: [(&str, char, Vec<String>); 6] = [
            ("granted", '+', more),
            ("taken away", '-', less),
            (
                "something can flow now, directly or through others (not counting console and log)",
                '+',
                self.flows_opened.iter().map(flow).collect(),
            ),
            ("nothing can flow any more", '-', self.flows_closed.iter().map(flow).collect()),
            ("claimed", '+', self.claims_made.clone()),
            ("claimed no longer", '-', self.claims_dropped.clone()),
        ];
        let mut text = String::new();
        for (title, mark, lines) in sections.into_iter().filter(|(_, _, lines)| !lines.is_empty()) {
            text.push_str(&format!("{title}:\n"));
            lines.iter().for_each(|line| text.push_str(&format!("  {mark} {line}\n")));
        }
        if text.is_empty() { "no change of authority\n".to_owned() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"
        [system]
        version = 1
        [component.a]
        crate = "ping"
        console = false
        [component.b]
        crate = "pong"
        [component.c]
        crate = "pong"
        [channel.pong]
        from = "a"
        to = "b"
        [channel.table]
        kind = "memory"
        from = "b"
        to = "c"
        bytes = "8KiB"
        [[claim]]
        no-flow = { from = "c", to = "a" }
        trust = "console"
    "#;

    fn subject(name: &str, text: &str) -> Subject {
        let folder = std::env::temp_dir().join(format!("bulkhead-diff-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        let subject = load(&path);
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_dir(&folder);
        subject.unwrap_or_else(|failure| panic!("{failure}"))
    }

    fn difference(name: &str, new: &str) -> Difference {
        compare(&subject(&format!("{name}-old"), OLD), &subject(&format!("{name}-new"), new))
    }

    #[test]
    fn no_change_is_none() {
        let none = difference("none", OLD);
        assert_eq!((none.text().as_str(), none.grants), ("no change of authority\n", false));
    }

    #[test]
    fn what_is_granted_and_taken_is_told() {
        let new = OLD.replace("from = \"b\"\n        to = \"c\"", "from = \"c\"\n        to = \"b\"");
        let new =
            new.replace("crate = \"ping\"", "crate = \"ping\"\n        devices = \"rtc\"\n        priority = 100");
        let new = new.split("[[claim]]").next().unwrap();
        let found = difference("granted", new);
        let expected = "\
granted:
  + `a` drives device `rtc` (`rtc`)
  + `a` takes interrupt 34 (`rtc.irq`)
  + `c` writes what is read by `b` (`table`)
taken away:
  - `b` writes what is read by `c` (`table`)
  - `a`: priority 100 instead of 120
something can flow now, directly or through others (not counting console and log):
  + from `c` to `a`
  + from `c` to `b`
nothing can flow any more:
  - from `a` to `c`
  - from `b` to `c`
claimed no longer:
  - no-flow = { from = \"c\", to = \"a\" }, trust console
";
        assert_eq!(found.text(), expected);
        assert!(found.grants);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(
            json["granted"][2],
            serde_json::json!({"who": "c", "can": "writes what is read by", "what": "b", "by": "table"})
        );
        assert_eq!(json["flows-opened"][0], serde_json::json!({"from": "c", "to": "a"}));
        assert_eq!((&json["grants"], &json["version"]), (&Value::Bool(true), &Value::from(DIFF_VERSION)));
    }

    #[test]
    fn what_only_takes_away_grants_nothing() {
        // Others get other numbers at the console; that is no authority.
        let start = OLD.find("[component.b]").unwrap();
        let end = OLD.find("[[claim]]").unwrap();
        let gone = difference("gone", &format!("{}[component.c]\ncrate = \"pong\"\n{}", &OLD[..start], &OLD[end..]));
        assert!(!gone.grants && gone.granted.is_empty(), "{}", gone.text());
        assert!(gone.text().contains("  - `b` is there\n") && gone.text().contains("  - `a` sends to `b` (`pong`)\n"));
        let less = difference("less", &OLD.replace("crate = \"ping\"", "crate = \"ping\"\nbudget = \"1ms\""));
        assert_eq!(
            (less.text().as_str(), less.grants),
            ("taken away:\n  - `a`: time 0 on core 0 1000 us in 10000 us instead of 2000 us in 10000 us\n", false)
        );
        let more =
            difference("more", &OLD.replace("crate = \"ping\"", "crate = \"ping\"\npriority = 120\nbudget = \"3ms\""));
        assert!(more.grants, "{}", more.text());
    }
}
