//! How a measurement is made: many rounds of an operation, less as many rounds of nothing, over the physical counter.
//! Under `-icount shift=0` one instruction is one nanosecond, so what comes out is instructions for each round.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub use echo::ROUNDS;

/// Thousandths of an instruction for each round.
pub fn per_round_milli(ticks: u64, empty_ticks: u64, counter_hz: u32) -> u64 {
    let ns = (ticks.saturating_sub(empty_ticks)) * 1_000_000_000 / u64::from(counter_hz.max(1));
    ns * 1000 / u64::from(ROUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_instructions() {
        // 2000 rounds of 100 instructions at 62.5 MHz: 16 ns a tick.
        assert_eq!(per_round_milli(12_500 + 7, 7, 62_500_000), 100_000);
        assert_eq!(per_round_milli(1, 7, 62_500_000), 0);
    }
}
