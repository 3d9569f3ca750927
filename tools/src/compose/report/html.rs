//! The report for people: one page that needs nothing else.

use super::graph::graph;
use super::json::Report;
use crate::compose::parse::units::show_size;
use crate::compose::time::percent;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}\
table{border-collapse:collapse;margin:1em 0;width:100%}th,td{text-align:left;padding:.2em .8em;border-bottom:1px solid #ddd}\
th{background:#f4f4f4}td.n{font-family:monospace;text-align:right}summary{cursor:pointer;font-weight:bold}svg{max-width:100%;height:auto}";

/// The page.
pub fn html(report: &Report) -> String {
    let title = format!("{} on {}", report.system, report.board);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title><style>{STYLE}</style>\n<h1>{0}</h1>\n",
        escape(&title)
    );
    let image = show_size(report.image_bytes.next_multiple_of(1024));
    // Writing to a string can't fail.
    let _ = writeln!(page, "<p>Build {}, an image of {image}.</p>", report.build);
    let _ = writeln!(page, "<h2>Who can talk to whom</h2>\n{}", graph(report));
    flows(&mut page, report);
    let rows = report.compartments.iter().map(|line| {
        vec![
            line.name.clone(),
            line.kind.into(),
            show_size(line.bytes),
            show_size(line.used_bytes),
            line.on_crash.into(),
            line.on_reboot.into(),
            line.on_off.into(),
        ]
    });
    table(
        &mut page,
        "Compartments",
        true,
        &["name", "kind", "#memory", "#used", "on crash", "on reboot", "on off"],
        rows,
    );
    let rows = report
        .memory
        .iter()
        .map(|line| vec![hex(line.base), hex(line.base + line.bytes - 1), show_size(line.bytes), line.what.clone()]);
    table(&mut page, "Physical memory", true, &["#from", "#to", "#bytes", "what"], rows);
    let rows = report.untypeds.iter().map(|line| {
        vec![
            hex(line.base),
            show_size(line.bytes),
            show_size(line.free_bytes),
            line.compartment.clone().unwrap_or_else(|| "root's own".into()),
            line.part.to_string(),
        ]
    });
    table(
        &mut page,
        "Untyped memory",
        false,
        &["#from", "#bytes", "#free after the boot", "compartment", "#number"],
        rows,
    );
    let rows = report.cores.iter().map(|line| {
        let shares = [line.written_ppm, line.default_ppm, line.left_ppm].map(percent);
        std::iter::once(line.core.to_string()).chain(shares).collect()
    });
    table(&mut page, "Time", true, &["#core", "#budgets written", "#budgets by default", "#left"], rows);
    let time = |us: Option<u32>| us.map_or("-".to_owned(), |us| format!("{us} us"));
    let rows = report.threads.iter().map(|line| {
        vec![
            line.compartment.clone(),
            line.name.clone(),
            line.priority.to_string(),
            line.core.map_or("-".to_owned(), |core| core.to_string()),
            time(line.budget_us),
            time(line.period_us),
        ]
    });
    table(&mut page, "Threads", true, &["compartment", "thread", "#priority", "#core", "#budget", "#period"], rows);
    let rows = report
        .interrupts
        .iter()
        .map(|line| vec![line.intid.to_string(), line.name.clone(), line.compartment.clone(), hex(line.badge.into())]);
    table(&mut page, "Interrupts", true, &["#number", "what", "signals", "#bit"], rows);
    let rows = report
        .wire
        .iter()
        .map(|line| vec![line.id.to_string(), line.name.clone(), if line.console { "yes" } else { "" }.into()]);
    table(&mut page, "Ids on the wire", false, &["#id", "name", "console"], rows);
    let rows = report.claims.iter().map(|line| {
        let time = if line.time { "yes" } else { "" };
        vec![line.claim.clone(), line.trust.join(", "), line.except.join(", "), time.into()]
    });
    table(&mut page, "Claims that hold", true, &["claim", "trusted", "but for these channels", "time counts"], rows);
    let rows = report.interfaces.iter().map(|line| {
        let told = line.unchecked.map_or_else(|| line.requests.join(", "), |why| format!("unchecked: {why}"));
        vec![line.channel.clone(), line.client.clone(), line.server.clone(), told]
    });
    table(&mut page, "Interfaces", false, &["channel", "caller", "server", "requests that both declare alike"], rows);
    let rows = report.mappings.iter().map(|line| {
        vec![
            line.compartment.clone(),
            line.space.clone(),
            hex(line.address.into()),
            show_size(line.bytes),
            line.access.clone(),
            line.name.clone(),
            line.object.to_string(),
        ]
    });
    table(
        &mut page,
        "Mappings",
        false,
        &["compartment", "space", "#address", "#bytes", "access", "what", "#object"],
        rows,
    );
    let rows = report.capabilities.iter().map(|line| {
        vec![
            line.compartment.clone(),
            line.slot.to_string(),
            line.name.clone(),
            line.of.clone(),
            line.rights.clone(),
            hex(line.badge.into()),
        ]
    });
    table(&mut page, "Capabilities", false, &["holder", "#slot", "what", "of", "rights", "#badge"], rows);
    let rows = report.objects.iter().map(|line| {
        vec![
            line.id.to_string(),
            line.compartment.clone(),
            line.kind.into(),
            line.name.clone(),
            line.count.to_string(),
            line.bytes.to_string(),
            line.untyped.map_or("-".into(), |part| part.to_string()),
            line.offset.map_or("-".into(), hex),
        ]
    });
    table(
        &mut page,
        "Objects",
        false,
        &["#number", "compartment", "type", "for", "#count", "#bytes each", "#untyped", "#offset"],
        rows,
    );
    page
}

fn flows(page: &mut String, report: &Report) {
    let rows = report.flows.iter().map(|line| {
        let arrow = if line.both_ways { "\u{2194}" } else { "\u{2192}" };
        vec![line.channel.clone(), line.kind.into(), line.from.clone(), arrow.into(), line.to.clone()]
    });
    table(page, "Channels", false, &["channel", "kind", "from", "", "to"], rows);
}

/// A table. Columns whose name begins with `#` hold numbers.
fn table(page: &mut String, title: &str, open: bool, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = write!(page, "<details{}><summary>{title}</summary><table><tr>", if open { " open" } else { "" });
    for column in columns {
        let _ = write!(page, "<th>{}</th>", column.trim_start_matches('#'));
    }
    page.push_str("</tr>\n");
    for row in rows {
        page.push_str("<tr>");
        for (column, cell) in columns.iter().zip(row) {
            let class = if column.starts_with('#') { " class=\"n\"" } else { "" };
            let _ = write!(page, "<td{class}>{}</td>", escape(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></details>\n");
}

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
