//! What is kept beside fetched files of guests: where they are from, and by what it is seen that one was damaged since.

use crate::apt_root::Package;
use crate::failure::{Failure, Result};
use crate::workspace;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const NAME: &str = "package.toml";

/// A package, and what is kept of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// The package.
    #[serde(flatten)]
    pub package: Package,
    /// CRC-32 of each file by its path in the folder. Records of earlier versions have none.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

fn sum(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

impl Record {
    /// A record of a package of which nothing is kept yet.
    pub fn new(package: Package) -> Self {
        Self { package, files: BTreeMap::new() }
    }

    /// Keeps a file.
    pub fn keep(&mut self, folder: &Path, file: &str, bytes: &[u8]) -> Result<()> {
        self.note(file, bytes);
        workspace::write(&folder.join(file), bytes)
    }

    /// Notes a file that will be kept.
    pub fn note(&mut self, file: &str, bytes: &[u8]) {
        self.files.insert(file.to_owned(), sum(bytes));
    }

    /// Writes it to the folder of its files.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Failure::new(error.to_string()))?;
        workspace::write(&folder.join(NAME), text.as_bytes())
    }

    /// Reads what [`Record::write`] wrote.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let text = std::fs::read_to_string(&path).map_err(|error| damaged(folder, &path, &error.to_string()))?;
        toml::from_str(&text).map_err(|_| damaged(folder, &path, "it can't be read"))
    }
}

/// Whether the files of a folder are as they were fetched. `main` is the one that an earlier version's record is held against.
pub fn intact(folder: &Path, main: &str) -> Result<()> {
    let record = Record::read(folder)?;
    if record.files.is_empty() {
        let path = folder.join(main);
        return match std::fs::read(&path) {
            Ok(bytes) if plausible(&bytes) => Ok(()),
            Ok(_) => Err(damaged(folder, &path, "its end is missing")),
            Err(error) => Err(damaged(folder, &path, &error.to_string())),
        };
    }
    for (file, kept) in &record.files {
        let path = folder.join(file);
        match std::fs::read(&path) {
            Ok(bytes) if sum(&bytes) == *kept => {}
            Ok(_) => return Err(damaged(folder, &path, "it is not what was fetched")),
            Err(error) => return Err(damaged(folder, &path, &error.to_string())),
        }
    }
    Ok(())
}

/// Whether a zImage or an ELF has all that its header tells of.
fn plausible(bytes: &[u8]) -> bool {
    let word = |at: usize| bytes.get(at..at + 4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    match (word(0x24), word(0x28), word(0x2c)) {
        (Some(0x016f_2818), Some(start), Some(end)) => bytes.len() >= end.saturating_sub(start) as usize,
        _ => object::File::parse(bytes).is_ok(),
    }
}

fn damaged(folder: &Path, file: &Path, how: &str) -> Failure {
    Failure::new(format!("a kept file of a guest is damaged: {}: {how}", file.display()))
        .mend(format!("remove the folder {}, then its files are fetched anew", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zimage() -> Vec<u8> {
        let mut bytes = vec![7; 0x100];
        for (at, word) in [(0x24, 0x016f_2818_u32), (0x28, 0), (0x2c, 0x100)] {
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn kept(name: &str) -> (std::path::PathBuf, Record) {
        let folder = std::env::temp_dir().join(format!("bulkhead-record-{name}-{}", std::process::id()));
        let package = Package { name: "p".into(), version: "1".into(), sha256: "00".into(), depends: String::new() };
        let mut record = Record::new(package);
        record.keep(&folder, "vmlinuz", &zimage()).unwrap();
        record.keep(&folder, "modules/a.ko", b"module").unwrap();
        record.write(&folder).unwrap();
        (folder, record)
    }

    #[test]
    fn a_kept_file_that_was_damaged_is_told_with_the_folder_to_remove() {
        let (folder, record) = kept("damaged");
        assert_eq!(intact(&folder, "vmlinuz"), Ok(()));
        let mut changed = zimage();
        changed[0x80] ^= 1;
        for (file, bytes) in [
            ("vmlinuz", Some(&zimage()[..0x80])),
            ("vmlinuz", Some(&changed[..])),
            ("vmlinuz", Some(&[][..])),
            ("modules/a.ko", Some(&[][..])),
            ("modules/a.ko", None),
            (NAME, Some(&b"junk"[..])),
            (NAME, None),
        ] {
            let path = folder.join(file);
            let whole = std::fs::read(&path).unwrap();
            match bytes {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let failure = intact(&folder, "vmlinuz").unwrap_err();
            assert!(failure.what.contains(&path.display().to_string()), "{failure}");
            assert!(failure.mend.unwrap().contains(&format!("remove the folder {},", folder.display())));
            std::fs::write(&path, whole).unwrap();
            assert_eq!(intact(&folder, "vmlinuz"), Ok(()));
        }
        assert_eq!(Record::read(&folder).unwrap().package, record.package);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn without_sums_a_file_is_held_against_its_own_header() {
        let (folder, record) = kept("old");
        Record::new(record.package).write(&folder).unwrap();
        assert_eq!(intact(&folder, "vmlinuz"), Ok(()));
        for bytes in [&zimage()[..0x80], &[]] {
            std::fs::write(folder.join("vmlinuz"), bytes).unwrap();
            assert!(intact(&folder, "vmlinuz").unwrap_err().what.contains("its end is missing"));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
