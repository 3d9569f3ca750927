//! Programs and guests that are just real enough to be composed.

use crate::compose::elf::{self, Piece};
use crate::compose::materials::{Inputs, Materials, gather};
use crate::compose::problem::Source;
use crate::compose::resolve::{ProgramName, Resolved};
use crate::compose::{Checked, Kept, check_text};
use crate::failure::Failure;
use abi::rights::MapFlags;
use miette::Report;
use protocol::interface::{self, Declared, Side};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const TEXT: MapFlags = MapFlags::READ.union(MapFlags::EXECUTE);
const DATA: MapFlags = MapFlags::READ.union(MapFlags::WRITE);

fn piece(address: u32, bytes: usize, memory_bytes: u32, flags: MapFlags) -> Piece {
    Piece { address, physical: address, bytes: vec![0xa5; bytes], memory_bytes, flags }
}

/// A component with code, constants and data that is larger in memory than in its file.
pub fn component(data_bytes: u32) -> Vec<u8> {
    let at = protocol::layout::LINK;
    let pieces = [
        piece(at, 5000, 5000, TEXT),
        piece(at + 0x2000, 100, 100, MapFlags::READ),
        piece(at + 0x3000, 64, data_bytes, DATA),
    ];
    elf::write(at + 0x11, &pieces)
}

/// A program with a section of declarations that holds these bytes.
pub fn declaring(elf: &[u8], declarations: &[u8]) -> Vec<u8> {
    let names = format!("\0{}\0.shstrtab\0", interface::SECTION).into_bytes();
    let mut elf = elf.to_vec();
    let at = elf.len() as u32;
    let (bytes, names_at) = (declarations.len() as u32, 2 + interface::SECTION.len() as u32);
    let headers =
        [[0; 10], [1, 1, 0, 0, at, bytes, 0, 0, 1, 0], [names_at, 3, 0, 0, at + bytes, names.len() as u32, 0, 0, 1, 0]];
    elf.extend(declarations.iter().chain(&names));
    let table = elf.len() as u32;
    elf.extend(headers.iter().flatten().flat_map(|word: &u32| word.to_le_bytes()));
    elf[0x20..0x24].copy_from_slice(&table.to_le_bytes());
    elf[0x30..0x34].copy_from_slice(&[3, 0, 2, 0]);
    elf
}

/// Packages whose programs declare something, and what.
const DECLARING: &[(&str, &[Declared<'static>])] = {
    const SERVES: Declared<'static> =
        Declared { side: Side::Serves, channel: "service", request: "Ask", label: 0x100, hash: 0x1111_2222_3333_4444 };
    const CALLS: Declared<'static> = Declared { side: Side::Calls, request: "service::Ask", ..SERVES };
    const OTHER: Declared<'static> = Declared { request: "service::Tell", label: 0x101, ..CALLS };
    const OLD: Declared<'static> = Declared { hash: 0x5555_6666_7777_8888, ..CALLS };
    &[("serves", &[SERVES]), ("calls", &[CALLS]), ("calls-old", &[OLD]), ("calls-more", &[CALLS, OTHER])]
};

/// A component that declares what its package's name says.
fn component_of(package: &str) -> Vec<u8> {
    let plain = component(0x20_0000);
    let Some((_, declared)) = DECLARING.iter().find(|(name, _)| *name == package) else { return plain };
    let mut bytes = Vec::new();
    for one in *declared {
        let at = bytes.len();
        bytes.resize(at + one.bytes(), 0);
        one.write(&mut bytes[at..]);
    }
    declaring(&plain, &bytes)
}

/// A kernel for that address.
pub fn kernel(address: u64) -> Vec<u8> {
    let at = address as u32;
    elf::write(at, &[piece(at, 40_000, 40_000, TEXT), piece(at + 0x1_0000, 16, 0x1_0000, DATA)])
}

/// A head for the system's own zImage: no code, and the magic.
pub fn zimage_head() -> Vec<u8> {
    let mut head = piece(0, 0x80, 0x80, TEXT);
    head.bytes[0x24..0x28].copy_from_slice(&0x016f_2818_u32.to_le_bytes());
    elf::write(0, &[head])
}

/// A zImage that says how large it will be.
pub fn zimage(bytes: usize, unpacked: u32) -> Vec<u8> {
    let mut image = vec![0x5a; bytes];
    for (at, word) in [
        (0x24, 0x016f_2818),
        (0x28, 0),
        (0x2c, bytes as u32),
        (0x34, 0x4545_4545),
        (0x38, 0x40),
        (0x40, 4),
        (0x44, 0x5a53_4c4b),
        (0x48, 0x60),
        (0x4c, 0x1000),
        (0x50, 0),
        (0x60, unpacked),
    ] {
        image[at..at + 4].copy_from_slice(&u32::to_le_bytes(word));
    }
    image
}

/// A folder for one test, removed at its end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bulkhead-compose-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Fake inputs, as long as `use_them` runs. The package `writable-code` is what its name says, `guest-program` is no component.
pub fn with_inputs<T>(use_them: impl FnOnce(&mut Inputs<'_>) -> T) -> T {
    let folder = Folder::new();
    let mut programs = |board: &str, names: &[ProgramName]| {
        let mut built = BTreeMap::new();
        for (n, name) in names.iter().enumerate() {
            let at = protocol::layout::LINK;
            let bytes = match name {
                ProgramName::Kernel | ProgramName::KernelSmp => kernel(boards::find(board).unwrap().kernel_address),
                ProgramName::Package(package) if package == "writable-code" => {
                    elf::write(at, &[piece(at, 100, 100, TEXT | DATA)])
                }
                ProgramName::Package(package) if package == "guest-program" => {
                    elf::write(0x4000_8000, &[piece(0x4000_8000, 100, 100, TEXT)])
                }
                ProgramName::ZimageHead => zimage_head(),
                ProgramName::Root => component(0x1_0000),
                ProgramName::Package(package) if package == "damaged" => declaring(&component(0x1000), &[1, 0]),
                ProgramName::Package(package) => component_of(package),
                _ => component(0x20_0000),
            };
            built.insert(name.clone(), folder.write(&format!("{n}.elf"), &bytes));
        }
        Ok(built)
    };
    let mut fetch = |name: &str| match name {
        "debian:armmp-lpae" | "debian:armmp" => Ok(folder.write("zImage", &zimage(5_000_000, 19_000_000))),
        name if name.starts_with("crate:") => {
            Ok(folder.write("guest.elf", &elf::write(0x4000_8000, &[piece(0x4000_8000, 100, 100, TEXT)])))
        }
        other => Err(Failure::new(format!("there is no kernel `{other}`"))),
    };
    let mut shell = |_: Option<&str>| Ok(folder.write("initrd", &[7; 1_000_001]));
    use_them(&mut Inputs { programs: &mut programs, fetch: &mut fetch, shell: &mut shell })
}

/// Checks a manifest that stands in a test.
pub fn checked(text: &str) -> Result<Checked, Vec<Report>> {
    check_text(Source::new("test.toml", text.to_owned()), Path::new(""), None, "test", None, &Kept::NOTHING)
}

/// Materials for a system.
pub fn materials(system: &Resolved) -> Materials {
    with_inputs(|inputs| gather(system, inputs)).unwrap()
}
