//! Echo's program.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use abi::{MessageInfo, Syscall};
    use echo::Role;
    use protocol::layout::slot;
    use runtime::svc::{Registers, svc};
    use runtime::{Endpoint, Reply, log, space};

    let Some(config) = space::config() else { return };
    match echo::role(|name| config.capability(name)) {
        Role::Server(endpoint, reply) => {
            let answer = Registers::new(endpoint, MessageInfo::new(0, 0), [0; 4], reply);
            let mut message = svc::<{ Syscall::Recv as u32 }>(answer);
            loop {
                // A long question gets as long an answer.
                let info = MessageInfo::new(0, message.info.length());
                message = svc::<{ Syscall::ReplyRecv as u32 }>(Registers::new(endpoint, info, message.words, reply));
            }
        }
        Role::Teller(endpoint, reply) => {
            let error = runtime::serve(Endpoint(endpoint), Reply(reply), &mut echo::Teller);
            log::error!("echo: receiving failed ({=u32})", error as u32);
        }
        Role::Receiver(endpoint) => woken::<{ echo::end(echo::RECEIVED) }>(|| {
            svc::<{ Syscall::Recv as u32 }>(Registers::new(endpoint, MessageInfo::default(), [0; 4], 0));
        }),
        Role::Waiter => woken::<{ echo::end(echo::WOKEN) }>(|| {
            svc::<{ Syscall::Wait as u32 }>(Registers::new(slot::EVENTS, MessageInfo::default(), [0; 4], 0));
        }),
    }
}

/// Waits for ever, and makes the mark each time that it has been woken.
#[cfg(target_os = "none")]
fn woken<const MARK: u32>(wait: impl Fn()) {
    let mut silent = echo::SILENT_WAKES;
    loop {
        wait();
        match silent {
            0 => echo::mark::<MARK>(),
            _ => silent -= 1,
        }
    }
}
