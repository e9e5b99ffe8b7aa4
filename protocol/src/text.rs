//! Cutting text to the length a short string can carry.

/// The most bytes a short string holds.
pub(crate) const SHORT_STRING_MAX: usize = 255;

/// The longest prefix of `text` of at most 255 bytes that does not cut a character in two.
pub(crate) fn short(text: &str) -> &str {
    if text.len() <= SHORT_STRING_MAX {
        return text;
    }
    let end = (0..=SHORT_STRING_MAX)
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// Like [`short`] for bytes that are text by convention only: bytes that are not UTF-8 are cut at 255.
pub(crate) fn short_bytes(bytes: &[u8]) -> &[u8] {
    let Some(head) = bytes.get(..SHORT_STRING_MAX) else {
        return bytes;
    };
    if bytes.len() == SHORT_STRING_MAX {
        return bytes;
    }
    match std::str::from_utf8(head) {
        Ok(_) => head,
        // A character cut in two leaves an error without a length; anything else was never text.
        Err(error) if error.error_len().is_none() => head.get(..error.valid_up_to()).unwrap_or(head),
        Err(_) => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_fits_is_left_alone() {
        let text = "x".repeat(255);
        assert_eq!(short(&text), text);
        assert_eq!(short_bytes(text.as_bytes()), text.as_bytes());
    }

    #[test]
    fn longer_text_is_cut_before_a_character_not_inside_it() {
        let text = format!("{}é", "x".repeat(254));
        assert_eq!(short(&text), "x".repeat(254));
        assert_eq!(short_bytes(text.as_bytes()), "x".repeat(254).as_bytes());
    }

    #[test]
    fn bytes_that_are_not_text_are_cut_at_255() {
        assert_eq!(short_bytes(&[0xff; 300]), &[0xff; 255]);
    }
}
