//! What a system's authority is, line by line.

use super::made::*;
use crate::claims::{Names, Right, authority};
use abi::boot::root_slot;
use abi::rights::Rights;
use system::ObjectKind;

fn told(build: impl FnOnce(&mut Made, &Component, &Component)) -> Vec<String> {
    let mut made = Made::new();
    let (a, b) = (made.component("a"), made.component("b"));
    build(&mut made, &a, &b);
    let line = |right: Right| format!("{} {} {}", right.who, right.can, right.what);
    authority(&made.model(), &machine(), &Names::default()).rights.into_iter().map(line).collect()
}

#[test]
fn what_is_ones_own_is_no_line() {
    assert_eq!(told(|_, _, _| ()), [""; 0]);
}

#[test]
fn every_way_to_others_is_a_line() {
    let lines = told(|made, a, b| {
        made.grant(a.cnode, b.tcb, ALL);
        made.grant(b.cnode, a.program, Rights::WRITE);
        made.grant_root(b.cnode, root_slot::POWER);
        made.grant_root(a.cnode, 258);
        let clock = made.object(0, ObjectKind::Device { page: CLOCK, count: 1 });
        made.map(clock, a.space, DEVICE);
        let bell = made.object(0, ObjectKind::Notification);
        made.grant(a.cnode, bell, Rights::READ);
        made.grant(b.cnode, bell, Rights::READ);
    });
    let expected = [
        "a drives device `clock`",
        "a holds the memory that `b` is made of",
        "a holds a part of `b`",
        "a receives beside `b`",
        "b holds everything there is",
        "b receives beside `a`",
        "b writes what is read by `a`",
    ];
    assert_eq!(lines, expected);
}
