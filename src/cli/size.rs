//! Sizes in bytes with a unit: `512M`, `1GiB`.

/// Parses a size: digits and an optional unit K, M, G or T, each a power of 1024, also written
/// `KiB` or `KB`.
///
/// # Errors
///
/// A sentence that says what is allowed.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(format!("{unit:?} is no unit of size; use K, M, G or T")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "a size is a number and a unit, such as 512M or 2G".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "the size is too large".to_owned())
}

/// Parses a size for `--memory`: see [`parse_size`], and at least [`MEMORY_MIN`].
///
/// # Errors
///
/// A sentence that says what is allowed.
pub fn parse_memory(text: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if size < MEMORY_MIN {
        return Err(format!("at least {}M are needed to follow connections", MEMORY_MIN >> 20));
    }
    Ok(size)
}

/// The least ceiling for all flow state, in bytes. Below it the tables give up connections
/// that are still open in small captures, too.
pub const MEMORY_MIN: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_a_minimum_that_is_said() {
        for low in ["0", "1", "100K", "16777215", "15M"] {
            assert!(parse_memory(low).is_err_and(|error| error.contains("at least 16M")), "{low}");
        }
        assert_eq!(parse_memory("16M"), Ok(MEMORY_MIN));
        assert!(parse_memory("M").is_err_and(|error| error.contains("a number and a unit")));
    }

    #[test]
    fn sizes_have_units() {
        let check = |text, expect| assert_eq!(parse_size(text).ok(), expect, "{text}");
        check("0", Some(0));
        check("512M", Some(512 << 20));
        check("1GiB", Some(1 << 30));
        check("2 gb", Some(2 << 30));
        check("", None);
        check("M", None);
        check("-1", None);
        check("1.5G", None);
        check("10X", None);
        check("99999999999T", None);
    }
}
