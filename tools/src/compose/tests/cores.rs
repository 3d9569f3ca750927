//! Systems on several cores: who runs where, which kernel that takes, and what shares time.

use super::fake::{checked, with_inputs};
use super::round_trip::composed;
use crate::compose::layout::plan::Plan;
use crate::compose::pack::read_header;
use crate::compose::{Checked, ProgramName, materials, render, report};
use std::collections::BTreeSet;
use system::ObjectKind;

/// A VM on core 1, a control loop on core 2, and somebody on core 0.
const SYSTEM: &str = r#"
    [system]
    version = 1
    [vm.linux]
    kernel = "debian:armmp"
    ram = "64MiB"
    core = 1
    [component.control]
    crate = "x"
    core = 2
    budget = "1ms"
    period = "2ms"
    [component.other]
    crate = "x"
"#;

fn with(more: &str) -> String {
    format!("{SYSTEM}{more}")
}

/// The cores on which a compartment has time.
fn cores(plan: &Plan, compartment: &str) -> BTreeSet<u8> {
    let of = plan.objects.iter().filter(|object| plan.groups[object.group.0].name == compartment);
    of.filter_map(|object| match object.kind {
        ObjectKind::SchedContext { core, .. } => Some(core),
        _ => None,
    })
    .collect()
}

/// Which kernel is asked for, and how many further cores it is told to start.
fn kernel(checked: &Checked) -> (ProgramName, u32) {
    let materials = with_inputs(|inputs| materials::gather(&checked.system, inputs)).unwrap();
    let name = materials.kernel.name.clone();
    let composed = crate::compose::assemble::assemble(&checked.system, &materials).unwrap();
    let payload = &composed.bin[(composed.kernel.payload - composed.kernel.base) as usize..];
    (name, read_header(payload).unwrap().further_cores)
}

#[test]
fn everybody_has_time_on_the_core_that_is_written_and_on_no_other() {
    let composed = composed(SYSTEM);
    let of = |name| cores(&composed.plan, name).into_iter().collect::<Vec<_>>();
    assert_eq!([of("linux"), of("control"), of("other")], [[1], [2], [0]]);
    assert_eq!([of("console"), of("log")], [[0], [0]]);
}

#[test]
fn only_who_runs_beyond_the_first_core_gets_the_kernel_for_several() {
    assert_eq!(kernel(&checked(SYSTEM).unwrap()), (ProgramName::KernelSmp, 2));
    let one = SYSTEM.replace("core = 1", "").replace("core = 2", "core = 0");
    assert_eq!(kernel(&checked(&one).unwrap()), (ProgramName::Kernel, 0));
    // It is the same image as that of a system of which nobody says anything of cores.
    assert_eq!(composed(&one).bin, composed(&one.replace("core = 0", "")).bin);
}

#[test]
fn the_report_says_who_runs_where_and_what_is_left() {
    let system = checked(SYSTEM).unwrap().system;
    let json = report::json(&system, &composed(SYSTEM));
    let html = report::html(&json);
    let left: Vec<_> = json.cores.iter().map(|core| (core.core, core.left_ppm)).collect();
    assert_eq!(left, [(0, 260_000), (1, 500_000), (2, 500_000)]);
    let control = json.threads.iter().find(|line| line.compartment == "control").unwrap();
    assert_eq!(control.core, Some(2));
    assert!(html.contains("<summary>Time</summary>"), "{html}");
    assert!(html.contains("<td class=\"n\">50 %</td><td class=\"n\">0 %</td><td class=\"n\">50 %</td>"), "{html}");
}

#[test]
fn time_flows_on_a_core_and_not_between_cores() {
    let between = |one: &str, other: &str, system: &str| {
        let claim =
            format!("[[claim]]\nno-flow = [\"{one}\", \"{other}\"]\ntrust = [\"console\", \"log\"]\ntime = true\n");
        checked(&format!("{system}{claim}")).map(drop).map_err(|reports| render(&reports, false))
    };
    let apart = with("console = false\n");
    assert_eq!(between("linux", "control", &apart), Ok(()));
    assert_eq!(between("control", "other", &apart), Ok(()));
    let together = apart.replace("core = 2", "core = 1");
    let told = between("linux", "control", &together).unwrap_err();
    assert!(told.contains("time of core 1"), "{told}");
    // A passive server runs wherever its callers do: its time is that of all cores.
    let passive = with(
        "console = false\n[component.server]\ncrate = \"x\"\npassive = true\nconsole = false\n[component.caller]\ncrate = \"x\"\nconsole = false\n[channel.server]\nfrom = \"caller\"\nto = \"server\"\n",
    );
    let told = between("control", "server", &passive).unwrap_err();
    assert!(told.contains("time of core 2"), "{told}");
}
