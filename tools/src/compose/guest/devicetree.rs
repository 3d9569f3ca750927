//! The device tree of the guest's machine: QEMU virt's, with what we have of it.

use vm_fdt::{Error, FdtWriter};

/// The machine, version 1, as documented.
pub mod map {
    /// GIC distributor.
    pub const GICD: u32 = 0x0800_0000;
    /// GIC CPU interface, behind which is the virtual one.
    pub const GICC: u32 = 0x0801_0000;
    /// PL011.
    pub const UART: u32 = 0x0900_0000;
    /// Its SPI.
    pub const UART_SPI: u32 = 1;
    /// pvpanic: where a guest says that it has panicked.
    pub const PVPANIC: u32 = 0x0907_0000;
    /// Bytes of its window.
    pub const PVPANIC_BYTES: u32 = 2;
    /// First virtio-mmio transport.
    pub const VIRTIO: u32 = 0x0a00_0000;
    /// Bytes from one to the next.
    pub const VIRTIO_STRIDE: u32 = 0x200;
    /// SPI of the first.
    pub const VIRTIO_SPI: u32 = 16;
}

/// What differs between guests.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// First address of RAM.
    pub ram_base: u32,
    /// Bytes of RAM.
    pub ram_bytes: u32,
    /// Processors.
    pub vcpus: u32,
    /// `bootargs`.
    pub cmdline: &'a str,
    /// Start and end of the initial file system.
    pub initrd: Option<(u32, u32)>,
    /// Whether there is a virtio console in the first transport.
    pub virtio_console: bool,
}

const SPI: u32 = 0;
const PPI: u32 = 1;
const EDGE: u32 = 1;
const LEVEL_HIGH: u32 = 4;
/// PPIs of the timer: level low.
const LEVEL_LOW: u32 = 8;
const GIC_HANDLE: u32 = 1;
const CLOCK_HANDLE: u32 = 2;

/// The tree, as a flat blob.
pub fn generate(machine: &Machine<'_>) -> Vec<u8> {
    // It fails on strings with zeros only, and a manifest can't have them.
    write(machine).unwrap_or_default()
}

fn write(machine: &Machine<'_>) -> Result<Vec<u8>, Error> {
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_u32("interrupt-parent", GIC_HANDLE)?;
    fdt.property_string("model", "bulkhead,virt-1")?;
    fdt.property_string("compatible", "linux,dummy-virt")?;
    chosen(&mut fdt, machine)?;
    memory_and_cpus(&mut fdt, machine)?;
    interrupts_and_timer(&mut fdt, machine)?;
    devices(&mut fdt, machine)?;
    fdt.end_node(root)?;
    fdt.finish()
}

fn reg(fdt: &mut FdtWriter, base: u32, bytes: u32) -> Result<(), Error> {
    fdt.property_array_u32("reg", &[0, base, 0, bytes])
}

fn chosen(fdt: &mut FdtWriter, machine: &Machine<'_>) -> Result<(), Error> {
    let node = fdt.begin_node("chosen")?;
    fdt.property_string("bootargs", &machine.cmdline.replace('\0', " "))?;
    fdt.property_string("stdout-path", &format!("/pl011@{:x}", map::UART))?;
    if let Some((start, end)) = machine.initrd {
        fdt.property_u32("linux,initrd-start", start)?;
        fdt.property_u32("linux,initrd-end", end)?;
    }
    fdt.end_node(node)
}

fn memory_and_cpus(fdt: &mut FdtWriter, machine: &Machine<'_>) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("memory@{:x}", machine.ram_base))?;
    fdt.property_string("device_type", "memory")?;
    reg(fdt, machine.ram_base, machine.ram_bytes)?;
    fdt.end_node(node)?;

    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    for number in 0..machine.vcpus {
        let node = fdt.begin_node(&format!("cpu@{number:x}"))?;
        fdt.property_string("device_type", "cpu")?;
        fdt.property_string("compatible", "arm,cortex-a15")?;
        fdt.property_u32("reg", number)?;
        fdt.property_string("enable-method", "psci")?;
        fdt.end_node(node)?;
    }
    fdt.end_node(cpus)?;

    let node = fdt.begin_node("psci")?;
    fdt.property_string_list("compatible", vec!["arm,psci-0.2".into(), "arm,psci".into()])?;
    fdt.property_string("method", "hvc")?;
    fdt.property_u32("cpu_suspend", 0x8400_0001)?;
    fdt.property_u32("cpu_off", 0x8400_0002)?;
    fdt.property_u32("cpu_on", 0x8400_0003)?;
    fdt.end_node(node)
}

fn interrupts_and_timer(fdt: &mut FdtWriter, machine: &Machine<'_>) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("intc@{:x}", map::GICD))?;
    fdt.property_string("compatible", "arm,cortex-a15-gic")?;
    fdt.property_u32("#interrupt-cells", 3)?;
    fdt.property_u32("#address-cells", 0)?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_array_u32("reg", &[0, map::GICD, 0, 0x1000, 0, map::GICC, 0, 0x2000])?;
    fdt.property_phandle(GIC_HANDLE)?;
    fdt.end_node(node)?;

    let node = fdt.begin_node("timer")?;
    fdt.property_string("compatible", "arm,armv7-timer")?;
    fdt.property_null("always-on")?;
    // Bits 15:8 say which processors a PPI is wired to.
    let flags = ((1 << machine.vcpus) - 1) << 8 | LEVEL_LOW;
    let interrupts: Vec<u32> = [13, 14, 11, 10].into_iter().flat_map(|ppi| [PPI, ppi, flags]).collect();
    fdt.property_array_u32("interrupts", &interrupts)?;
    fdt.end_node(node)
}

fn devices(fdt: &mut FdtWriter, machine: &Machine<'_>) -> Result<(), Error> {
    let node = fdt.begin_node("apb-pclk")?;
    fdt.property_string("compatible", "fixed-clock")?;
    fdt.property_u32("#clock-cells", 0)?;
    fdt.property_u32("clock-frequency", 24_000_000)?;
    fdt.property_string("clock-output-names", "clk24mhz")?;
    fdt.property_phandle(CLOCK_HANDLE)?;
    fdt.end_node(node)?;

    let node = fdt.begin_node(&format!("pl011@{:x}", map::UART))?;
    fdt.property_string_list("compatible", vec!["arm,pl011".into(), "arm,primecell".into()])?;
    reg(fdt, map::UART, 0x1000)?;
    fdt.property_array_u32("interrupts", &[SPI, map::UART_SPI, LEVEL_HIGH])?;
    fdt.property_array_u32("clocks", &[CLOCK_HANDLE, CLOCK_HANDLE])?;
    fdt.property_string_list("clock-names", vec!["uartclk".into(), "apb_pclk".into()])?;
    fdt.end_node(node)?;

    let node = fdt.begin_node(&format!("pvpanic@{:x}", map::PVPANIC))?;
    fdt.property_string("compatible", "qemu,pvpanic-mmio")?;
    reg(fdt, map::PVPANIC, map::PVPANIC_BYTES)?;
    fdt.end_node(node)?;

    if machine.virtio_console {
        let node = fdt.begin_node(&format!("virtio_mmio@{:x}", map::VIRTIO))?;
        fdt.property_string("compatible", "virtio,mmio")?;
        reg(fdt, map::VIRTIO, map::VIRTIO_STRIDE)?;
        fdt.property_array_u32("interrupts", &[SPI, map::VIRTIO_SPI, EDGE])?;
        fdt.property_null("dma-coherent")?;
        fdt.end_node(node)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn machine() -> Machine<'static> {
        Machine {
            ram_base: 0x4000_0000,
            ram_bytes: 0x800_0000,
            vcpus: 1,
            cmdline: "console=ttyAMA0",
            initrd: Some((0x4700_0000, 0x4712_3456)),
            virtio_console: true,
        }
    }

    /// A reader of flat trees that shares nothing with the writer: every node's path and every property.
    fn read_back(blob: &[u8]) -> Vec<(String, Vec<u8>)> {
        let word = |at: usize| u32::from_be_bytes(blob[at..at + 4].try_into().unwrap()) as usize;
        let text = |at: usize| blob[at..].split(|&byte| byte == 0).next().unwrap();
        assert_eq!((word(0), word(4)), (0xd00d_feed, blob.len()));
        let (mut at, strings) = (word(8), word(12));
        let (mut path, mut found) = (Vec::new(), Vec::new());
        loop {
            match word(at) {
                1 => {
                    let name = text(at + 4);
                    path.push(String::from_utf8(name.to_vec()).unwrap());
                    at += (4 + name.len() + 1).next_multiple_of(4);
                }
                2 => {
                    path.pop();
                    at += 4;
                }
                3 => {
                    let (length, name) = (word(at + 4), text(strings + word(at + 8)));
                    let name = format!("{}:{}", path.join("/"), String::from_utf8_lossy(name));
                    found.push((name, blob[at + 12..at + 12 + length].to_vec()));
                    at += (12 + length).next_multiple_of(4);
                }
                4 => at += 4,
                9 => return found,
                other => panic!("token {other} at {at}"),
            }
        }
    }

    #[test]
    fn what_linux_looks_for_is_there() {
        let tree = read_back(&generate(&machine()));
        let cells = |name: &str| -> Vec<u32> {
            let (_, bytes) = tree.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("{name}: {tree:?}"));
            bytes.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect()
        };
        assert_eq!(cells("/memory@40000000:reg"), [0, 0x4000_0000, 0, 0x800_0000]);
        assert_eq!(cells("/intc@8000000:reg"), [0, 0x0800_0000, 0, 0x1000, 0, 0x0801_0000, 0, 0x2000]);
        assert_eq!(cells("/pl011@9000000:interrupts"), [0, 1, 4]);
        assert_eq!(cells("/pvpanic@9070000:reg"), [0, 0x0907_0000, 0, 2]);
        assert_eq!(cells("/virtio_mmio@a000000:interrupts"), [0, 16, 1]);
        assert_eq!(cells("/timer:interrupts"), [1, 13, 0x108, 1, 14, 0x108, 1, 11, 0x108, 1, 10, 0x108]);
        assert_eq!(cells("/chosen:linux,initrd-end"), [0x4712_3456]);
        let text = |name: &str| &tree.iter().find(|(found, _)| found == name).unwrap().1[..];
        assert_eq!(text("/chosen:bootargs"), b"console=ttyAMA0\0");
        assert_eq!(text("/psci:method"), b"hvc\0");
        assert!(!tree.iter().any(|(name, _)| name.contains("clock-frequency") && name.contains("timer")));
    }

    #[test]
    fn a_guest_without_them_sees_no_virtio_and_no_initrd() {
        let tree = read_back(&generate(&Machine { virtio_console: false, initrd: None, ..machine() }));
        assert!(!tree.iter().any(|(name, _)| name.contains("virtio") || name.contains("initrd")));
    }

    /// Where the device tree compiler is installed, it has nothing to complain about.
    #[test]
    fn the_device_tree_compiler_finds_no_fault() {
        let mut dtc = Command::new("dtc");
        dtc.args(["-I", "dtb", "-O", "dts", "-o", "/dev/null", "-"]);
        let child = dtc.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let Ok(mut child) = child else { return };
        child.stdin.take().unwrap().write_all(&generate(&machine())).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}
