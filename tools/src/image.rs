//! What a composed system is to the one who runs it.

use crate::failure::{Failure, Result};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A bootable system, and who speaks under which id on the one wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// The image that QEMU or a boot loader takes.
    pub elf: PathBuf,
    /// Name of the board that it is for.
    pub board: String,
    /// How many of its cores the system uses.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cores: u32,
    /// Consoles.
    pub channels: Vec<Channel>,
    /// Sources of log frames, the kernel (id 0) among them.
    pub logs: Vec<LogSource>,
}

fn one() -> u32 {
    1
}

fn is_one(cores: &u32) -> bool {
    *cores == 1
}

/// A console on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Channel {
    /// 1-127.
    pub id: u8,
    /// Its name in the manifest.
    pub name: String,
    /// Whether it is a guest's.
    pub vm: bool,
}

/// A program that logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogSource {
    /// 0-127; 0 is the kernel.
    pub id: u8,
    /// Its name in the manifest.
    pub name: String,
    /// The program, whose strings and locations its log frames refer to.
    pub elf: PathBuf,
}

/// What `build` calls its description of an image.
pub const DESCRIPTION: &str = "image.json";
/// What mends a file that is none.
const WHICH: &str = "name the image.json in the folder that `build` has written";

/// The kernel's id.
pub const KERNEL_ID: u8 = 0;
/// The kernel's name in output.
pub const KERNEL_NAME: &str = "kernel";

impl Image {
    /// Reads what [`Image::write`] wrote. Paths in it are relative to the file.
    pub fn read(path: &Path) -> Result<Self> {
        // A device or a pipe may never end.
        if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Err(Failure::path(path, "this is a device or the like, not a plain file").mend(WHICH));
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            let failure = match error.kind() {
                ErrorKind::NotFound => Failure::path(path, "there is no such file"),
                _ => Failure::path(path, error),
            };
            failure.mend(WHICH)
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut image: Self = serde_json::from_str(&text).map_err(|error| {
            let beside = folder.join(DESCRIPTION);
            let mend = match beside.is_file() && path.file_name().is_some_and(|name| name != DESCRIPTION) {
                true => format!("run {}", beside.display()),
                false => WHICH.to_owned(),
            };
            Failure::path(path, format!("this does not describe an image ({error})")).mend(mend)
        })?;
        image.elf = folder.join(&image.elf);
        for log in &mut image.logs {
            log.elf = folder.join(&log.elf);
        }
        Ok(image)
    }

    /// Writes it to a file. Paths below the file's folder become relative, so that the folder can be moved.
    pub fn write(&self, path: &Path) -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let relative = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_owned();
        let mut image = self.clone();
        image.elf = relative(&image.elf);
        image.logs.iter_mut().for_each(|log| log.elf = relative(&log.elf));
        let text = serde_json::to_string_pretty(&image).map_err(|error| Failure::path(path, error))?;
        crate::workspace::write(path, text.as_bytes())
    }

    /// The channel that standard input feeds: the first VM's, else the first.
    pub fn first_vm(&self) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.vm).or(self.channels.first())
    }

    /// The kernel's program, for reading its epitaphs.
    pub fn kernel_elf(&self) -> Option<&Path> {
        self.logs.iter().find(|log| log.id == KERNEL_ID).map(|log| log.elf.as_path())
    }

    /// Tag bytes that can follow a frame's first zero.
    pub fn tags(&self) -> Vec<u8> {
        let channels = self.channels.iter().map(|channel| channel.id);
        channels.chain(self.logs.iter().map(|log| crate::wire::LOG | log.id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_its_file() {
        let folder = std::env::temp_dir().join(format!("bulkhead-image-{}", std::process::id()));
        let path = folder.join("image.json");
        let mut image = Image {
            elf: "image.elf".into(),
            board: "b".into(),
            cores: 2,
            channels: vec![
                Channel { id: 2, name: "c".into(), vm: false },
                Channel { id: 1, name: "v".into(), vm: true },
            ],
            logs: vec![LogSource { id: 0, name: "kernel".into(), elf: "/k".into() }],
        };
        image.write(&path).unwrap();
        let back = Image::read(&path).unwrap();
        image.elf = folder.join("image.elf");
        assert_eq!(back, image);
        assert_eq!(back.first_vm().unwrap().name, "v");
        assert_eq!(back.tags(), [2, 1, 0x80]);
        assert_eq!(back.kernel_elf(), Some(Path::new("/k")));
        let other = folder.join("report.json");
        std::fs::write(&other, "{ \"name\": \"x\" }").unwrap();
        let failure = Image::read(&other).unwrap_err();
        assert!(failure.what.contains("report.json: this does not describe an image"), "{failure}");
        assert_eq!(failure.mend, Some(format!("run {}", path.display())));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(Image::read(&other).unwrap_err().mend.as_deref(), Some(WHICH));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
