//! What root does: it builds the system, then watches over it.

use crate::build::Root;
use crate::fill::Scratch;
use crate::lifecycle::Outcome;
use crate::watch;
use runtime::{entry, log, space};

/// Root's thread, until the machine goes down. `root` is new, and too large for root's stack.
pub fn run(root: &mut Root<'static>) {
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
        watch::go_down(Outcome::Crashed);
    }
    log::info!("system is up");
    watch::go_down(root.watch())
}
