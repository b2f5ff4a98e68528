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

#[cfg(test)]
mod tests {
    use super::*;

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
