//! Root's program: builds the system, then watches over it.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

#[cfg(target_os = "none")]
fn run(_argument: u32) {
    use root::{Root, fill::Scratch, watch};
    use runtime::{Place, entry, space};

    static ROOT: Place<Root<'static>> = Place::new(Root::new());

    let Some(root) = ROOT.take() else { return };
    let boot = space::boot_info();
    let scratch = Scratch { page: space::root_scratch(), block: space::root_scratch_block() };
    root.learn(&boot, space::root_payload(boot.payload_frames), scratch);
    let mut log_enabled = false;
    let built = root.build(|address| {
        if address == protocol::layout::LOG_RING {
            space::enable_log(protocol::wire::ROOT_ID);
            log_enabled = true;
        }
    });
    if let Err(failure) = built {
        watch::tell_failure(&failure);
        if !log_enabled {
            // Nobody could read it: let the kernel show it, record and error in r0 and r1.
            entry::die(failure.record, failure.cause.number());
        }
        watch::go_down(root::lifecycle::Outcome::Crashed);
    }
    runtime::log::info!("system is up");
    watch::go_down(root.watch())
}
