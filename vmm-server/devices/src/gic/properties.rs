//! Never lost, never doubled: the distributor and a kernel together are compared with one ideal GIC
//! (ARM IHI 0048B figure 3-1) after each step of a random sequence.

use super::fake::Kernel;
use super::*;
use proptest::prelude::*;
use std::vec::Vec;

/// Interrupts that the sequences play with: at the edges of bitmap words, two PPIs of vCPU 0 among them.
const PLAYED: [usize; 6] = [16, 31, 32, 63, 64, 287];
const VCPUS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Line(usize, bool),
    Pulse(usize),
    Enable(usize, bool),
    Pend(usize, bool),
    Priority(usize, u8),
    Edge(usize, bool),
    Target(usize, u8),
    Group(usize, bool),
    Control(u32),
    Acknowledge(usize),
    End(usize),
    Reset(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let irq = 0..PLAYED.len();
    prop_oneof![
        4 => (irq.clone(), any::<bool>()).prop_map(|(i, l)| Step::Line(i, l)),
        2 => irq.clone().prop_map(Step::Pulse),
        3 => (irq.clone(), any::<bool>()).prop_map(|(i, e)| Step::Enable(i, e)),
        2 => (irq.clone(), any::<bool>()).prop_map(|(i, p)| Step::Pend(i, p)),
        2 => (irq.clone(), any::<u8>()).prop_map(|(i, p)| Step::Priority(i, p)),
        1 => (irq.clone(), any::<bool>()).prop_map(|(i, e)| Step::Edge(i, e)),
        2 => (irq.clone(), 0..8u8).prop_map(|(i, t)| Step::Target(i, t)),
        1 => (irq.clone(), any::<bool>()).prop_map(|(i, g)| Step::Group(i, g)),
        1 => (0..4u32).prop_map(Step::Control),
        4 => irq.clone().prop_map(Step::Acknowledge),
        4 => irq.prop_map(Step::End),
        1 => (0..VCPUS).prop_map(Step::Reset),
    ]
}

#[derive(Clone, Copy, Default)]
struct Ideal {
    enabled: bool,
    edge: bool,
    group1: bool,
    line: bool,
    latch: bool,
    active: bool,
    targets: u8,
}

impl Ideal {
    fn pending(self) -> bool {
        self.latch || self.line && !self.edge
    }
    fn ready(self, control: u32, private: bool) -> bool {
        let control = control >> u32::from(self.group1) & 1 != 0;
        control && self.enabled && self.pending() && !self.active && (private || self.targets != 0)
    }
}

/// A store to the register at `base` that has one bit for each interrupt.
fn bit(base: u32, intid: usize) -> (u32, u32) {
    (base + intid as u32 / 32 * 4, 1 << (intid % 32))
}

/// Changes bit `bit` of the word at `offset`.
fn modify(gic: &mut Distributor, kernel: &mut Kernel, offset: u32, bit: u32, set: bool) {
    let old = gic.read(0, offset, 4, kernel);
    gic.write(0, offset, 4, if set { old | bit } else { old & !bit }, kernel);
}

fn play(steps: &[Step]) {
    let (mut gic, mut kernel) = (Distributor::new(VCPUS), Kernel::default());
    let mut ideal = [Ideal::default(); PLAYED.len()];
    let mut control = 0;
    for &step in steps {
        match step {
            Step::Line(i, level) => {
                match PLAYED[i] {
                    intid @ ..32 => gic.set_private_line(0, intid as u32, level, &mut kernel),
                    intid => gic.set_line(intid as u32, level, &mut kernel),
                }
                ideal[i].latch |= ideal[i].edge && level && !ideal[i].line;
                ideal[i].line = level;
            }
            Step::Pulse(i) => {
                gic.pulse(PLAYED[i] as u32, &mut kernel);
                ideal[i].latch |= PLAYED[i] >= 32;
            }
            Step::Enable(i, enable) => {
                let (offset, bit) = bit(if enable { 0x100 } else { 0x180 }, PLAYED[i]);
                gic.write(0, offset, 4, bit, &mut kernel);
                ideal[i].enabled = enable;
            }
            Step::Pend(i, pend) => {
                let (offset, bit) = bit(if pend { 0x200 } else { 0x280 }, PLAYED[i]);
                gic.write(0, offset, 4, bit, &mut kernel);
                ideal[i].latch = pend;
            }
            Step::Priority(i, priority) => {
                gic.write(0, 0x400 + PLAYED[i] as u32, 1, u32::from(priority), &mut kernel);
            }
            Step::Edge(i, edge) => {
                let offset = 0xc00 + PLAYED[i] as u32 / 16 * 4;
                modify(&mut gic, &mut kernel, offset, 2 << (PLAYED[i] % 16 * 2), edge);
                ideal[i].edge = edge;
            }
            Step::Target(i, targets) => {
                gic.write(0, 0x800 + PLAYED[i] as u32, 1, u32::from(targets), &mut kernel);
                ideal[i].targets = targets;
            }
            Step::Group(i, group1) => {
                let (offset, bit) = bit(0x80, PLAYED[i]);
                modify(&mut gic, &mut kernel, offset, bit, group1);
                ideal[i].group1 = group1;
            }
            Step::Control(value) => {
                gic.write(1, 0, 4, value, &mut kernel);
                control = value;
            }
            Step::Acknowledge(i) => {
                if let Some(&vcpu) = kernel.ready(PLAYED[i] as u16).first() {
                    kernel.acknowledge(vcpu, PLAYED[i] as u16);
                    ideal[i].active = true;
                    ideal[i].latch = false;
                }
            }
            Step::End(i) => {
                for vcpu in 0..VCPUS {
                    if kernel.of(vcpu, PLAYED[i] as u16).active {
                        kernel.end(vcpu, PLAYED[i] as u16);
                        ideal[i].active = false;
                    }
                }
            }
            Step::Reset(vcpu) => {
                for (ideal, &intid) in ideal.iter_mut().zip(&PLAYED) {
                    ideal.active &= !kernel.of(vcpu, intid as u16).active;
                }
                gic.reset_cpu(vcpu, &mut kernel, |kernel| kernel.reset(vcpu));
            }
        }
        for (ideal, &intid) in ideal.iter().zip(&PLAYED) {
            let ready = kernel.ready(intid as u16);
            let active = (0..4).filter(|&vcpu| kernel.of(vcpu, intid as u16).active).count();
            assert_eq!(active, usize::from(ideal.active), "{intid} active after {step:?}");
            // One that is active somewhere is not ready anywhere.
            let expected = usize::from(ideal.ready(control, intid < 32));
            assert_eq!(ready.len(), expected, "{intid} ready after {step:?}");
            let (offset, bit) = bit(0x200, intid);
            let pending = gic.read(0, offset, 4, &mut kernel) & bit != 0;
            assert_eq!(pending, ideal.pending(), "{intid} pending after {step:?}");
            if let Some(&vcpu) = ready.first() {
                let priority = gic.read(0, 0x400 + intid as u32, 1, &mut kernel);
                assert_eq!(u32::from(kernel.of(vcpu, intid as u16).priority), priority, "{intid} after {step:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_lost_never_doubled(steps in prop::collection::vec(step(), 1..120)) {
        play(&steps);
    }

    /// Software interrupts: each pair of sender and receiver is pending at most once, and none is lost.
    #[test]
    fn software_interrupts_are_counted_by_source(steps in prop::collection::vec((0..4usize, any::<u32>(), 0..6u8), 1..80)) {
        let (mut gic, mut kernel) = (Distributor::new(4), Kernel::default());
        let mut ideal = [[0u8; 16]; 4];
        for (vcpu, value, kind) in steps {
            let sgi = value as usize & 15;
            let bits = (value >> 8) as u8;
            match kind {
                0 | 1 => {
                    gic.write(vcpu, 0xf00, 4, value & 0x03ff_000f, &mut kernel);
                    let targets: Vec<usize> = match value >> 24 & 3 {
                        0 => (0..4).filter(|v| value >> (16 + v) & 1 != 0).collect(),
                        1 => (0..4).filter(|&v| v != vcpu).collect(),
                        2 => vec![vcpu],
                        _ => vec![],
                    };
                    targets.into_iter().for_each(|v| ideal[v][sgi] |= 1 << vcpu);
                }
                2 => {
                    gic.write(vcpu, 0xf10 + sgi as u32, 1, u32::from(bits), &mut kernel);
                    ideal[vcpu][sgi] &= !bits;
                }
                3 => {
                    gic.write(vcpu, 0xf20 + sgi as u32, 1, u32::from(bits), &mut kernel);
                    ideal[vcpu][sgi] |= bits & 0xf;
                }
                4 => gic.write(vcpu, 0, 4, value & 1, &mut kernel),
                _ => {
                    let state = kernel.of(vcpu, sgi as u16);
                    if state.active {
                        kernel.end(vcpu, sgi as u16);
                    } else if state.pending() {
                        ideal[vcpu][sgi] &= !(1 << kernel.acknowledge(vcpu, sgi as u16));
                    }
                }
            }
            for (vcpu, ideal) in ideal.iter().enumerate() {
                for (sgi, &sources) in ideal.iter().enumerate() {
                    let read = gic.read(vcpu, 0xf20 + sgi as u32, 1, &mut kernel);
                    prop_assert_eq!(read, u32::from(sources));
                    let control = gic.read(0, 0, 4, &mut kernel) & 1 != 0;
                    prop_assert_eq!(kernel.of(vcpu, sgi as u16).sources, if control { sources } else { 0 });
                }
            }
        }
    }
}
