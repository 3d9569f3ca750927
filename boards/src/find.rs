//! Finding and reading boards.

use crate::Board;
use std::path::{Path, PathBuf};

/// Why a board can't be had.
#[derive(Debug)]
pub enum BoardError {
    /// There is no folder of that name; the names there are.
    Unknown(String, Vec<String>),
    /// Its file can't be read.
    Unreadable(PathBuf, std::io::Error),
    /// Its file is not what it should be.
    Malformed(PathBuf, String),
}

impl std::fmt::Display for BoardError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(name, known) => write!(f, "there is no board `{name}`; there are: {}", known.join(", ")),
            Self::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Malformed(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for BoardError {}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of all boards, sorted.
pub fn all() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(home())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("board.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The board of that name.
pub fn find(name: &str) -> Result<Board, BoardError> {
    if !all().iter().any(|known| known == name) {
        return Err(BoardError::Unknown(name.to_owned(), all()));
    }
    load(&home().join(name).join("board.toml"))
}

/// The board in that file.
pub fn load(path: &Path) -> Result<Board, BoardError> {
    let text = std::fs::read_to_string(path).map_err(|error| BoardError::Unreadable(path.to_owned(), error))?;
    toml::from_str(&text).map_err(|error| BoardError::Malformed(path.to_owned(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_is_well_formed() {
        assert!(!all().is_empty());
        for name in all() {
            let board = find(&name).unwrap();
            assert_eq!(board.name, name);
            assert_eq!(board.kernel_address % (2 << 20), 0, "{name}");
            assert!(
                board.ram.iter().any(|ram| (ram.base..ram.base + ram.bytes).contains(&board.kernel_address)),
                "{name}: the kernel is not in RAM"
            );
            for range in &board.device_range {
                assert!(range.bytes.is_power_of_two() && range.base % range.bytes == 0, "{name}: {range:x?}");
                for gic in [board.gic.gicd, board.gic.gicc, board.gic.gich, board.gic.gicv] {
                    assert!(!(range.base..range.base + range.bytes).contains(&gic), "{name}: {range:x?} holds the GIC");
                }
            }
        }
    }

    #[test]
    fn an_unknown_board_is_told_with_those_there_are() {
        let message = find("toaster").unwrap_err().to_string();
        assert!(message.contains("no board `toaster`") && message.contains("qemu-virt"), "{message}");
    }
}
