// The build script of every component, by `include!`: how its program is linked.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        for argument in ["-Tcomponent.x", "-Tdefmt.x", "-zmax-page-size=4096", "--no-eh-frame-hdr"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
}
