//! What a guest's command line says: its device tree is searched for `KEY=DIGITS`, without being understood.

use crate::cpu::read32;

fn byte(at: u32) -> u8 {
    (read32(at & !3) >> (at % 4 * 8)) as u8
}

/// The number behind `key` (which ends with `=`), if it stands anywhere in the tree.
pub fn number(tree: u32, key: &[u8]) -> Option<u32> {
    let bytes = read32(tree + 4).swap_bytes().min(1 << 20);
    let end = tree + bytes;
    let at = (tree..end).find(|&at| key.iter().zip(at..end).all(|(&letter, at)| byte(at) == letter))?;
    let digits = (at + key.len() as u32..end).map(byte).take_while(u8::is_ascii_digit);
    Some(digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}
