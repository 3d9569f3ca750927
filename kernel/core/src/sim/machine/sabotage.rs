//! What of the kernel's maintenance is left out, for tests that see it missed.

use crate::platform::Maintenance;

/// Where one of the orders in `maintain.rs` is used: the end of the file's name, and the line.
pub type Site = (&'static str, u32);

/// What a test leaves out of the kernel's maintenance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// What is done at that line of `maintain.rs`.
    Line(u32),
    /// Each operation of that name: one of [`OPERATIONS`].
    Operation(&'static str),
    /// What is done at that line of `maintain.rs` for whoever uses it there.
    Use(Site, u32),
    /// All of it.
    All,
}

/// The names of all operations, as a trace or a command line has them.
pub const OPERATIONS: [&str; 14] = [
    "dsb-ishst",
    "dsb-ish",
    "dsb-sy",
    "isb",
    "select-vmid",
    "select-running",
    "select-nobody",
    "tlbiallis",
    "tlbiallnsnhis",
    "icialluis",
    "dccmvac",
    "dccimvac",
    "dcimvac",
    "dccmvau",
];

/// The name of an operation.
const fn name(operation: Maintenance) -> &'static str {
    OPERATIONS[match operation {
        Maintenance::DsbIshst => 0,
        Maintenance::DsbIsh => 1,
        Maintenance::DsbSy => 2,
        Maintenance::Isb => 3,
        Maintenance::SelectVmid(_) => 4,
        Maintenance::SelectRunning => 5,
        Maintenance::SelectNobody => 6,
        Maintenance::Tlbiallis => 7,
        Maintenance::Tlbiallnsnhis => 8,
        Maintenance::Icialluis => 9,
        Maintenance::Dccmvac(_) => 10,
        Maintenance::Dccimvac(_) => 11,
        Maintenance::Dcimvac(_) => 12,
        Maintenance::Dccmvau(_) => 13,
    }]
}

impl Sabotage {
    /// All operations of that name left out. `None`: there is no such operation.
    pub fn named(operation: &str) -> Option<Self> {
        OPERATIONS.into_iter().find(|known| *known == operation).map(Self::Operation)
    }

    /// Whether it leaves that out, at that line.
    pub(super) fn leaves_out(self, operation: Maintenance, line: u32, site: Option<Site>) -> bool {
        match self {
            Self::None => false,
            Self::Line(out) => out == line,
            Self::Operation(out) => out == name(operation),
            Self::Use(at, out) => out == line && Some(at) == site,
            Self::All => true,
        }
    }
}
