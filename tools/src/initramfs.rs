//! The initial file system of a Linux guest: a busybox, a shell on the console, and clean ways out.
//!
//! A newc archive, the same bytes for the same busybox.

use crate::failure::{Failure, Result};
use crate::{guest_files, workspace};
use cpio::NewcBuilder;
use std::path::PathBuf;

/// What the guest's first program prints when it has set itself up.
pub const MARKER: &str = "bulkhead: guest is up";

const INIT: &str = "#!/bin/sh
export PATH=/sbin:/bin HOME=/ ENV=/etc/shrc
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
echo 'bulkhead: guest is up'
setsid cttyhack /bin/sh
exec /bin/busybox poweroff -f
";

// There is no init to ask: the three ways out go straight to the kernel, from the prompt and from scripts.
const SHELL_START: &str = "alias poweroff='/bin/busybox poweroff -f'
alias reboot='/bin/busybox reboot -f'
alias halt='/bin/busybox halt -f'
";
const WAYS_OUT: [&str; 3] = ["poweroff", "reboot", "halt"];

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

struct Archive {
    bytes: Vec<u8>,
    next_inode: u32,
}

impl Archive {
    fn put(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) -> std::io::Result<()> {
        let builder = NewcBuilder::new(name).ino(self.next_inode).mode(mode).nlink(1).mtime(0);
        let builder = builder.rdev_major(device.0).rdev_minor(device.1);
        self.next_inode += 1;
        let size = u32::try_from(content.len()).map_err(std::io::Error::other)?;
        let mut writer = builder.write(&mut self.bytes, size);
        std::io::Write::write_all(&mut writer, content)?;
        writer.finish().map(drop)
    }
}

/// The names that a busybox answers to, as it keeps them: one after another, each ended by a zero.
fn applets(busybox: &[u8]) -> Vec<String> {
    const FEW: [&str; 14] =
        ["cat", "cttyhack", "dmesg", "echo", "kill", "ls", "mkdir", "mount", "ps", "setsid", "sh", "sleep", "top", "uname"];
    let first = b"\0[\0[[\0";
    let names = busybox.windows(first.len()).position(|window| window == first).map_or(&[][..], |at| &busybox[at + 1..]);
    let plain = |name: &&[u8]| {
        !name.is_empty() && name.len() < 24 && name.iter().all(|c| c.is_ascii_graphic() && *c != b'/')
    };
    let mut found: Vec<String> = names
        .split(|byte| *byte == 0)
        .take_while(plain)
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    found.extend(FEW.map(str::to_owned));
    found.retain(|name| name != "busybox" && !WAYS_OUT.contains(&name.as_str()));
    found.sort();
    found.dedup();
    found
}

/// An archive with that busybox.
pub fn archive(busybox: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = Archive { bytes: Vec::new(), next_inode: 1 };
    for folder in ["bin", "dev", "etc", "proc", "root", "sbin", "sys", "tmp"] {
        archive.put(folder, FOLDER, (0, 0), b"")?;
    }
    archive.put("dev/console", CHARACTER_DEVICE, (5, 1), b"")?;
    archive.put("dev/null", CHARACTER_DEVICE, (1, 3), b"")?;
    archive.put("init", PROGRAM, (0, 0), INIT.as_bytes())?;
    archive.put("etc/shrc", FILE, (0, 0), SHELL_START.as_bytes())?;
    archive.put("bin/busybox", PROGRAM, (0, 0), busybox)?;
    for name in applets(busybox) {
        archive.put(&format!("bin/{name}"), LINK, (0, 0), b"busybox")?;
    }
    for name in WAYS_OUT {
        let script = format!("#!/bin/sh\nexec /bin/busybox {name} -f\n");
        archive.put(&format!("sbin/{name}"), PROGRAM, (0, 0), script.as_bytes())?;
    }
    cpio::newc::trailer(archive.bytes)
}

/// The archive with Debian's busybox, as a file.
pub fn build() -> Result<PathBuf> {
    let busybox = guest_files::busybox()?;
    let path = workspace::own().join("guests/initramfs.cpio");
    let bytes = std::fs::read(&busybox).map_err(|error| Failure::path(&busybox, error))?;
    let bytes = archive(&bytes).map_err(|error| Failure::path(&path, error))?;
    if std::fs::read(&path).is_ok_and(|old| old == bytes) {
        return Ok(path);
    }
    workspace::write(&path, &bytes)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read;

    const BUSYBOX: &[u8] = b"\x7fELF..\0[\0[[\0acpid\0ls\0poweroff\0sh\0\0\x01junk";

    fn read(bytes: &[u8]) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
        let (mut rest, mut entries) = (bytes, BTreeMap::new());
        loop {
            let mut reader = cpio::NewcReader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                return entries;
            }
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            let entry = reader.entry();
            assert_eq!(entry.mtime(), 0);
            let old = entries.insert(entry.name().to_owned(), (entry.mode(), entry.rdev_major(), content));
            assert!(old.is_none(), "{} stands twice", entry.name());
            rest = reader.finish().unwrap();
        }
    }

    #[test]
    fn it_holds_what_a_guest_needs_and_is_the_same_each_time() {
        let bytes = archive(BUSYBOX).unwrap();
        assert_eq!(bytes, archive(BUSYBOX).unwrap());
        let entries = read(&bytes);
        assert_eq!(entries["bin/busybox"], (PROGRAM, 0, BUSYBOX.to_vec()));
        assert_eq!(entries["bin/acpid"], (LINK, 0, b"busybox".to_vec()));
        assert_eq!(entries["dev/console"].0, CHARACTER_DEVICE);
        assert_eq!(entries["dev/console"].1, 5);
        assert!(String::from_utf8_lossy(&entries["init"].2).contains(MARKER));
        assert!(entries.contains_key("sbin/reboot") && !entries.contains_key("bin/poweroff"));
    }

    #[test]
    fn a_busybox_whose_names_cannot_be_found_still_gives_a_shell() {
        let entries = read(&archive(b"not a busybox").unwrap());
        for name in ["bin/sh", "bin/mount", "bin/setsid", "bin/cttyhack"] {
            assert!(entries.contains_key(name), "{name}");
        }
    }
}
