//! Stack pointers that are none, to die with.

use protocol::layout;

/// The number of an instance of that name.
pub fn number(name: &str) -> Option<u32> {
    name.strip_prefix("stack-")?.parse().ok()
}

/// The stack pointer of a number. `device`: where the component has registers of a device's.
pub fn stack(number: u32, device: Option<u32>) -> Option<u32> {
    match number {
        0 => Some(0),
        1 => Some(layout::PAYLOAD),
        2 => device,
        3 => Some(layout::stack_top(0)),
        4 => Some(u32::MAX - 7),
        5 => Some(layout::LINK),
        6 => Some(layout::stack_top(0) - 6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_stacks() {
        assert_eq!((number("stack-12"), number("try-data"), number("calls")), (Some(12), None, None));
        assert_eq!((stack(0, None), stack(2, None), stack(7, None)), (Some(0), None, None));
        let all: std::collections::BTreeSet<u32> = (0..7).filter_map(|number| stack(number, Some(9))).collect();
        assert_eq!(all.len(), 7);
    }
}
