//! The threads, wired to the kernel.

use protocol::config::{Config, Vm};
use protocol::layout::slot;
use protocol::vm::{Ended, Ending};
use runtime::ring::{Reader, Writer};
use runtime::{Endpoint, Lock, Notification, call, log, space};
use vmm_server::cpus::Vcpus;
use vmm_server::flush::Flusher;
use vmm_server::machine::Machine;
use vmm_server::parts::VcpuParts;
use vmm_server::port::Port;
use vmm_server::ram::Ram;
use vmm_server::{Parts, Verdict, epitaph, exit, load, start};

static MACHINE: Lock<Option<Machine>> = Lock::new(None);

/// Where a thread begins, by its number.
pub fn run(thread: u32) {
    let Some(config) = space::config() else {
        return;
    };
    let Some(vm) = config.vm.as_ref() else {
        return log::error!("{=str}: there is no VM to serve", config.name);
    };
    let parts = match Parts::find(config, vm) {
        Ok(parts) => parts,
        Err(name) => return fail(config, "a capability is missing", name),
    };
    match thread.checked_sub(1) {
        Some(vcpu) => answer_exits(&parts, config.name, vcpu as usize),
        None => match prepare(config, vm, &parts) {
            Ok(()) => serve_events(&parts),
            Err((what, detail)) => fail(config, what, detail),
        },
    }
}

/// Loads the guest, makes its machine, and lets it run. The error says what failed, and of what. What it needs of the stack is free again
/// when events are served.
#[inline(never)]
fn prepare<'a>(config: &Config<'a>, vm: &Vm<'a>, parts: &Parts) -> Result<(), (&'static str, &'a str)> {
    let ring = |name| config.memory(name).and_then(|memory| space::memory(&memory));
    let memory = space::guest_ram(vm).ok_or(("its RAM is nowhere", ""))?;
    let ram = Ram { memory, base: vm.ram_base };
    for file in &vm.files {
        let source = space::payload_file(file).ok_or(("a file is nowhere", file.name))?;
        load::load(&ram, file, &source, parts.ram).map_err(|_| ("a file can't be loaded", file.name))?;
    }
    let flusher = Flusher::new(parts.ram, vm.ram_bytes >> abi::object::BLOCK_BITS);
    let cpus = Vcpus::new(parts.vcpus.iter().map(|parts| (parts.vcpu, parts.guest)));
    let port = Port::new(ring("console.tx").and_then(Writer::new), ring("console.rx").and_then(Reader::new));
    if let Some(notification) = parts.lock {
        MACHINE.set_notification(notification);
    }
    *MACHINE.lock() = Some(Machine::new(cpus, vm.console, port, ram, flusher));
    let refused = |_| ("the kernel refuses to start a vCPU", "");
    parts.vcpus.iter().try_for_each(start::exit_thread).map_err(refused)?;
    // The others are off until the guest switches them on.
    if let Some(first) = parts.vcpus.first() {
        start::set_registers(first.vcpu, 0, vm.entry, vm.arguments).map_err(refused)?;
        first.guest.resume().map_err(refused)?;
    }
    log::info!("{=str}: guest starts at {=u32:#x}", config.name, vm.entry);
    Ok(())
}

/// Thread 0: input, and room for output.
#[inline(never)]
fn serve_events(parts: &Parts) {
    while Notification(slot::EVENTS).wait().is_ok() {
        exit::event(&MACHINE, || wake(parts.console));
    }
}

/// Thread 1 + N.
#[inline(never)]
fn answer_exits(parts: &Parts, name: &str, number: usize) {
    let Some(&VcpuParts { exits, reply, .. }) = parts.vcpus.get(number) else {
        return;
    };
    let console = parts.console;
    let mut received = exits.receive(reply);
    while let Ok(message) = received {
        let (label, words) = (message.info.label(), message.words);
        let after = |todo| exit::finish(&MACHINE, todo, || wake(console));
        received = match exit::device(&MACHINE, number, label, words, after) {
            Some((info, word)) => exits.answer_and_receive(reply, info, [word, 0, 0, 0]),
            None => {
                let verdict = exit::seldom(&MACHINE, number, label, words, || wake(console));
                if let Verdict::End(ending) = verdict {
                    end(name, number, ending);
                }
                let (info, words) = verdict.message();
                exits.answer_and_receive(reply, info, words)
            }
        };
    }
    log::error!("{=str}: receiving exits failed", name);
}

/// Tells root, which ends us, too, if the manifest says so.
#[cold]
#[inline(never)]
fn end(name: &str, vcpu: usize, ending: Ending) {
    if ending == Ending::Crashed
        && let Some(machine) = MACHINE.lock().as_ref()
    {
        epitaph::tell(name, machine, vcpu);
    }
    if call(Endpoint(slot::ROOT), &Ended(ending)).is_err() {
        log::error!("{=str}: root does not answer", name);
    }
}

fn fail(config: &Config<'_>, what: &str, detail: &str) {
    log::error!("{=str}: {=str} {=str}", config.name, what, detail);
    let _ = call(Endpoint(slot::ROOT), &Ended(Ending::Crashed));
}

#[inline]
fn wake(console: Option<Notification>) {
    if let Some(console) = console {
        // A console that can't be woken is no reason to stop a guest.
        let _ = console.signal();
    }
}
