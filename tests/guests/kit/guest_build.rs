// The build script of every guest, by `include!`: how its program is linked. A package whose name ends in `-thumb` is
// Thumb code where the sources it shares say `cfg(thumb_guest)`.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        for argument in ["-Tguest.x", "-zmax-page-size=4096", "--no-eh-frame-hdr", "-ztext"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
    println!("cargo:rustc-check-cfg=cfg(thumb_guest)");
    if std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name.ends_with("-thumb")) {
        println!("cargo:rustc-cfg=thumb_guest");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
