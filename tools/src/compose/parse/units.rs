//! Sizes and durations, as a manifest writes them.

/// Bytes of a size such as `128MiB`, `16KiB`, `4096`.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// Microseconds of a duration such as `10ms`, `500us`, `2s`.
pub fn duration_us(text: &str) -> Option<u32> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "us" => 1,
        "ms" => 1000,
        "s" => 1_000_000,
        _ => return None,
    };
    number.checked_mul(factor)?.try_into().ok()
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let number = text[..end].replace('_', "").parse().ok()?;
    Some((number, text[end..].trim_start()))
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
        assert_eq!(size("128MiB"), Some(128 << 20));
        assert_eq!(size("16 KiB"), Some(16 << 10));
        assert_eq!(size("4_096"), Some(4096));
        for nonsense in ["", "MiB", "128MB", "12.5MiB", "-1", "99999999999999999999"] {
            assert_eq!(size(nonsense), None, "{nonsense}");
        }
        assert_eq!(duration_us("10ms"), Some(10_000));
        assert_eq!(duration_us("2s"), Some(2_000_000));
        assert_eq!(duration_us("10"), None);
        assert_eq!(duration_us("9999s"), None);
        assert_eq!(show_size(size("1536KiB").unwrap()), "1536KiB");
        assert_eq!(show_size(2 << 30), "2GiB");
    }
}
