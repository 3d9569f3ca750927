//! Sizes and durations, as a manifest writes them.

/// Why a text is no size or duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not written like one.
    Form,
    /// It is more than there can be; the most is this.
    TooMuch(&'static str),
}

/// Bytes of a size such as `128MiB`, `16KiB`, `4096`.
pub fn size(text: &str) -> Result<u64, Wrong> {
    const MOST: Wrong = Wrong::TooMuch("what a processor of 32 bits has, 4GiB");
    let (number, unit) = split(text)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(Wrong::Form),
    };
    number.ok_or(MOST)?.checked_mul(1 << shift).filter(|&bytes| bytes <= 1 << 32).ok_or(MOST)
}

/// Microseconds of a duration such as `10ms`, `500us`, `2s`.
pub fn duration_us(text: &str) -> Result<u32, Wrong> {
    const MOST: Wrong = Wrong::TooMuch("4294s, about 71 minutes");
    let (number, unit) = split(text)?;
    let factor = match unit {
        "us" => 1,
        "ms" => 1000,
        "s" => 1_000_000,
        _ => return Err(Wrong::Form),
    };
    number.and_then(|number| number.checked_mul(factor)?.try_into().ok()).ok_or(MOST)
}

/// A number, unless it is too large for any, and its unit.
fn split(text: &str) -> Result<(Option<u64>, &str), Wrong> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let digits = text[..end].replace('_', "");
    if digits.is_empty() {
        return Err(Wrong::Form);
    }
    Ok((digits.parse().ok(), text[end..].trim_start()))
}

/// A size for people: in the largest unit that divides it.
pub fn show_size(bytes: u64) -> String {
    match bytes {
        _ if bytes == 0 => "0".to_owned(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{}GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => format!("{bytes}B"),
    }
}

/// A size for people where bytes do not matter: rounded up to tenths of a MiB, or to KiB.
pub fn show_about(bytes: u64) -> String {
    if bytes < 1 << 20 || bytes.is_multiple_of(1 << 20) {
        return show_size(bytes.next_multiple_of(1 << 10));
    }
    let tenths = (bytes * 10).div_ceil(1 << 20);
    format!("{}.{}MiB", tenths / 10, tenths % 10)
}

/// A size for people, rounded down: at most this.
pub fn show_below(bytes: u64) -> String {
    if bytes < 1 << 20 { show_size(bytes >> 10 << 10) } else { show_size(bytes >> 20 << 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up() {
        let shown = [4097, 1 << 20, (1 << 20) + 1, 256 << 20, 1500 << 10, 1 << 30].map(show_about);
        assert_eq!(shown, ["5KiB", "1MiB", "1.1MiB", "256MiB", "1.5MiB", "1GiB"]);
        assert_eq!([5000, (3 << 20) - 1, 3 << 20].map(show_below), ["4KiB", "2MiB", "3MiB"]);
    }

    #[test]
    fn sizes_and_durations_are_read_and_nonsense_is_not() {
        assert_eq!(size("128MiB"), Ok(128 << 20));
        assert_eq!(size("16 KiB"), Ok(16 << 10));
        assert_eq!(size("4_096"), Ok(4096));
        for nonsense in ["", "MiB", "128MB", "12.5MiB", "-1", "99999999999999999999 eggs"] {
            assert_eq!(size(nonsense), Err(Wrong::Form), "{nonsense}");
        }
        for much in ["99999999999999999999", "99999999999GiB", "5GiB"] {
            assert!(matches!(size(much), Err(Wrong::TooMuch(_))), "{much}");
        }
        assert_eq!(duration_us("10ms"), Ok(10_000));
        assert_eq!(duration_us("4294s"), Ok(4_294_000_000));
        assert_eq!(duration_us("10"), Err(Wrong::Form));
        for much in ["4295s", "99999999999999999999us", "5000000ms"] {
            assert!(matches!(duration_us(much), Err(Wrong::TooMuch(_))), "{much}");
        }
        assert_eq!(show_size(size("1536KiB").unwrap()), "1536KiB");
        assert_eq!(show_size(2 << 30), "2GiB");
    }
}
