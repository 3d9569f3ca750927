//! A Linux from reset to its first program and off again, on Bulkhead and with nothing below it: the same kernel, initial file
//! system, command line and memory.

use crate::bench_count::{Counts, Kernel, plain};
use crate::bench_run;
use crate::failure::{Failure, Result};
use crate::image::Image;
use crate::qemu::{FIXED, ONE_LIFE};
use crate::{composer, guest_files, initramfs, process, workspace};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// For each run.
const LIMIT: Duration = Duration::from_secs(600);
const SUM_LIMIT: Duration = Duration::from_secs(60);
/// The machine without a hypervisor: the same processor, without Hyp mode, and the guest's memory.
const NATIVE_MACHINE: &str = "virt,gic-version=2,highmem=off,dtb-randomness=off";
const NATIVE_CPU: &str = "cortex-a15";

/// The manifests, and what their figures are called.
const SYSTEMS: [(&str, &str); 2] = [("tests/systems/boot.toml", "virtio"), ("tests/systems/boot-pl011.toml", "pl011")];

/// What a manifest's VM boots.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Vm {
    kernel: String,
    ram: String,
    cmdline: String,
}

impl Vm {
    /// The first VM of a manifest.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        #[derive(Deserialize)]
        struct Manifest {
            vm: BTreeMap<String, Vm>,
        }
        let manifest: Manifest = toml::from_str(text).map_err(|error| error.to_string())?;
        manifest.vm.into_values().next().ok_or_else(|| "there is no VM".to_owned())
    }

    /// QEMU's words for it with nothing below it.
    fn native(&self, kernel: &Path, initrd: &Path, plugin: String) -> Vec<String> {
        let mut words: Vec<String> =
            ["-M", NATIVE_MACHINE, "-cpu", NATIVE_CPU, "-smp", "1", "-m"].map(String::from).into();
        words.push(self.ram.trim_end_matches("iB").to_owned());
        words.extend(["-display", "none", "-monitor", "none", "-nic", "none"].map(String::from));
        words.extend(["-chardev", "stdio,id=wire,signal=off", "-serial", "chardev:wire"].map(String::from));
        words.extend(ONE_LIFE.into_iter().chain(FIXED).map(String::from));
        words.extend(["-plugin".to_owned(), plugin]);
        words.extend(["-kernel".to_owned(), kernel.display().to_string()]);
        words.extend(["-initrd".to_owned(), initrd.display().to_string(), "-append".to_owned(), self.cmdline.clone()]);
        words
    }
}

/// The kernel that was booted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuestKernel {
    /// Its package.
    pub package: String,
    /// The package's version.
    pub version: String,
    /// SHA-256 of the zImage.
    pub sha256: String,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boots {
    /// Figures.
    pub figures: BTreeMap<String, f64>,
    /// The kernel.
    pub kernel: Option<GuestKernel>,
    /// Seconds of wall time of each run, which is no measure of anything but how long one waits.
    pub seconds: BTreeMap<String, f64>,
}

/// Whether a figure is one of these.
pub fn is_of_a_boot(figure: &str) -> bool {
    figure.starts_with("boot-")
}

/// SHA-256 of a file.
fn sha256(path: &Path) -> Result<String> {
    let printed = process::output(Command::new("sha256sum").arg(path), SUM_LIMIT)?;
    let sum = printed.split_whitespace().next().filter(|sum| sum.len() == 64);
    sum.map(str::to_owned).ok_or_else(|| Failure::path(path, "sha256sum says nothing of it"))
}

/// The kernel of an image's.
pub fn kernel_elf(image: &Image) -> Result<PathBuf> {
    let elf = image.kernel_elf().map(Path::to_owned);
    elf.ok_or_else(|| Failure::new(format!("`{}` has no kernel", image.elf.display())))
}

/// Boots all, with the plugin; `folder` is for what it writes.
pub fn measure(plugin: &Path, folder: &Path) -> Result<Boots> {
    let mut boots = Boots::default();
    for (manifest, name) in SYSTEMS {
        let path = workspace::root().join(manifest);
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::path(&path, error))?;
        let vm = Vm::parse(&text).map_err(|error| Failure::path(&path, error))?;
        let image = composer::build(&path, None, None)?;
        let kernel = guest_files::kernel(&vm.kernel)?;
        let initrd = initramfs::build(Some(&vm.kernel))?;
        let origin = guest_files::origin(&kernel)?;
        boots.kernel = Some(GuestKernel { package: origin.name, version: origin.version, sha256: sha256(&kernel)? });

        let (out, native_out) = (folder.join(name), folder.join(format!("{name}-native")));
        let ours = Kernel::read(&kernel_elf(&image)?)?.entries(plugin, &out);
        let words = vm.native(&kernel, &initrd, plain(plugin, &native_out));
        // Two machines at once: they share nothing but the host.
        let (ours, native) = std::thread::scope(|scope| {
            let native = scope.spawn(|| timed(|| bench_run::words("the native Linux", &words, LIMIT)));
            (timed(|| bench_run::system(&image, Some(ours), None, LIMIT)), native.join())
        });
        let native = native.map_err(|_| Failure::new("the native run is lost"))?;
        for (result, what) in [(ours, ""), (native, "-native")] {
            let (result, seconds) = result;
            result?;
            boots.seconds.insert(format!("boot{what}-{name}"), seconds);
        }
        boots.figures.extend(figures(name, &Counts::read(&out)?, &Counts::read(&native_out)?));
    }
    Ok(boots)
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let result = run();
    (result, (started.elapsed().as_secs_f64() * 10.0).round() / 10.0)
}

fn figures(name: &str, ours: &Counts, native: &Counts) -> [(String, f64); 3] {
    let ratio = (ours.all as f64 / native.all.max(1) as f64 * 1e5).round() / 1e5;
    [
        (format!("boot-{name}"), ratio),
        (format!("boot-native-{name}"), native.all as f64),
        (format!("boot-exits-{name}"), ours.at.first().copied().unwrap_or_default() as f64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_run_is_like_the_manifests() {
        for (manifest, _) in SYSTEMS {
            let text = std::fs::read_to_string(workspace::root().join(manifest)).unwrap();
            let vm = Vm::parse(&text).unwrap();
            let words = vm.native(Path::new("k"), Path::new("i"), "p".into()).join(" ");
            assert!(words.contains("-m 128M ") && words.contains("-icount shift=0,sleep=off -seed 1"), "{words}");
            assert!(
                words.contains("-no-reboot") && words.ends_with(&format!("-kernel k -initrd i -append {}", vm.cmdline))
            );
        }
        assert!(Vm::parse("").is_err() && Vm::parse("vm = {}").is_err());
    }

    #[test]
    fn a_ratio_is_ours_to_native() {
        let counts = |all: u64, at: Vec<u64>| {
            let mut counts = Counts::default();
            (counts.all, counts.at) = (all, at);
            counts
        };
        let found = figures("x", &counts(102, vec![7]), &counts(100, vec![]));
        assert!(found.iter().all(|(name, _)| is_of_a_boot(name)) && !is_of_a_boot("kernel-bytes"));
        assert_eq!(found, [("boot-x".into(), 1.02), ("boot-native-x".into(), 100.0), ("boot-exits-x".into(), 7.0)]);
    }
}
