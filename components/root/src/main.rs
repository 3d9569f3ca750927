//! Root's program.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
static ROOT: runtime::Place<root::Root<'static>> = runtime::Place::new(root::Root::new());

runtime::entry!(run);

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    if let Some(root) = ROOT.take() {
        root::run(root);
    }
}
