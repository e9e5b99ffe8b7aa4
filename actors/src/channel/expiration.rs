//! The `expiration` property: pure.

use leveret_protocol::{Exception, ReplyCode};

/// Ten years in milliseconds.
const LONGEST: u64 = 315_360_000_000;

/// A decimal number of milliseconds up to ten years, or the refusal that clients know.
pub(super) fn check_expiration(raw: &[u8]) -> Result<u64, Exception> {
    let text = String::from_utf8_lossy(raw);
    parse(&text).map_err(|why| {
        Exception::new(
            ReplyCode::PreconditionFailed,
            format!("invalid expiration '{text}': {why}"),
        )
    })
}

fn parse(text: &str) -> Result<u64, String> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(unsigned.len());
    let (digits, rest) = unsigned.split_at(end);
    if digits.is_empty() {
        return Err("no_integer".into());
    }
    if !rest.is_empty() {
        return Err(format!("{{leftover_string,\"{rest}\"}}"));
    }
    let significant = digits.trim_start_matches('0');
    if negative && !significant.is_empty() {
        return Err(format!("{{value_negative,-{significant}}}"));
    }
    match significant.parse::<u64>() {
        Ok(value) if value <= LONGEST => Ok(value),
        Err(_) if significant.is_empty() => Ok(0),
        _ => Err(format!("{{value_too_large,{significant}}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        check_expiration(text.as_bytes()).unwrap_err().text
    }

    #[test]
    fn milliseconds_up_to_ten_years_are_accepted() {
        assert_eq!(check_expiration(b"0"), Ok(0));
        assert_eq!(check_expiration(b"60000"), Ok(60_000));
        assert_eq!(check_expiration(b"315360000000"), Ok(LONGEST));
    }

    #[test]
    fn anything_else_is_refused_in_the_words_clients_know() {
        assert_eq!(refusal("abc"), "invalid expiration 'abc': no_integer");
        assert_eq!(refusal(""), "invalid expiration '': no_integer");
        assert_eq!(
            refusal("10x"),
            "invalid expiration '10x': {leftover_string,\"x\"}"
        );
        assert_eq!(refusal("-1"), "invalid expiration '-1': {value_negative,-1}");
        assert_eq!(
            refusal("315360000001"),
            "invalid expiration '315360000001': {value_too_large,315360000001}"
        );
        assert_eq!(
            refusal("99999999999999999999999"),
            "invalid expiration '99999999999999999999999': {value_too_large,99999999999999999999999}"
        );
    }
}
