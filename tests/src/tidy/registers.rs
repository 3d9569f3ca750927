//! The published table of a guest's registers, as the code has it.

use abi::vcpu::{ClosedBy, OTHERS, Row, Saved, TABLE};

const SAVED: [(Saved, &str); 6] = [
    (Saved::Entry, "at every entry to the kernel, in the thread's context"),
    (Saved::World, "at each change between a guest and a component, and between two guests"),
    (Saved::Vcpu, "when another vCPU needs the hardware, and at no other time"),
    (
        Saved::Timer,
        "as `Vcpu`, apart from the rest: it is stopped before they are saved, and set after they are loaded",
    ),
    (
        Saved::Float,
        "when another vCPU uses floating point, and at no other time; d0 to d31 with it, which are 0 at a reset",
    ),
    (Saved::Written, "never, since the guest can't change it: it is written when its vCPU is loaded"),
];

const CLOSED: [(ClosedBy, &str); 7] = [
    (ClosedBy::Privilege, "user mode has no name for it"),
    (ClosedBy::Hstr, "HSTR.Tn of its CRn traps"),
    (ClosedBy::HstrTee, "HSTR.TTEE or TEECR.XED traps"),
    (
        ClosedBy::Switched,
        "it acts on user mode: while a component runs, a constant or the component's own stands there",
    ),
    (ClosedBy::Cntkctl, "the constant CNTKCTL of components closes it"),
    (ClosedBy::Hcptr, "HCPTR.TCPn traps"),
    (ClosedBy::Stage2, "it is a device's, which no component has in its space"),
];

fn meanings<T: std::fmt::Debug>(column: &str, meanings: &[(T, &str)]) -> String {
    let rows = meanings.iter().map(|(value, meaning)| format!("| `{value:?}` | {meaning} |\n"));
    format!("\n| {column} | means |\n|---|---|\n") + &rows.collect::<String>()
}

fn rows(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let Row { register, reset, saved, closed } = row;
        let reset = reset.map_or("-".to_owned(), |value| format!("{value:#x}"));
        format!("| {} | `{register:?}` | {reset} | `{saved:?}` | `{closed:?}` |\n", *register as u32)
    };
    "\n| number | register | at reset | saved | closed by |\n|---|---|---|---|---|\n".to_owned()
        + &rows.iter().map(line).collect::<String>()
}

/// The whole of `tools/docs/registers.md`.
pub fn book() -> String {
    let mut text = String::from(
        "<!-- Made from interfaces/abi/src/vcpu.rs: BULKHEAD_UPDATE=1 cargo test -p bulkhead-tests --test tidy -->\n\
         # The registers of a guest\n\n\
         For every register of a guest: what it is at the reset of its vCPU, when the kernel saves it, and what keeps a component\n\
         from reaching it while it stays in the hardware. The code that saves, loads and resets these registers, what the\n\
         tests fill to find leaks, the encodings that a hostile component tries, and this table are made from one list.\n",
    );
    text += &meanings("saved", &SAVED);
    text += &meanings("closed by", &CLOSED);
    text += "\n## Coprocessor registers and banked ones\n";
    text += &rows(TABLE);
    text += "\n## The rest\n\n\
             What a reset of the vCPU leaves alone has a `-`: core registers are its thread's, and `Vmpidr` stays what the VMM wrote.\n\
             `Cntvoff` becomes the time of the reset, so that the guest's clock begins at 0.\n";
    text += &rows(OTHERS);
    text
}
