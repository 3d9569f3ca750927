//! Writes the chosen board's addresses as Rust constants. `BULKHEAD_BOARD` names the board.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=BULKHEAD_BOARD");
    println!("cargo::rerun-if-changed=../../boards");
    let name = std::env::var("BULKHEAD_BOARD").unwrap_or_else(|_| "qemu-virt".to_owned());
    let board = boards::find(&name).unwrap_or_else(|error| panic!("BULKHEAD_BOARD: {error}"));
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("board.rs"), constants(&board)).expect("OUT_DIR can be written");
}

fn constants(board: &boards::Board) -> String {
    let power = match board.power {
        boards::Power::PsciSmc => "Power::PsciSmc".to_owned(),
        boards::Power::Vexpress { sysreg } => format!("Power::Vexpress {{ sysreg: {:#x} }}", low(sysreg)),
    };
    let mut text = format!(
        "/// The board's name.\npub const NAME: &str = {:?};\n\
         /// Its cores.\npub const CORES: u32 = {};\n\
         /// How it is powered.\npub const POWER: Power = {power};\n",
        board.name, board.cores
    );
    for (name, what, address) in [
        ("KERNEL_ADDRESS", "Where the kernel's image is linked", board.kernel_address),
        ("GICD", "The interrupt distributor", board.gic.gicd),
        ("GICC", "The CPU interface", board.gic.gicc),
        ("GICH", "Virtual interface control", board.gic.gich),
        ("UART", "The console", board.uart.base),
    ] {
        writeln!(text, "/// {what}.\npub const {name}: u32 = {:#x};", low(address)).unwrap();
    }
    text += "/// RAM: base and size in bytes.\npub const RAM: &[(u64, u64)] = &[";
    for ram in &board.ram {
        write!(text, "({:#x}, {:#x}), ", ram.base, ram.bytes).unwrap();
    }
    text += "];\n";
    text
}

/// The kernel's devices lie where its window reaches, and above the 32 MiB that FCSEIDR moves.
fn low(address: u64) -> u32 {
    assert!((32 << 20..1 << 32).contains(&address), "the kernel cannot reach {address:#x}");
    address as u32
}
