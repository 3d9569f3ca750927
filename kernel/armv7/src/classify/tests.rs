//! Every class of a guest's trap, with the syndromes that the emulator and the manual give.

use super::*;
use crate::psr::Psr;

struct Fake {
    page: Option<u64>,
    asked: u32,
}

impl Guest for Fake {
    fn hdfar(&mut self) -> u32 {
        0xc000_0123
    }
    fn hifar(&mut self) -> u32 {
        0xc000_0456
    }
    fn hpfar(&mut self) -> u32 {
        0x0009_0010
    }
    fn banked(&mut self, register: GuestRegister) -> u32 {
        0xb000_0000 | register as u32
    }
    fn translate(&mut self, _: u32) -> Option<u64> {
        self.asked += 1;
        self.page
    }
}

fn context(cpsr: u32) -> Context {
    let mut context = Context { sp: 0x5b, lr: 0x17, pc: 0x8000, cpsr, ..Context::default() };
    for (n, r) in context.r.iter_mut().enumerate() {
        *r = 0x100 + n as u32;
    }
    context
}

fn run_in(hsr: u32, cpsr: u32) -> GuestEvent {
    classify(Hsr(hsr), &context(cpsr), &mut Fake { page: Some(0x12_3456_7000), asked: 0 })
}

fn run(hsr: u32) -> GuestEvent {
    run_in(hsr, mode::SVC)
}

fn exit(event: GuestEvent) -> ExitRecord {
    match event {
        GuestEvent::Exit(exit) => exit,
        other => panic!("no exit: {other:x?}"),
    }
}

const IL: u32 = 1 << 25;
const ISV: u32 = 1 << 24;
const WNR: u32 = 1 << 6;

#[test]
fn a_decoded_store_carries_all_that_emulation_needs() {
    let exit = exit(run(0x24 << 26 | IL | ISV | 2 << 22 | 5 << 16 | WNR | 6));
    assert_eq!(exit.kind, ExitKind::Mmio as u32);
    let access = Access(exit.words[0]);
    assert!(access.is_write() && access.width() == 4 && access.register() == 5);
    assert_eq!(access.0 & (Access::LONG | Access::USER | Access::WALK | Access::PERMISSION), Access::LONG);
    assert_eq!(access.ipa(exit.words[1]), 0x0900_1123);
    assert_eq!((exit.words[2], exit.words[3]), (0x105, 0x8000));
    assert_eq!((exit.register, exit.long, exit.address), (5, 1, 0xc000_0123));
}

#[test]
fn a_decoded_signed_load_from_user_mode() {
    let exit = exit(run_in(0x24 << 26 | ISV | 1 << 22 | 1 << 21 | 3 << 16 | 7, mode::USR));
    let access = Access(exit.words[0]);
    assert!(access.is_signed() && !access.is_write() && access.width() == 2);
    assert_eq!(access.0 & (Access::LONG | Access::USER), Access::USER);
    assert_eq!((exit.words[2], exit.register, exit.long), (0, 3, 0));
}

#[test]
fn registers_of_other_modes_are_found() {
    let store_lr = 0x24 << 26 | IL | ISV | 2 << 22 | 14 << 16 | WNR | 6;
    assert_eq!(exit(run_in(store_lr, mode::USR)).words[2], 0x17);
    let irq = exit(run_in(store_lr, mode::IRQ));
    assert_eq!((irq.register, irq.words[2]), (14, 0xb000_0000 | GuestRegister::LrIrq as u32));
    let store_r9 = 0x24 << 26 | IL | ISV | 2 << 22 | 9 << 16 | WNR | 6;
    assert_eq!(exit(run_in(store_r9, mode::FIQ)).words[2], 0xb000_0000 | GuestRegister::R9Fiq as u32);
    assert_eq!(exit(run_in(store_r9, mode::ABT)).words[2], 0x109);
}

#[test]
fn what_is_not_decoded_is_left_to_the_vmm() {
    let exit = exit(run(0x24 << 26 | WNR | 6));
    assert_eq!((exit.kind, exit.long), (ExitKind::Undecoded as u32, 0));
    assert!(Access(exit.words[0]).is_write());
    assert_eq!(exit.words[0] & Access::LONG, 0);
    assert_eq!((exit.words[1], exit.words[2]), (0x0900_1123, 0xc000_0123));
}

#[test]
fn a_stage_1_walk_has_no_offset_and_is_never_decoded() {
    for status in [5, 13] {
        let exit = exit(run(0x24 << 26 | ISV | 1 << 7 | status));
        assert_eq!(exit.kind, ExitKind::Undecoded as u32);
        assert_ne!(exit.words[0] & Access::WALK, 0);
        assert_eq!(exit.words[1], 0x0900_1000, "HPFAR serves for walks, even for a permission fault");
    }
}

#[test]
fn a_permission_fault_asks_stage_1() {
    let hsr = 0x24 << 26 | IL | ISV | 2 << 22 | WNR | 0xf;
    let exit = exit(run(hsr));
    assert_ne!(exit.words[0] & Access::PERMISSION, 0);
    assert_eq!(Access(exit.words[0]).ipa(exit.words[1]), 0x12_3456_7123);
    let mut gone = Fake { page: None, asked: 0 };
    assert_eq!(classify(Hsr(hsr), &context(mode::SVC), &mut gone), GuestEvent::Retry);
    assert_eq!(gone.asked, 1);
}

#[test]
fn a_fetch_fault() {
    let there = exit(run(0x20 << 26 | IL | 7));
    assert_eq!(there.kind, ExitKind::Fetch as u32);
    assert_eq!(there.words[1..], [0x0900_1456, 0xc000_0456, 0x8000]);
    let denied = exit(run(0x20 << 26 | IL | 0xf));
    assert_eq!(Access(denied.words[0]).ipa(denied.words[1]), 0x12_3456_7456);
}

#[test]
fn aborts_that_are_the_guests_own_go_back_to_it() {
    for status in [0x10, 0x11, 0x14, 0x15, 0x18, 0x21, 0x3f, 0x30] {
        assert_eq!(
            run(0x24 << 26 | WNR | status),
            GuestEvent::Inject(Exception::DataAbort { address: 0xc000_0123, write: true }),
            "{status:#x}"
        );
        assert_eq!(
            run(0x20 << 26 | status),
            GuestEvent::Inject(Exception::PrefetchAbort { address: 0xc000_0456 }),
            "{status:#x}"
        );
    }
    assert_eq!(run(0x8200_0022), GuestEvent::Inject(Exception::Breakpoint { address: 0x8000, fetch: true }));
}

#[test]
fn cache_maintenance_of_nothing_is_skipped() {
    assert_eq!(run(0x24 << 26 | 1 << 8 | WNR | 6), GuestEvent::Skip { long: true });
}

#[test]
fn calls_carry_four_registers() {
    let hvc = exit(run(0x12 << 26 | IL | 7));
    assert_eq!((hvc.kind, hvc.words, hvc.register), (ExitKind::Hvc as u32, [0x100, 0x101, 0x102, 0x103], 0));
    let smc = exit(run(0x13 << 26));
    assert_eq!((smc.kind, smc.long), (ExitKind::Smc as u32, 0));
}

#[test]
fn waiting() {
    assert_eq!(run(1 << 26 | ISV | 0xe << 20), GuestEvent::Wait { long: false });
    assert_eq!(run(1 << 26 | IL | ISV | 0xe << 20), GuestEvent::Wait { long: true });
    assert_eq!(run(1 << 26 | ISV | 0xe << 20 | 1), GuestEvent::Skip { long: false });
    assert_eq!(run(1 << 26 | ISV), GuestEvent::Skip { long: false }, "wfieq with Z clear");
}

#[test]
fn coprocessor_registers() {
    // mcr p15, 3, r4, c9, c13, 2
    let iss = 0xe << 20 | ISV | 2 << 17 | 3 << 14 | 9 << 10 | 4 << 5 | 13 << 1;
    let exit32 = exit(run(3 << 26 | IL | iss));
    let access = CoprocessorAccess(exit32.words[0]);
    assert_eq!((access.opc1(), access.rt(), access.crn(), access.crm(), access.opc2()), (3, 4, 9, 13, 2));
    assert!(!access.is_read() && !access.is_wide() && !access.is_cp14());
    assert_eq!((exit32.words[1], exit32.register, exit32.long), (0x104, 4, 1));
    assert_eq!(access.0 & 0xf00_0000, CoprocessorAccess::LONG);
    // the same, read, of CP14, from user mode
    let read = exit(run_in(5 << 26 | IL | iss | 1, mode::USR));
    let access = CoprocessorAccess(read.words[0]);
    assert!(access.is_read() && access.is_cp14() && access.0 & CoprocessorAccess::USER != 0);
    assert_eq!(read.words[1], 0);
}

#[test]
fn wide_coprocessor_registers() {
    // mcrr p15, 6, r2, r3, c14 (opc1 is 4 bits wide in the syndrome, 3 in ours: v7 has no more than 7 there)
    let iss = 0xe << 20 | ISV | 6 << 16 | 3 << 10 | 2 << 5 | 14 << 1;
    let wide = exit(run(4 << 26 | IL | iss));
    let access = CoprocessorAccess(wide.words[0]);
    assert!(access.is_wide() && !access.is_read());
    assert_eq!((access.opc1(), access.rt(), access.rt2(), access.crm(), access.opc2()), (6, 2, 3, 14, 0));
    assert_eq!(access.crn(), 0);
    assert_eq!((wide.words[1], wide.words[2], wide.register), (0x102, 0x103, 2 | 3 << 8 | ExitRecord::SECOND));
    // From supervisor mode, Rt2 = LR is LR_svc.
    let banked = exit(run(0xc << 26 | IL | 0xe << 20 | ISV | 14 << 10 | 2 << 5));
    assert_eq!(banked.register, 2 | 14 << 8 | ExitRecord::SECOND);
    assert_eq!((banked.words[1], banked.words[2]), (0x102, 0xb000_0000 | GuestRegister::LrSvc as u32));
    assert!(CoprocessorAccess(banked.words[0]).is_cp14());
}

#[test]
fn floating_point_and_closed_coprocessors() {
    assert_eq!(run(7 << 26 | IL | ISV | 0xe << 20 | 10), GuestEvent::Float);
    assert_eq!(run(7 << 26 | IL | ISV | 0xe << 20 | 1 << 5), GuestEvent::Float);
    let closed = exit(run(7 << 26 | IL | ISV | 0xe << 20 | 4));
    assert_eq!(closed.kind, ExitKind::Undefined as u32);
    assert_eq!(closed.words[3], 0x8000);
}

#[test]
fn everything_else_is_undefined_and_nothing_panics() {
    for class in 0..64u32 {
        for low in [0u32, 1, 0x3f, 0xff, 0x1ff_ffff, ISV, IL, ISV | 0xe << 20, IL | ISV | 0xff_ffff] {
            for cpsr in [mode::USR, mode::FIQ, mode::SVC | Psr::T.bits(), 0xffff_ffff, 0x1a] {
                let event = run_in(class << 26 | low, cpsr);
                if matches!(class, 0 | 8 | 0x11 | 0x21 | 0x25 | 0x26..) {
                    let expected_skip = !Hsr(class << 26 | low).condition_passed(cpsr);
                    match event {
                        GuestEvent::Exit(exit) => assert_eq!(exit.kind, ExitKind::Undefined as u32, "{class:#x}"),
                        GuestEvent::Skip { .. } => assert!(expected_skip, "{class:#x} {low:#x}"),
                        other => panic!("{class:#x} {low:#x}: {other:?}"),
                    }
                }
            }
        }
    }
    for class in [6, 8, 9, 0xa] {
        assert_eq!(exit(run(class << 26 | IL)).kind, ExitKind::Undefined as u32);
    }
}
