//! The plugin of QEMU's that counts instructions from outside (`tools/measure/count.c`): how it is built and told what to
//! count, and what it has counted.

use crate::failure::{Failure, Result};
use crate::{process, workspace};
use boards::Board;
use object::{Object, ObjectSymbol};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The last line of what the plugin writes.
pub const END: &str = "end\n";
const COMPILER: &str = "cc";
const COMPILE_LIMIT: Duration = Duration::from_secs(120);
const GICD_BYTES: u64 = 0x1000;
const GICC_BYTES: u64 = 0x2000;
const GICH_BYTES: u64 = 0x1000;

/// Compiles the plugin, if that is not done yet.
pub fn plugin() -> Result<PathBuf> {
    let source = workspace::root().join("tools/measure/count.c");
    let folder = workspace::own().join("measure");
    let (library, kept) = (folder.join("libcount.so"), folder.join("count.c"));
    let _lock = workspace::lock(&folder)?;
    let text = std::fs::read(&source).map_err(|error| Failure::path(&source, error))?;
    if library.is_file() && std::fs::read(&kept).is_ok_and(|old| old == text) {
        return Ok(library);
    }
    if !process::on_path(COMPILER) {
        return Err(Failure::new("there is no C compiler `cc`, which builds the plugin that counts instructions")
            .mend("type `sudo apt-get install --yes --no-install-recommends gcc libc6-dev`"));
    }
    let mut compiler = Command::new(COMPILER);
    compiler.args(["-shared", "-fPIC", "-O2"]).arg(&source).arg("-o").arg(&library);
    process::output(&mut compiler, COMPILE_LIMIT)?;
    workspace::write(&kept, &text)?;
    Ok(library)
}

/// Addresses in a kernel that the plugin must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    text: (u64, u64),
    vectors: u64,
    to_component: u64,
    to_guest: u64,
}

impl Kernel {
    /// Finds them by their names.
    pub fn read(elf: &Path) -> Result<Self> {
        let bytes = std::fs::read(elf).map_err(|error| Failure::path(elf, error))?;
        let file = object::File::parse(&*bytes).map_err(|error| Failure::path(elf, error))?;
        let address = |name: &str| {
            let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name));
            symbol
                .map(|symbol| symbol.address())
                .ok_or_else(|| Failure::path(elf, format!("there is no symbol `{name}`")))
        };
        Ok(Self {
            text: (address("__image_start")?, address("__text_end")?),
            vectors: address("hyp_vectors")?,
            to_component: address("eret_component")?,
            to_guest: address("eret_guest")?,
        })
    }

    /// The plugin's words for counting all and how often the kernel leaves for a guest.
    pub fn entries(&self, plugin: &Path, out: &Path) -> String {
        format!("{},at={:#x}", plain(plugin, out), self.to_guest)
    }

    /// The plugin's words for telling who executes what between marks, for so many instructions if that is said.
    pub fn split(&self, plugin: &Path, out: &Path, board: &Board, until: Option<u64>) -> String {
        let gic = [(board.gic.gicd, GICD_BYTES), (board.gic.gicc, GICC_BYTES), (board.gic.gich, GICH_BYTES)];
        let gic = gic.map(|(base, bytes)| format!(",gic={base:#x}-{:#x}", base + bytes)).concat();
        let Self { text, vectors, to_component, to_guest } = self;
        let kernel = format!("vectors={vectors:#x},component={to_component:#x},guest={to_guest:#x}");
        let until = until.map_or_else(String::new, |until| format!(",until={until}"));
        format!("{},{kernel},text={:#x}-{:#x}{gic}{until}", plain(plugin, out), text.0, text.1)
    }
}

/// The plugin's words for counting all.
pub fn plain(plugin: &Path, out: &Path) -> String {
    format!("{},out={}", plugin.display(), out.display())
}

/// What was executed between two marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Split {
    /// Instructions of the kernel that end in a component.
    pub hyp_to_component: f64,
    /// Instructions of the kernel that end in a guest.
    pub hyp_to_guest: f64,
    /// Instructions of components.
    pub component: f64,
    /// Instructions of guests.
    #[serde(skip)]
    pub guest: f64,
    /// The kernel's accesses to CP15.
    pub cp15: f64,
    /// The kernel's accesses to the interrupt controller.
    pub gic: f64,
    /// The kernel's barriers.
    pub barriers: f64,
}

impl Split {
    fn new(values: [f64; 7]) -> Self {
        let [hyp_to_component, hyp_to_guest, component, guest, cp15, gic, barriers] = values;
        Self { hyp_to_component, hyp_to_guest, component, guest, cp15, gic, barriers }
    }

    fn values(&self) -> [f64; 7] {
        let Self { hyp_to_component, hyp_to_guest, component, guest, cp15, gic, barriers } = *self;
        [hyp_to_component, hyp_to_guest, component, guest, cp15, gic, barriers]
    }

    /// What is left of one operation when what a round costs without it is taken off. To a hundredth: an interrupt more or less
    /// among thousands of rounds is no part of an operation.
    fn less(&self, empty: &Self) -> Self {
        let (all, empty) = (self.values(), empty.values());
        Self::new(std::array::from_fn(|n| ((all[n] - empty[n]).max(0.0) * 1e2).round() / 1e2))
    }

    /// All instructions.
    pub fn instructions(&self) -> f64 {
        self.hyp_to_component + self.hyp_to_guest + self.component + self.guest
    }
}

/// The longest stretch of the kernel with interrupts masked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// Instructions.
    pub length: u64,
    /// The vector by which the kernel was entered.
    pub vector: u64,
    /// How often it executed the instruction at each address.
    pub kernel: Vec<(u64, f64)>,
}

/// What the plugin has counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// All instructions.
    pub all: u64,
    /// How often those at the given addresses were executed.
    pub at: Vec<u64>,
    marks: BTreeMap<u32, (f64, Split)>,
    kernel: BTreeMap<u32, Vec<(u64, f64)>>,
    legs: BTreeMap<u32, Vec<f64>>,
    irqs: BTreeMap<u32, f64>,
    /// The longest stretch with interrupts masked.
    pub longest: Stretch,
}

impl Counts {
    /// Reads what it wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::path(path, error))?;
        Self::parse(&text).ok_or_else(|| Failure::path(path, "this is not what the counting plugin writes"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut counts = Self::default();
        let address = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
        for line in text.strip_suffix(END)?.lines() {
            let mut words = line.split_whitespace();
            match words.next()? {
                "all" => counts.all = words.next()?.parse().ok()?,
                "at" => counts.at.push(words.nth(1)?.parse().ok()?),
                "mark" => {
                    let (mark, times) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                    let values: Vec<f64> = words.map_while(|word| word.parse().ok()).collect();
                    counts.marks.insert(mark, (times, Split::new(values.try_into().ok()?)));
                }
                "pc" => {
                    let mark: u32 = words.next()?.parse().ok()?;
                    let count = (address(words.next()?)?, words.next()?.parse().ok()?);
                    counts.kernel.entry(mark).or_default().push(count);
                }
                "legs" => {
                    let mark = words.next()?.parse().ok()?;
                    counts.legs.insert(mark, words.map_while(|word| word.parse().ok()).collect());
                }
                "irq" => drop(counts.irqs.insert(words.next()?.parse().ok()?, words.next()?.parse().ok()?)),
                "masked" => {
                    counts.longest.length = words.next()?.parse().ok()?;
                    counts.longest.vector = address(words.next()?)?;
                }
                "held" => counts.longest.kernel.push((address(words.next()?)?, words.next()?.parse().ok()?)),
                _ => return None,
            }
        }
        Some(counts)
    }

    /// One operation between the marks of that number, of which each pair holds `rounds`, less those of `empty`.
    pub fn operation(&self, mark: u32, rounds: u32, empty: Option<u32>) -> Option<Split> {
        let one = |mark: u32| {
            let (times, split) = self.marks.get(&mark)?;
            let rounds = times * f64::from(rounds.max(1));
            Some(Split::new(split.values().map(|value| value / rounds)))
        };
        Some(one(mark)?.less(&empty.and_then(one).unwrap_or_default()))
    }

    /// What components execute between the marks of that number: until the first entry to the kernel, until the next, and so on.
    pub fn legs(&self, mark: u32) -> Option<Vec<f64>> {
        let (times, _) = self.marks.get(&mark)?;
        Some(self.legs.get(&mark)?.iter().map(|sum| sum / times).collect())
    }

    /// The least from the vector of an interrupt to the end mark of that number.
    pub fn irq(&self, mark: u32) -> Option<f64> {
        self.irqs.get(&mark).copied()
    }

    /// Instructions of the kernel in one such operation, by address.
    pub fn kernel(&self, mark: u32, rounds: u32) -> Vec<(u64, f64)> {
        let times = self.marks.get(&mark).map_or(1.0, |(times, _)| *times) * f64::from(rounds.max(1));
        let counts = self.kernel.get(&mark).into_iter().flatten();
        counts.map(|(address, count)| (*address, count / times)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "all 900\nat 0x40200000 7\nmark 1 1 0 0 60 0 0 0 0\nmark 3 2 2000 400 200 0 40 0 8\n\
                        legs 3 120 60 0\npc 3 0x40200010 40\npc 3 0x40200014 20\nirq 5 310\n\
                        masked 77 0x18\nheld 0x40200010 70\nend\n";

    #[test]
    fn what_the_plugin_writes_is_read() {
        let counts = Counts::parse(TEXT).unwrap();
        assert_eq!((counts.all, &*counts.at), (900, &[7][..]));
        let one = counts.operation(3, 10, Some(1)).unwrap();
        assert_eq!((one.hyp_to_component, one.hyp_to_guest, one.component), (100.0, 20.0, 4.0));
        assert_eq!((one.cp15, one.barriers, one.instructions()), (2.0, 0.4, 124.0));
        assert_eq!(counts.kernel(3, 10), [(0x4020_0010, 2.0), (0x4020_0014, 1.0)]);
        assert_eq!(counts.operation(9, 10, None), None);
        assert_eq!((counts.legs(3), counts.legs(1)), (Some(vec![60.0, 30.0, 0.0]), None));
        assert_eq!((counts.irq(5), counts.irq(3)), (Some(310.0), None));
        assert_eq!(counts.longest, Stretch { length: 77, vector: 0x18, kernel: vec![(0x4020_0010, 70.0)] });
        assert!(Counts::parse("nonsense 1\nend\n").is_none() && Counts::parse("mark 1 1 2\nend\n").is_none());
        assert!(Counts::parse("all 5\n").is_none(), "it is not complete");
    }

    #[test]
    fn the_plugin_is_told_addresses() {
        let kernel = Kernel { text: (0x4020_0000, 0x4020_8000), vectors: 0x4020_00c0, to_component: 1, to_guest: 2 };
        let board = boards::find("qemu-virt").unwrap();
        let words = kernel.split(Path::new("p.so"), Path::new("o"), &board, Some(9));
        assert!(
            words.ends_with(",until=9")
                && !kernel.split(Path::new("p"), Path::new("o"), &board, None).contains("until")
        );
        assert!(
            words.starts_with("p.so,out=o,vectors=0x402000c0,component=0x1,guest=0x2,text=0x40200000-0x40208000,gic=")
        );
        assert!(words.contains(",gic=0x8000000-0x8001000,gic=0x8010000-0x8012000"), "{words}");
        assert_eq!(kernel.entries(Path::new("p.so"), Path::new("o")), "p.so,out=o,at=0x2");
    }
}
