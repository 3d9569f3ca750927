//! The devices of the machine, wired together: each with its line at the distributor, the consoles with the port.

use crate::cpus::Vcpus;
use crate::flush::Flusher;
use crate::port::Port;
use crate::progress::Progress;
use crate::ram::Ram;
use crate::trace::Trace;
use protocol::config::{Console as ConsoleKind, VCPUS_MAX};
use runtime::clock;
use vmm_devices::bus::{Device, RTC_INTID, UART_INTID, virtio_intid};
use vmm_devices::gic::Distributor;
use vmm_devices::pl011::Pl011;
use vmm_devices::pl031::Pl031;
use vmm_devices::pvpanic;
use vmm_devices::virtio::console::CONSOLE_QUEUES;
use vmm_devices::virtio::{Console, Mmio, mmio};

/// Offset of the PL011's data register.
const UART_DATA: u32 = 0;

/// The transport that the console stands behind.
const CONSOLE_SLOT: u8 = 0;

/// What is left to do once no lock is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Todo {
    /// Wake the console.
    pub signal: bool,
    /// A device wants [`Machine::serve_port`] again.
    pub more: bool,
    /// Bytes of the serial port wait for room.
    pub stuck: bool,
}

impl Todo {
    /// Whether there is nothing.
    #[inline(always)]
    pub const fn is_nothing(self) -> bool {
        !(self.signal | self.more | self.stuck)
    }
}

/// What is known of a vCPU by its exits.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The last of them.
    pub trace: Trace,
    /// Whether it gets anywhere.
    pub(crate) progress: Progress,
}

/// A VM's devices, and what its exits left.
#[derive(Debug)]
pub struct Machine {
    pub(crate) cpus: Vcpus,
    pub(crate) distributor: Distributor,
    uart: Pl011,
    rtc: Pl031,
    console: Option<Mmio<Console, CONSOLE_QUEUES>>,
    /// The channel to the console component.
    pub port: Port,
    pub(crate) ram: Ram,
    pub(crate) flusher: Flusher,
    /// What is known of each vCPU.
    pub watched: [Watched; VCPUS_MAX],
    /// The vCPUs that are on, a bit each.
    pub(crate) on: u32,
    /// What the guest has said of itself at the pvpanic.
    panicked: Option<pvpanic::Event>,
    /// The virtio console has more to do.
    more: bool,
}

impl Machine {
    /// A machine after reset.
    pub fn new(cpus: Vcpus, console: ConsoleKind, port: Port, ram: Ram, flusher: Flusher) -> Self {
        let virtio = console == ConsoleKind::Virtio;
        Self {
            distributor: Distributor::new(cpus.handles.len()),
            cpus,
            uart: Pl011::new(),
            rtc: Pl031::new(),
            console: virtio.then(|| Mmio::new(Console::new())),
            port,
            ram,
            flusher,
            watched: Default::default(),
            on: 1,
            panicked: None,
            more: false,
        }
    }

    /// How many vCPUs.
    pub fn vcpus(&self) -> u32 {
        self.cpus.handles.len() as u32
    }

    /// A load of `width` bytes.
    #[inline(always)]
    pub fn load(&mut self, vcpu: usize, device: Device, offset: u32, width: u32) -> u32 {
        match device {
            Device::Distributor => self.distributor.read(vcpu, offset, width, &mut self.cpus),
            Device::Uart => self.load_uart(offset),
            Device::Rtc => self.load_rtc(offset),
            Device::Panic => pvpanic::read(offset),
            Device::Virtio(slot) => self.load_virtio(slot, offset, width),
        }
    }

    /// A store of `width` bytes.
    #[inline(always)]
    pub fn store(&mut self, vcpu: usize, device: Device, offset: u32, width: u32, value: u32) {
        match device {
            Device::Distributor => self.distributor.write(vcpu, offset, width, value, &mut self.cpus),
            Device::Uart => self.store_uart(offset, value),
            Device::Rtc => self.store_rtc(offset, value),
            Device::Panic => self.panicked = pvpanic::write(offset, value),
            Device::Virtio(slot) => self.store_virtio(slot, offset, width, value),
        }
    }

    #[inline(never)]
    fn load_uart(&mut self, offset: u32) -> u32 {
        let Self { cpus, distributor, uart, console, .. } = self;
        let value = uart.read(offset, &mut |level| distributor.set_line(UART_INTID, level, cpus));
        // Who takes a byte makes room for another.
        if offset == UART_DATA && console.is_none() {
            self.pump_uart();
        }
        value
    }

    #[inline(never)]
    fn store_uart(&mut self, offset: u32, value: u32) {
        let Self { cpus, distributor, uart, port, .. } = self;
        uart.write(offset, value, &mut |level| distributor.set_line(UART_INTID, level, cpus), port);
    }

    #[cold]
    #[inline(never)]
    fn load_rtc(&mut self, offset: u32) -> u32 {
        let Self { cpus, distributor, rtc, .. } = self;
        rtc.read(offset, now_s(), &mut |level| distributor.set_line(RTC_INTID, level, cpus))
    }

    #[cold]
    #[inline(never)]
    fn store_rtc(&mut self, offset: u32, value: u32) {
        let Self { cpus, distributor, rtc, .. } = self;
        rtc.write(offset, value, now_s(), &mut |level| distributor.set_line(RTC_INTID, level, cpus));
    }

    #[inline(never)]
    fn load_virtio(&mut self, slot: u8, offset: u32, width: u32) -> u32 {
        match &self.console {
            Some(console) if slot == CONSOLE_SLOT => console.read(offset, width),
            _ => mmio::vacant(offset, width),
        }
    }

    #[inline(never)]
    fn store_virtio(&mut self, slot: u8, offset: u32, width: u32, value: u32) {
        let Self { cpus, distributor, console, port, ram, more, .. } = self;
        if let Some(console) = console.as_mut().filter(|_| slot == CONSOLE_SLOT) {
            let intid = virtio_intid(CONSOLE_SLOT);
            let mut line = |level| distributor.set_line(intid, level, cpus);
            *more |= console.write(offset, width, value, ram, port, &mut line);
        }
    }

    /// Something happened at the port: input, or room for output.
    pub fn serve_port(&mut self) {
        self.port.flush();
        let Self { cpus, distributor, console, port, ram, more, .. } = self;
        match console {
            Some(console) => {
                let intid = virtio_intid(CONSOLE_SLOT);
                *more = console.serve(ram, port, &mut |level| distributor.set_line(intid, level, cpus));
            }
            None => self.pump_uart(),
        }
    }

    /// What is left to do; asked once.
    #[inline(always)]
    pub fn take_todo(&mut self) -> Todo {
        Todo { signal: self.port.take_signal(), more: core::mem::take(&mut self.more), stuck: self.port.is_stuck() }
    }

    /// Keeps an exit for the epitaph. One that is no abort and no undefined instruction shows that the guest goes on.
    #[inline(always)]
    pub(crate) fn keep_alive(&mut self, vcpu: usize, label: u16, words: [u32; 4]) {
        if let Some(watched) = self.watched.get_mut(vcpu) {
            watched.trace.keep(label, words);
            watched.progress.lives();
        }
    }

    /// Keeps an exit for the epitaph.
    #[inline(always)]
    pub(crate) fn keep(&mut self, vcpu: usize, label: u16, words: [u32; 4]) {
        if let Some(watched) = self.watched.get_mut(vcpu) {
            watched.trace.keep(label, words);
        }
    }

    /// Input goes to the serial port if that is the VM's console.
    fn pump_uart(&mut self) {
        let Self { cpus, distributor, uart, console, port, .. } = self;
        if console.is_some() {
            return;
        }
        while uart.room() > 0
            && let Some(byte) = port.next_input()
        {
            uart.receive(byte, &mut |level| distributor.set_line(UART_INTID, level, cpus));
        }
    }

    /// What the guest has said of itself at the pvpanic; asked once.
    pub(crate) fn take_panicked(&mut self) -> Option<pvpanic::Event> {
        self.panicked.take()
    }

    /// A vCPU gets somewhere.
    #[inline(always)]
    pub(crate) fn lives(&mut self, vcpu: usize) {
        if let Some(watched) = self.watched.get_mut(vcpu) {
            watched.progress.lives();
        }
    }
}

/// The clock's time: seconds since the machine's counter began. Nobody tells a VMM what day it is.
fn now_s() -> u32 {
    (clock::now_us() / 1_000_000) as u32
}
