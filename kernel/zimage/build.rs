//! How the head is linked: at 0, since it runs anywhere.
fn main() {
    println!("cargo:rerun-if-changed=head.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo:rustc-link-arg-bins=-T{}/head.ld", env!("CARGO_MANIFEST_DIR"));
    }
}
