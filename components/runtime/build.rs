//! Puts the components' link script where the linker of every component looks for it.

fn main() {
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let script = std::fs::read("component.x").expect("component.x stands beside this file");
    std::fs::write(std::path::Path::new(&out).join("component.x"), script).expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search={out}");
    println!("cargo:rerun-if-changed=component.x");
}
