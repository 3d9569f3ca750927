//! The initial file system of a Linux guest: a busybox, the modules of its kernel that the machine's devices need, a shell on the
//! console, and clean ways out.
//!
//! A newc archive, the same bytes for the same busybox and modules.

use crate::failure::{Failure, Result};
use crate::{guest_files, workspace};
use cpio::NewcBuilder;
use object::{Object, ObjectSection};
use std::path::{Path, PathBuf};

/// What the guest's first program prints when it has set itself up.
pub const MARKER: &str = "bulkhead: guest is up";

// A console behind a module is there only once the module is. Until then the kernel has opened none for us, and what it said went
// nowhere: virtio_console also drops what the kernel repeats when it registers, so we repeat it.
const INIT: &str = r"#!/bin/sh
export PATH=/sbin:/bin HOME=/ ENV=/etc/shrc
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
if (: <>/dev/console) 2>/dev/null; then late=; else late=yes; fi
for module in $(cat /etc/modules); do
    insmod /lib/modules/$module.ko
done
console=console
for word in $(cat /proc/cmdline); do
    case $word in console=*) console=${word#console=} console=${console%%,*} ;; esac
done
tries=50
while ! [ -c /dev/$console ] && [ $tries -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
done
for device in $console console null; do
    if (: <>/dev/$device) 2>/dev/null; then break; fi
done
exec <>/dev/$device >&0 2>&0
[ -z $late ] || dmesg
echo 'bulkhead: guest is up'
setsid -c /bin/sh
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
    const FEW: [&str; 14] = [
        "cat", "dmesg", "echo", "insmod", "kill", "ls", "mkdir", "mount", "ps", "setsid", "sh", "sleep", "top", "uname",
    ];
    let first = b"\0[\0[[\0";
    let names =
        busybox.windows(first.len()).position(|window| window == first).map_or(&[][..], |at| &busybox[at + 1..]);
    let plain =
        |name: &&[u8]| !name.is_empty() && name.len() < 24 && name.iter().all(|c| c.is_ascii_graphic() && *c != b'/');
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

/// A module of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, as its file has it.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Module {
    /// What its `.modinfo` section says that it depends on. A module with none of its own depends on nothing.
    fn depends(&self) -> Vec<String> {
        let file = object::File::parse(&*self.bytes).ok();
        let section = file.as_ref().and_then(|file| file.section_by_name(".modinfo"));
        let information = section.as_ref().and_then(|section| section.data().ok()).unwrap_or_default();
        let names = information.split(|byte| *byte == 0).filter_map(|entry| entry.strip_prefix(b"depends="));
        names
            .flat_map(|names| names.split(|byte| *byte == b','))
            .map(plain_name)
            .filter(|name| !name.is_empty())
            .collect()
    }
}

/// A module's name as the kernel has it: files may be named with dashes.
fn plain_name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace('-', "_")
}

/// Their names so that each comes after those that it depends on, as far as they are there.
fn load_order(modules: &[Module]) -> Vec<&str> {
    let mut waiting: Vec<(&Module, Vec<String>)> = modules.iter().map(|module| (module, module.depends())).collect();
    let mut order: Vec<&str> = Vec::new();
    while !waiting.is_empty() {
        let names: Vec<String> = waiting.iter().map(|(module, _)| plain_name(module.name.as_bytes())).collect();
        let free = waiting.iter().position(|(_, depends)| !depends.iter().any(|name| names.contains(name)));
        // In a circle, which no kernel has, any may be the first.
        order.push(&waiting.remove(free.unwrap_or(0)).0.name);
    }
    order
}

/// An archive with that busybox and those modules.
pub fn archive(busybox: &[u8], modules: &[Module]) -> std::io::Result<Vec<u8>> {
    let mut archive = Archive { bytes: Vec::new(), next_inode: 1 };
    for folder in ["bin", "dev", "etc", "lib", "lib/modules", "proc", "root", "sbin", "sys", "tmp"] {
        archive.put(folder, FOLDER, (0, 0), b"")?;
    }
    archive.put("dev/console", CHARACTER_DEVICE, (5, 1), b"")?;
    archive.put("dev/null", CHARACTER_DEVICE, (1, 3), b"")?;
    archive.put("init", PROGRAM, (0, 0), INIT.as_bytes())?;
    archive.put("etc/shrc", FILE, (0, 0), SHELL_START.as_bytes())?;
    let order: String = load_order(modules).iter().map(|name| format!("{name}\n")).collect();
    archive.put("etc/modules", FILE, (0, 0), order.as_bytes())?;
    for module in modules {
        archive.put(&format!("lib/modules/{}.ko", module.name), FILE, (0, 0), &module.bytes)?;
    }
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

/// The archive with Debian's busybox, as a file: for the kernel that [`guest_files::kernel`] has under that name, or for one of the user's own, of
/// whose modules we know nothing.
pub fn build(kernel: Option<&str>) -> Result<PathBuf> {
    let busybox = guest_files::busybox()?;
    let kernel = kernel.map(guest_files::kernel).transpose()?;
    let path = match &kernel {
        Some(kernel) => kernel.with_file_name("initramfs.cpio"),
        None => workspace::own().join("guests/initramfs.cpio"),
    };
    let bytes = contents(&busybox, kernel.as_deref())?;
    if std::fs::read(&path).is_ok_and(|old| old == bytes) {
        return Ok(path);
    }
    workspace::write(&path, &bytes)?;
    Ok(path)
}

/// What [`build`] would write, if all that it needs was fetched before; the error if some of it was damaged since.
pub fn kept(kernel: Option<&str>) -> Option<Result<Vec<u8>>> {
    let kernel = match kernel {
        Some(name) => Some(guest_files::kept(name)?),
        None => None,
    };
    let busybox = guest_files::kept_busybox()?;
    Some(kernel.transpose().and_then(|kernel| contents(&busybox?, kernel.as_deref())))
}

fn contents(busybox: &Path, kernel: Option<&Path>) -> Result<Vec<u8>> {
    let files = kernel.map(guest_files::modules).transpose()?.unwrap_or_default();
    let module = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Module { name, bytes: read(file)? })
    };
    let modules = files.iter().map(module).collect::<Result<Vec<_>>>()?;
    archive(&read(busybox)?, &modules).map_err(|error| Failure::path(busybox, error))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failure::path(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read;

    const BUSYBOX: &[u8] = b"\x7fELF..\0[\0[[\0acpid\0ls\0poweroff\0sh\0\0\x01junk";

    /// A module that says so much of itself.
    fn module(name: &str, information: &[u8]) -> Module {
        use object::write;
        let mut file =
            write::Object::new(object::BinaryFormat::Elf, object::Architecture::Arm, object::Endianness::Little);
        let section = file.add_section(Vec::new(), b".modinfo".to_vec(), object::SectionKind::Data);
        file.append_section_data(section, information, 1);
        Module { name: name.to_owned(), bytes: file.write().unwrap() }
    }

    fn modules() -> [Module; 3] {
        [
            module("a-top", b"name=a_top\0depends=middle,elsewhere\0"),
            module("middle", b"depends=z_base\0vermagic=6.1\0"),
            module("z-base", b"depends=\0"),
        ]
    }

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
        let bytes = archive(BUSYBOX, &modules()).unwrap();
        assert_eq!(bytes, archive(BUSYBOX, &modules()).unwrap());
        let entries = read(&bytes);
        assert_eq!(entries["bin/busybox"], (PROGRAM, 0, BUSYBOX.to_vec()));
        assert_eq!(entries["bin/acpid"], (LINK, 0, b"busybox".to_vec()));
        assert_eq!(entries["dev/console"].0, CHARACTER_DEVICE);
        assert_eq!(entries["dev/console"].1, 5);
        assert!(String::from_utf8_lossy(&entries["init"].2).contains(MARKER));
        assert_eq!(entries["etc/modules"].2, b"z-base\nmiddle\na-top\n");
        assert_eq!(entries["lib/modules/middle.ko"].2, modules()[1].bytes);
        assert!(entries.contains_key("sbin/reboot") && !entries.contains_key("bin/poweroff"));
    }

    #[test]
    fn a_busybox_whose_names_cannot_be_found_still_gives_a_shell() {
        let entries = read(&archive(b"not a busybox", &[]).unwrap());
        for name in ["bin/sh", "bin/mount", "bin/setsid", "bin/insmod"] {
            assert!(entries.contains_key(name), "{name}");
        }
    }
}
