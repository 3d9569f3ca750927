//! Puts the guests' link script where the linker of every guest looks for it.

fn main() {
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let script = std::fs::read("guest.x").expect("guest.x stands beside this file");
    std::fs::write(std::path::Path::new(&out).join("guest.x"), script).expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search={out}");
    println!("cargo:rerun-if-changed=guest.x");
}
