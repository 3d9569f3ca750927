//! Who called whom, from registers and a part of the stack, by a program's own call frame information (`.debug_frame`).
//!
//! What registers and stack hold is a dead program's: nothing here leans on it.

use addr2line::gimli::{
    BaseAddresses, CfaRule, DebugFrame, EndianSlice, Register, RegisterRule, RunTimeEndian, UnwindContext,
    UnwindSection,
};
use object::{Object, ObjectSection};
use std::collections::BTreeMap;

/// The most callers that are told.
pub const CALLERS_MAX: usize = 32;
const SP: usize = 13;
const LR: usize = 14;
const PC: usize = 15;

/// What is known of a thread: r0-r15, and words of its stack by their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// r0-r12, sp, lr, pc.
    pub registers: [Option<u32>; 16],
    /// Words.
    pub memory: BTreeMap<u32, u32>,
}

/// Callers, the nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Return addresses.
    pub callers: Vec<u32>,
    /// Where on the stack nothing more was known; `None` if the last of them has no caller.
    pub broken_at: Option<u32>,
}

/// The call frame information of a program.
pub struct Frames<'a> {
    section: DebugFrame<EndianSlice<'a, RunTimeEndian>>,
}

impl<'a> Frames<'a> {
    /// Reads it. A program without any is one of which nothing is known.
    pub fn parse(program: &'a [u8]) -> Result<Self, object::Error> {
        let file = object::File::parse(program)?;
        let data = file.section_by_name(".debug_frame").and_then(|section| section.data().ok()).unwrap_or_default();
        Ok(Self::new(data))
    }

    fn new(data: &'a [u8]) -> Self {
        let mut section = DebugFrame::new(data, RunTimeEndian::Little);
        section.set_address_size(4);
        Self { section }
    }

    /// The callers of what stood at the pc. `is_code` says whether an address is one of the program's code.
    pub fn callers(&self, dump: &Dump, is_code: impl Fn(u32) -> bool) -> Chain {
        let mut chain = Chain::default();
        let mut registers = dump.registers;
        let [Some(pc), Some(start)] = [registers[PC], registers[SP]] else { return chain };
        // Who jumped to where there is no code has not used the stack for it: its caller is in lr.
        let mut place = Some(pc & !1).filter(|pc| is_code(*pc));
        let mut sp = start;
        while chain.callers.len() < CALLERS_MAX {
            let first = chain.callers.is_empty();
            if let Some(place) = place {
                match self.step(place, first, &registers, &dump.memory) {
                    Some(before) => registers = before,
                    None => break,
                }
            }
            let Some(caller) = registers[LR] else { break };
            if caller == 0 {
                return chain;
            }
            let (behind, moved) = (caller & !1, registers[SP].unwrap_or(sp));
            // A stack only grows towards lower addresses.
            if !is_code(behind) || moved < sp || !first && moved == sp {
                break;
            }
            (sp, place) = (moved, Some(behind.saturating_sub(1)));
            chain.callers.push(caller);
        }
        chain.broken_at = Some(sp);
        chain
    }

    /// The registers of the caller: its lr is where it goes on.
    fn step(
        &self,
        place: u32,
        first: bool,
        registers: &[Option<u32>; 16],
        memory: &BTreeMap<u32, u32>,
    ) -> Option<[Option<u32>; 16]> {
        let (bases, mut context) = (BaseAddresses::default(), UnwindContext::new());
        let find = DebugFrame::cie_from_offset;
        let row = self.section.unwind_info_for_address(&bases, &mut context, place.into(), find).ok()?;
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return None };
        let frame = (*registers.get(usize::from(register.0))?)?.wrapping_add(*offset as u32);
        let mut before = *registers;
        for (number, value) in before.iter_mut().enumerate().take(PC) {
            match row.register(Register(number as u16)) {
                // A function that calls others has saved its lr.
                RegisterRule::Undefined | RegisterRule::SameValue if number == LR && !first => *value = None,
                RegisterRule::Undefined | RegisterRule::SameValue => {}
                RegisterRule::Offset(offset) => *value = memory.get(&frame.wrapping_add(offset as u32)).copied(),
                RegisterRule::ValOffset(offset) => *value = Some(frame.wrapping_add(offset as u32)),
                _ => *value = None,
            }
        }
        before[SP] = Some(frame);
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODE: std::ops::Range<u32> = 0x1000..0x1300;

    /// Three functions of 0x100 bytes: a leaf without a frame; one that keeps lr and r11 and 16 bytes more, found by sp; one that
    /// keeps them and finds its frame by r11.
    fn frames() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut entry = |words: &[u32], rules: &[u8]| {
            let body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).chain(rules.iter().copied()).collect();
            let padded = body.len().next_multiple_of(4);
            bytes.extend((padded as u32).to_le_bytes());
            bytes.extend(body);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        };
        // Version 4, no augmentation, addresses of 4 bytes, no segments, factors 1 and -4, lr is r14; the frame is sp + 0.
        entry(&[0xffff_ffff], &[4, 0, 4, 0, 1, 0x7c, 14, 0x0c, 13, 0]);
        entry(&[0, 0x1000, 0x100], &[]);
        // From the second instruction on: the frame is sp + 24, lr lies 4 below it, r11 8 below.
        entry(&[0, 0x1100, 0x100], &[0x44, 0x0e, 24, 0x8e, 1, 0x8b, 2]);
        entry(&[0, 0x1200, 0x100], &[0x44, 0x0e, 8, 0x8e, 1, 0x8b, 2, 0x44, 0x0c, 11, 8]);
        bytes
    }

    fn dump(registers: &[(usize, u32)], memory: &[(u32, u32)]) -> Dump {
        let mut dump = Dump { memory: memory.iter().copied().collect(), ..Dump::default() };
        registers.iter().for_each(|(number, value)| dump.registers[*number] = Some(*value));
        dump
    }

    fn callers(dump: &Dump) -> (Vec<u32>, Option<u32>) {
        let bytes = frames();
        let chain = Frames::new(&bytes).callers(dump, |address| CODE.contains(&address));
        (chain.callers, chain.broken_at)
    }

    /// The leaf was called by the second, at sp 0x8000, which the third had called, whose r11 is 0x8038.
    const STACK: [(u32, u32); 4] = [(0x8010, 0x8038), (0x8014, 0x1280), (0x8038, 0), (0x803c, 0)];

    #[test]
    fn a_leaf_has_its_caller_in_lr_and_the_others_on_the_stack() {
        let leaf = dump(&[(15, 0x1010), (14, 0x1150), (13, 0x8000), (11, 0x777)], &STACK);
        assert_eq!(callers(&leaf), (vec![0x1150, 0x1280], None));
    }

    #[test]
    fn before_its_first_instruction_a_function_is_a_leaf() {
        let entered = dump(&[(15, 0x1100), (14, 0x1290), (13, 0x8018), (11, 0x8038)], &STACK);
        assert_eq!(callers(&entered), (vec![0x1290], None));
        let later = dump(&[(15, 0x1104), (14, 0x1290), (13, 0x8000), (11, 0)], &STACK);
        assert_eq!(callers(&later), (vec![0x1280], None));
    }

    #[test]
    fn a_jump_to_nowhere_is_lrs() {
        let lost = dump(&[(15, 0), (14, 0x1151), (13, 0x8000)], &STACK);
        assert_eq!(callers(&lost), (vec![0x1151, 0x1280], None));
    }

    #[test]
    fn what_is_not_known_ends_the_chain_and_says_where() {
        let short = dump(&[(15, 0x1010), (14, 0x1150), (13, 0x8000)], &STACK[..2]);
        assert_eq!(callers(&short), (vec![0x1150, 0x1280], Some(0x8018)));
        assert_eq!(callers(&dump(&[(15, 0x1110), (13, 0x8000)], &[])), (vec![], Some(0x8000)));
        assert_eq!(callers(&dump(&[(15, 0x9999), (14, 0x9998), (13, 8)], &[])), (vec![], Some(8)));
        assert_eq!(callers(&Dump::default()), (vec![], None));
        // Without call frame information nothing is known.
        let leaf = dump(&[(15, 0x1010), (14, 0x1150), (13, 0x8000)], &STACK);
        assert!(Frames::new(&[]).callers(&leaf, |_| true).callers.is_empty());
    }

    #[test]
    fn a_stack_that_leads_back_to_itself_ends() {
        let stack = [(0x8038, 0x8038), (0x803c, 0x1280)];
        let round = dump(&[(15, 0x1250), (14, 0), (13, 0x8000), (11, 0x8038)], &stack);
        assert_eq!(callers(&round), (vec![0x1280], Some(0x8040)));
    }

    proptest! {
        #[test]
        fn any_registers_and_stack_are_survived(
            registers in prop::array::uniform16(prop::option::of(prop_oneof![CODE, 0x8000..0x8040u32, any::<u32>()])),
            memory in prop::collection::btree_map(0x8000..0x8040u32, prop_oneof![CODE, 0x8000..0x8040u32], 0..40),
            mut section in Just(frames()), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let at = at.index(section.len());
            section[at] = byte;
            let chain = Frames::new(&section).callers(&Dump { registers, memory }, |address| CODE.contains(&address));
            prop_assert!(chain.callers.len() <= CALLERS_MAX);
        }
    }
}
