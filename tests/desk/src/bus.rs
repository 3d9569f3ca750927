//! The machine's bus: which device stands at a physical address.

use crate::device::{Device, Registers};
use crate::interrupts::Lines;
use crate::jitter::{Jitter, TICKS_PER_US};
use crate::rtc::Rtc;
use boards::Board;
use std::collections::BTreeMap;

/// Number of the first shared interrupt at the distributor.
const FIRST_SPI: u32 = 32;
const PAGE: u64 = 4096;

/// A device where it stands.
struct Stand {
    name: String,
    base: u64,
    end: u64,
    intids: Vec<u32>,
    model: Box<dyn Device>,
    /// When it wants to be told of the time, in microseconds.
    alarm_us: Option<u64>,
}

/// All devices.
#[derive(Default)]
pub struct Bus {
    stands: Vec<Stand>,
}

impl Bus {
    /// The devices of a board. What the test has no model for gets one: `uart` the one that is given here, a PL031 a clock, all others
    /// [`Registers`]. The error names a model whose device the board does not have.
    pub fn new(
        board: &Board,
        uart: Box<dyn Device>,
        mut models: BTreeMap<String, Box<dyn Device>>,
    ) -> Result<Self, String> {
        let mut stands = Vec::new();
        let mut stand = |name: &str, base: u64, bytes: u64, spis: &[u32], usual: Box<dyn Device>| {
            let intids = spis.iter().map(|spi| FIRST_SPI + spi).collect();
            let (first, end) = (base / PAGE * PAGE, (base + bytes.max(1)).next_multiple_of(PAGE));
            let model = models.remove(name).unwrap_or(usual);
            stands.push(Stand { name: name.to_owned(), base: first, end, intids, model, alarm_us: None });
        };
        stand("uart", board.uart.base, PAGE, &[board.uart.spi], uart);
        for device in &board.device {
            let usual: Box<dyn Device> = match device.compatible.as_str() {
                "arm,pl031" => Box::<Rtc>::default(),
                _ => Box::<Registers>::default(),
            };
            stand(&device.name, device.base, device.bytes, &device.spis, usual);
        }
        match models.into_keys().next() {
            None => Ok(Self { stands }),
            Some(name) => Err(format!("the board `{}` has no device `{name}` for the model of that name", board.name)),
        }
    }

    /// The number of an interrupt by its name: `DEVICE`, or `DEVICE.irq.N` for the one of a device that has several.
    pub fn intid(&self, name: &str) -> Option<u32> {
        let (device, number) = match name.split_once(".irq") {
            None | Some((_, "")) => (name.trim_end_matches(".irq"), 0),
            Some((device, number)) => (device, number.strip_prefix('.')?.parse().ok()?),
        };
        self.stands.iter().find(|stand| stand.name == device)?.intids.get::<usize>(number).copied()
    }

    /// Names of all devices.
    pub fn names(&self) -> String {
        self.stands.iter().map(|stand| stand.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The device of that name.
    pub fn device(&mut self, name: &str) -> Option<&mut dyn Device> {
        self.stands.iter_mut().find(|stand| stand.name == name).map(|stand| &mut *stand.model as &mut dyn Device)
    }

    /// The device at a physical address, and the offset in it. `None`: nothing stands there.
    pub fn at(&mut self, address: u64) -> Option<(&mut dyn Device, u32)> {
        let stand = self.stands.iter_mut().find(|stand| (stand.base..stand.end).contains(&address))?;
        Some((&mut *stand.model, (address - stand.base) as u32))
    }

    /// It is `now` ticks after the start, or a device was used: looks at alarms and lines.
    pub fn look(&mut self, now: u64, lines: &mut Lines, jitter: &mut Jitter) {
        let now_us = now / TICKS_PER_US;
        for stand in &mut self.stands {
            stand.alarm_us = stand.model.time(now_us).map(|at| at.max(now_us + 1));
            if let Some(&intid) = stand.intids.first() {
                lines.set(intid, stand.model.line(), || now + jitter.interrupt());
            }
        }
    }

    /// When the next device wants to be told of the time, in ticks.
    pub fn next(&self) -> u64 {
        self.stands.iter().filter_map(|stand| stand.alarm_us).min().map_or(u64::MAX, |at| at * TICKS_PER_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_stand_where_the_board_has_them_and_are_known_by_name() {
        let board = boards::find("qemu-virt").unwrap();
        let mut bus = Bus::new(&board, Box::<Registers>::default(), BTreeMap::new()).unwrap();
        assert_eq!(
            (bus.intid("uart"), bus.intid("rtc"), bus.intid("rtc.irq"), bus.intid("rtc.irq.1")),
            (Some(33), Some(34), Some(34), None)
        );
        assert_eq!(bus.at(0x0901_0010).map(|(_, offset)| offset), Some(0x10));
        assert!(bus.at(0x0902_0000).is_none() && bus.device("rtc").is_some() && bus.device("disk").is_none());
        let strange = BTreeMap::from([("disk".to_owned(), Box::<Registers>::default() as Box<dyn Device>)]);
        assert!(Bus::new(&board, Box::<Registers>::default(), strange).is_err_and(|error| error.contains("`disk`")));
    }
}
