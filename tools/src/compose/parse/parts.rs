//! The named tables: VMs, components, channels.

use super::section::{ADDRESS_MAX, Section};
use crate::compose::check::GUEST_RAM_BASE;
use crate::compose::defaults;
use crate::compose::manifest::{Channel, ChannelKind, Component, ConsoleKind, Endings, ProgramSource, Time, Vm};
use crate::compose::problem::{At, Problem, Span};
use protocol::config::VCPUS_MAX;
use system::Action;
use toml::de::DeTable;

const ACTIONS: &[(&str, Action)] = &[("restart", Action::Restart), ("stop", Action::Stop), ("panic", Action::Panic)];

/// Names that the tool itself uses.
const RESERVED: &[&str] = &["kernel", "root", "console", "log"];

/// The longest name.
const NAME_MAX: usize = 24;

/// Whether a table can be called so; what is wrong, and what mends it.
pub fn name(kind: &str, text: &str) -> Result<(), (String, String)> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(plain) || text.len() > NAME_MAX {
        let help =
            format!("a name begins with a small letter, and has small letters, digits and `-`, {NAME_MAX} at most");
        return Err((format!("`{text}` can't be the name of a {kind}"), help));
    }
    if RESERVED.contains(&text) {
        let help = "`kernel`, `root`, `console` and `log` are in every system: choose another name".to_owned();
        return Err((format!("the name `{text}` is taken"), help));
    }
    Ok(())
}

fn check_name(kind: &str, at: &At<String>, problems: &mut Vec<Problem>) {
    if let Err((message, help)) = name(kind, &at.value) {
        let label = if RESERVED.contains(&at.value.as_str()) { "taken" } else { "not a name" };
        problems.push(Problem::at(&at.span, message, label).help(help));
    }
}

fn time(section: &mut Section<'_, '_>, priority_max: u64, why: &str) -> Time {
    Time {
        core: section.integer_because("core", 0, abi::zimage::CORES_MAX as u64 - 1, ", if the board has so many"),
        budget_us: section.duration_us("budget"),
        period_us: section.duration_us("period"),
        priority: section.integer_because("priority", 0, priority_max, why),
    }
}

fn action(section: &mut Section<'_, '_>, key: &str, default: Action) -> Action {
    section.choice(key, ACTIONS).map_or(default, |chosen| chosen.value)
}

/// A `[vm.NAME]`.
pub fn vm<'a>(name: At<String>, table: &'a DeTable<'a>, span: Span, problems: &mut Vec<Problem>) -> Option<Vm> {
    const KEYS: &[&str] = &[
        "kernel",
        "ram",
        "vcpus",
        "console",
        "cmdline",
        "initrd",
        "load",
        "entry",
        "thumb",
        "core",
        "priority",
        "budget",
        "period",
        "on-crash",
        "on-reboot",
        "on-off",
    ];
    const LATER: &[&str] = &["watchdog", "disk", "net", "device-tree", "devices", "channels"];
    check_name("VM", &name, problems);
    let mut section = Section::new(format!("[vm.{}]", name.value), table, span, KEYS, LATER, problems);
    if !section.has("ram") {
        section.missing("ram", "write ram = \"128MiB\"");
    }
    let kernel = section.required_string("kernel", "write kernel = \"PATH\", or \"debian:armmp-lpae\"");
    let ram = section.size("ram");
    let vcpus = section.integer("vcpus", 1, VCPUS_MAX as u64).map_or(1, |vcpus| vcpus.value as u32);
    let of_guests = defaults::PRIORITY_MAX - u64::from(defaults::EXITS_ABOVE_GUEST);
    let consoles = [("pl011", ConsoleKind::Pl011), ("virtio", ConsoleKind::Virtio)];
    Some(Vm {
        console: section.choice("console", &consoles).map_or(ConsoleKind::Pl011, |chosen| chosen.value),
        cmdline: section.string("cmdline"),
        initrd: section.string("initrd"),
        load: section.integer_such_as("load", 0, ADDRESS_MAX, GUEST_RAM_BASE),
        entry: section.integer_such_as("entry", 0, ADDRESS_MAX, GUEST_RAM_BASE),
        thumb: section.boolean("thumb").unwrap_or(false),
        time: time(&mut section, of_guests, ", since its VMM's threads have up to 10 more, and root has 200"),
        ends: Endings {
            on_crash: action(&mut section, "on-crash", Action::Stop),
            on_reboot: action(&mut section, "on-reboot", Action::Restart),
            on_off: action(&mut section, "on-off", Action::Stop),
        },
        name,
        kernel: kernel?,
        ram: ram?,
        vcpus,
    })
}

/// A `[component.NAME]`.
pub fn component<'a>(
    name: At<String>,
    table: &'a DeTable<'a>,
    span: Span,
    problems: &mut Vec<Problem>,
) -> Option<Component> {
    const KEYS: &[&str] = &[
        "crate",
        "elf",
        "core",
        "priority",
        "budget",
        "period",
        "stack",
        "on-crash",
        "console",
        "passive",
        "bind-events",
        "devices",
        "untyped",
        "fault-handler",
    ];
    check_name("component", &name, problems);
    let title = format!("[component.{}]", name.value);
    let mut section = Section::new(title.clone(), table, span, KEYS, &["watchdog", "threads"], problems);
    let program = match (section.string("crate"), section.string("elf")) {
        (Some(package), None) => Some(ProgramSource::Crate(package)),
        (None, Some(elf)) => Some(ProgramSource::Elf(elf)),
        (Some(package), Some(elf)) => {
            section.problem(
                Problem::at(&elf.span, format!("{title} has both `crate` and `elf`"), "the second")
                    .also(&package.span, "the first")
                    .help("keep one of them"),
            );
            None
        }
        (None, None) => {
            if !section.has("crate") && !section.has("elf") {
                section.missing("crate", "write crate = \"PACKAGE\", or elf = \"PATH\"");
            }
            None
        }
    };
    let fault_handler = section.string("fault-handler");
    if let Some(handler) = fault_handler.as_ref().filter(|_| section.has("on-crash")) {
        section.problem(
            Problem::at(
                &handler.span,
                format!("{title} has both `fault-handler` and `on-crash`"),
                "its faults go here",
            )
            .help("root, which acts by `on-crash`, never hears of a fault that a component handles: keep one of them"),
        );
    }
    let bind_events = section.boolean("bind-events").unwrap_or(false);
    let passive = section.boolean("passive").unwrap_or(false);
    if bind_events && passive {
        section.problem(
            Problem::at(&name.span, format!("{title} has both `bind-events` and `passive`"), "this component")
                .help("who has no time of its own is not woken by an event: take one of them away"),
        );
    }
    Some(Component {
        time: time(&mut section, defaults::PRIORITY_MAX, ", since root has 200"),
        stack: section.size("stack"),
        on_crash: action(&mut section, "on-crash", Action::Stop),
        untyped: section.size("untyped"),
        fault_handler,
        console: section.boolean("console").unwrap_or(true),
        passive,
        bind_events,
        devices: section.strings("devices"),
        name,
        program: program?,
    })
}

/// A `[channel.NAME]`.
pub fn channel<'a>(
    name: At<String>,
    table: &'a DeTable<'a>,
    span: Span,
    problems: &mut Vec<Problem>,
) -> Option<Channel> {
    const KEYS: &[&str] = &["kind", "from", "to", "between", "bytes"];
    check_name("channel", &name, problems);
    let title = format!("[channel.{}]", name.value);
    let mut section = Section::new(title.clone(), table, span.clone(), KEYS, &[], problems);
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Call,
        Signal,
        Memory,
    }
    let kinds = [("call", Kind::Call), ("signal", Kind::Signal), ("memory", Kind::Memory)];
    let kind = section.choice("kind", &kinds).map_or(Kind::Call, |chosen| chosen.value);
    let bytes = section.size("bytes");
    let mut from = section.strings("from");
    let to = section.strings("to");
    let between = section.strings("between");
    if kind != Kind::Memory {
        for (key, span) in
            [("bytes", bytes.as_ref().map(|at| &at.span)), ("between", between.first().map(|at| &at.span))]
        {
            if let Some(span) = span {
                section.problem(
                    Problem::at(span, format!("`{key}` in {title} is only for kind = \"memory\""), "out of place")
                        .help("write `from` and `to`"),
                );
            }
        }
    }
    if kind == Kind::Memory && section.has("between") {
        if section.has("from") || section.has("to") {
            let message = format!("{title} has `between` beside `from` or `to`");
            section.problem(
                Problem::at(&span, message, "in this table")
                    .help("`between` lets all of them write; `from` writes and `to` reads: keep one way"),
            );
        }
        from = between;
    } else {
        for key in ["from", "to"] {
            if !section.has(key) {
                section.missing(key, &format!("write {key} = \"COMPONENT\""));
            }
        }
    }
    let kind = match kind {
        Kind::Call => ChannelKind::Call,
        Kind::Signal => ChannelKind::Signal,
        Kind::Memory => {
            if !section.has("bytes") {
                section.missing("bytes", "write bytes = \"64KiB\"");
            }
            ChannelKind::Memory(bytes?)
        }
    };
    Some(Channel { name, kind, from, to })
}
