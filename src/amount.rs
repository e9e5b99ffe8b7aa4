//! Amounts of memory or disk as people write them: in bytes, or as a share of what there is.

use std::fmt;
use std::str::FromStr;

use bytesize::ByteSize;

/// An amount of memory or of disk space.
///
/// ```
/// use leveret::Amount;
///
/// assert_eq!("2GiB".parse(), Ok(Amount::Bytes(2 << 30)));
/// assert_eq!("512MB".parse(), Ok(Amount::Bytes(512_000_000)));
/// assert_eq!("40%".parse(), Ok(Amount::Percent(40)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// This many bytes.
    Bytes(u64),
    /// This share of all there is, in percent, 0 to 100.
    Percent(u8),
}

impl Amount {
    /// The bytes meant when there are `total`.
    pub fn of(self, total: u64) -> u64 {
        match self {
            Amount::Bytes(bytes) => bytes,
            // Whole percents first: no total is so small that the rest counts, and none so large that this overflows.
            Amount::Percent(percent) => total / 100 * u64::from(percent),
        }
    }
}

impl FromStr for Amount {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let text = text.trim();
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.trim_end().parse().ok();
                percent.filter(|percent| *percent <= 100).map(Amount::Percent)
            }
            None => text.parse().ok().map(|ByteSize(bytes)| Amount::Bytes(bytes)),
        }
        .ok_or(NoAmount)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Bytes(bytes) => write!(f, "{}", ByteSize(*bytes)),
            Amount::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// A text that is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected bytes, such as 2GiB, 512MB or 1073741824, or a share, such as 40%")]
pub struct NoAmount;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_binary_and_decimal_units_and_without() {
        for (text, bytes) in [
            ("2GiB", 2 << 30),
            ("512MB", 512_000_000),
            ("1.5 KiB", 1536),
            ("1073741824", 1 << 30),
            ("0", 0),
        ] {
            assert_eq!(text.parse(), Ok(Amount::Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn a_share_is_of_what_there_is() {
        assert_eq!("40%".parse(), Ok(Amount::Percent(40)));
        assert_eq!(Amount::Percent(40).of(1000), 400);
        assert_eq!(Amount::Percent(100).of(u64::MAX), u64::MAX / 100 * 100);
        assert_eq!(Amount::Bytes(7).of(1000), 7);
    }

    #[test]
    fn what_is_no_amount_is_told_with_an_example() {
        for text in ["", "much", "101%", "-1", "4 apples", "40 %%"] {
            let refused = text.parse::<Amount>().unwrap_err().to_string();
            assert!(refused.contains("2GiB") && refused.contains("40%"), "{text}");
        }
    }
}
