//! How large things are: what of a program is loaded.

use crate::failure::{Failure, Result};
use object::elf::PT_LOAD;
use object::read::elf::{ElfFile32, ProgramHeader};
use std::path::Path;

/// Bytes of a program that come out of its file: code, constants and initialised data; neither zeroed memory nor symbols.
pub fn loaded(program: &Path) -> Result<u64> {
    let bytes = std::fs::read(program).map_err(|error| Failure::path(program, error))?;
    sum(&bytes).map_err(|error| Failure::path(program, error))
}

fn sum(bytes: &[u8]) -> std::result::Result<u64, object::Error> {
    let file: ElfFile32 = ElfFile32::parse(bytes)?;
    let endian = file.endian();
    let loaded = file.elf_program_headers().iter().filter(|header| header.p_type(endian) == PT_LOAD);
    Ok(loaded.map(|header| u64::from(header.p_filesz(endian))).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_loaded_counts() {
        let mut file = vec![0; 52 + 2 * 32];
        file[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1, 1, 1, 0]);
        let mut put = |at: usize, value: u32| file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(16, 2 | 40 << 16);
        put(20, 1);
        put(28, 52);
        put(40, 52 | 32 << 16);
        put(44, 2);
        for (n, kind) in [1, 6].into_iter().enumerate() {
            put(52 + n * 32, kind);
            put(52 + n * 32 + 16, 100);
            put(52 + n * 32 + 20, 4096);
        }
        assert_eq!(sum(&file).unwrap(), 100);
        assert!(sum(b"no program").is_err());
    }
}
