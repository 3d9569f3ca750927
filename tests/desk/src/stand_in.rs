//! What stands in memory where a program's code would: enough to tell which function of the test it is.

use protocol::layout::LINK;

/// "desk".
const MAGIC: u32 = 0x6b73_6564;

/// Where a thread's system calls are: its pc while it makes one.
pub const CALL: u32 = LINK + 8;
/// Its pc when the call returns, and whenever it does anything else.
pub const RETURN: u32 = LINK + 12;

/// The code of program number `program`, entered at its first byte.
pub fn code(program: usize) -> Vec<u8> {
    [MAGIC, program as u32, 0, 0].into_iter().flat_map(u32::to_le_bytes).collect()
}

/// The number of the program that begins with these words.
pub fn program(words: [u32; 2]) -> Option<usize> {
    (words[0] == MAGIC).then_some(words[1] as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_tells_its_program_and_zeros_tell_none() {
        let code = code(7);
        let word = |at: usize| u32::from_le_bytes([code[at], code[at + 1], code[at + 2], code[at + 3]]);
        assert_eq!(program([word(0), word(4)]), Some(7));
        assert_eq!(program([0, 7]), None);
        assert!(RETURN < LINK + code.len() as u32);
    }
}
