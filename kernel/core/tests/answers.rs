//! What calls answer, and what exactly they work on: mutants of the kernel found these places held by nobody.

mod common;

use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use abi::rights::MapFlags;
use abi::vcpu::GuestRegister;
use abi::{Error, MessageInfo, Syscall};
use common::{Desk, guest_and_vmm};
use kernel_core::cap::Cap;
use kernel_core::platform::Platform;
use kernel_core::sim::Machine;
use kernel_core::sim::maker::FIRST;
use kernel_core::sim::scene::Scene;
use kernel_core::sim::step::{Step, Svc};

#[test]
fn a_context_tells_the_time_that_it_was_used_in_microseconds() {
    let mut desk = Desk::new();
    let thread = desk.thread(250);
    let context = desk.context(50_000, 100_000);
    desk.ok(thread, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[thread]);
    assert!(desk.runs(thread));
    desk.pass_us(1234);
    // It asks itself: nobody else runs.
    assert_eq!(desk.ok(context, SchedContextMethod::Consumed as u16, &[]), [1234, 0, 0, 0]);
    desk.pass_us(20_000);
    assert_eq!(desk.ok(context, SchedContextMethod::Consumed as u16, &[])[0], 21_234);
}

/// 4295 s do not fit a word.
#[test]
fn the_time_of_hours_is_told_in_two_words() {
    let mut desk = Desk::new();
    let thread = desk.thread(250);
    let context = desk.context(1_000_000_000, 1_000_000_000);
    desk.ok(thread, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[thread]);
    desk.pass_us((1 << 32) + 77);
    assert_eq!(desk.ok(context, SchedContextMethod::Consumed as u16, &[]), [77, 1, 0, 0]);
}

#[test]
fn the_answer_of_a_method_is_four_words_and_says_so() {
    let mut desk = Desk::new();
    let context = desk.context(50_000, 100_000);
    let answer = desk.svc(Syscall::Call, context, SchedContextMethod::Consumed as u16, &[], 0);
    assert_eq!(answer, [0, MessageInfo::new(0, 16).0, 0, 0, 0, 0, answer[6]]);
}

#[test]
fn cache_maintenance_works_on_the_lines_that_were_named_and_on_no_others() {
    const FRAME: u32 = FIRST + 12;
    const AT: u32 = 0x5000;
    let mut world = Scene::Memory.build();
    let flags = MapFlags::READ | MapFlags::WRITE;
    let mut take = |step: Step| assert_eq!(world.step(&step), Ok(true), "{step}");
    take(Svc::method(FRAME, FrameMethod::Map as u16, &[FIRST + 1, AT, flags.bits()]));
    let all = [0, 0x40, 0x80, 0xf80, 0xfc0];
    all.into_iter().for_each(|line| take(Step::Store(AT + line, 7 + line)));
    take(Svc::method(FRAME, FrameMethod::Clean as u16, &[0x40, 0x40]));
    take(Svc::method(FRAME, FrameMethod::CleanInvalidate as u16, &[0xf80, 0x80]));
    let Cap::Frame { page, .. } = world.cap(FRAME) else { panic!("no frame") };
    let kernel = &world.kernel;
    let in_ram = |line: &u32| kernel.platform.caches.read_ram(&kernel.arena, (page << 12) + line) == 7 + line;
    assert_eq!(all.into_iter().filter(in_ram).collect::<Vec<_>>(), [0x40, 0xf80, 0xfc0]);
    // All of it at once.
    assert_eq!(world.step(&Svc::method(FRAME, FrameMethod::Clean as u16, &[0, 4096])), Ok(true));
    let kernel = &world.kernel;
    assert!(
        all.into_iter().all(|line| kernel.platform.caches.read_ram(&kernel.arena, (page << 12) + line) == 7 + line)
    );
}

#[test]
fn as_many_bytes_as_the_book_says_are_maintained_at_once_and_no_more() {
    let mut desk = Desk::new();
    let block = desk.make(ObjectType::Frame, 21, 1);
    desk.ok(block, FrameMethod::Clean as u16, &[0, CACHE_BYTES_MAX]);
    desk.ok(block, FrameMethod::Clean as u16, &[(1 << 21) - CACHE_BYTES_MAX, CACHE_BYTES_MAX]);
    desk.fails(block, FrameMethod::Clean as u16, &[0, CACHE_BYTES_MAX + 64], Error::OutOfRange);
    desk.fails(block, FrameMethod::Clean as u16, &[(1 << 21) - 64, 128], Error::OutOfRange);
    desk.fails(block, FrameMethod::Clean as u16, &[32, 32], Error::Misaligned);
}

#[test]
fn a_handler_is_triggered_as_it_was_asked_for() {
    let mut desk = Desk::new();
    let notification = desk.make(ObjectType::Notification, 0, 1);
    for (intid, edge) in [(40, 0), (41, 1)] {
        let handler = desk.slot();
        desk.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &[intid, root_slot::CNODE, handler, edge]);
        desk.ok(handler, IrqHandlerMethod::SetNotification as u16, &[notification]);
        let machine = &desk.world.kernel.platform;
        assert!(machine.enabled.contains(&intid));
        assert_eq!(machine.edge.contains(&intid), edge == 1, "{intid}");
    }
}

#[test]
fn a_thread_starts_in_the_state_that_was_written() {
    let mut desk = Desk::new();
    let thread = desk.thread(150);
    for thumb in [0, 1] {
        desk.ok(thread, TcbMethod::WriteRegisters as u16, &[0x8000, 0x9000, 5, thumb]);
        let context = desk.registers(thread);
        assert_eq!((context.pc, context.sp, context.r[0]), (0x8000, 0x9000, 5));
        assert_eq!(context.cpsr, Machine::component_psr(thumb == 1));
        assert_ne!(context.cpsr, Machine::component_psr(thumb == 0));
    }
}

#[test]
fn who_suspended_itself_has_succeeded_when_it_is_resumed_and_another_keeps_its_registers() {
    let mut desk = Desk::new();
    let other = desk.thread(150);
    desk.ok(other, TcbMethod::WriteRegisters as u16, &[0x8000, 0x9000, 5, 0]);
    desk.ok(other, TcbMethod::Suspend as u16, &[]);
    assert_eq!(desk.registers(other).r[0], 5, "nobody touches the registers of whom is suspended by another");
    let thread = desk.thread(250);
    let context = desk.context(10_000, 10_000);
    desk.ok(thread, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[thread]);
    assert!(desk.runs(thread));
    desk.svc(Syscall::Call, thread, TcbMethod::Suspend as u16, &[], 0);
    assert!(!desk.runs(thread));
    assert_eq!(desk.registers(thread).r[0], 0);
}

#[test]
fn a_register_of_64_bits_is_read_as_it_was_written() {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    let register = GuestRegister::Ttbr0 as u32;
    for (low, high) in [(0x1111_2222, 0x33), (0xffff_0000, 0x44), (7, 0)] {
        desk.ok(vcpu, VcpuMethod::WriteRegister as u16, &[register, low, high]);
        assert_eq!(desk.ok(vcpu, VcpuMethod::ReadRegister as u16, &[register]), [low, high, 0, 0]);
    }
}
