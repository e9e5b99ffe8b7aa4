//! The patterns of `LIKE`.

use std::collections::BTreeMap;

/// The most places of a pattern: what stands between, before and after runs of `%`.
const PLACES_MAX: usize = u128::BITS as usize - 1;

/// A pattern, ready to be matched in one pass over a text, whatever the pattern: as a set of the places in it that
/// the text up to here may have come to.
#[derive(Debug)]
pub(super) struct Pattern {
    /// The places after which this character leads on.
    literal: BTreeMap<char, u128>,
    /// The places after which any character does: `_`.
    single: u128,
    /// The places at which any number of characters may stand: `%`.
    run: u128,
    /// The place at which the pattern is over.
    end: u128,
}

impl Pattern {
    /// Reads a pattern in which `escape`, if there is one, makes an ordinary character of the next.
    ///
    /// # Errors
    ///
    /// Says what the bound is when it is too long.
    pub(super) fn parse(text: &str, escape: Option<char>) -> Result<Self, String> {
        let mut pattern = Pattern {
            literal: BTreeMap::new(),
            single: 0,
            run: 0,
            end: 1,
        };
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let escaped = (Some(character) == escape).then(|| characters.next()).flatten();
            match (escaped, character) {
                (None, '%') => {
                    pattern.run |= pattern.end;
                    continue;
                }
                (None, '_') => pattern.single |= pattern.end,
                (escaped, _) => {
                    *pattern.literal.entry(escaped.unwrap_or(character)).or_default() |= pattern.end;
                }
            }
            if pattern.end.trailing_zeros() as usize == PLACES_MAX {
                return Err(format!(
                    "a pattern has more than {PLACES_MAX} characters besides '%'"
                ));
            }
            pattern.end <<= 1;
        }
        Ok(pattern)
    }

    /// Whether all of a text is like this.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut places: u128 = 1;
        for character in text.chars() {
            let literal = self.literal.get(&character).copied().unwrap_or_default();
            places = (places & self.run) | ((places & (self.single | literal)) << 1);
            if places == 0 {
                return false;
            }
        }
        places & self.end != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn like(text: &str, pattern: &str, escape: Option<char>) -> bool {
        Pattern::parse(pattern, escape).unwrap().matches(text)
    }

    #[test]
    fn a_percent_sign_is_any_text_and_an_underscore_any_character() {
        assert!(like("blue", "bl%", None));
        assert!(like("blue", "%", None) && like("", "%", None));
        assert!(like("blue", "b__e", None) && !like("blue", "b_e", None));
        assert!(like("grün", "gr_n", None) && like("a\nb", "a_b", None));
        assert!(!like("blue", "l%", None) && !like("bluer", "blue", None));
        assert!(like("'blue", "'bl%", None));
        assert!(like("", "", None) && !like("", "_", None));
        assert!(like("a.b*c", "a.b*c", None) && !like("aXb", "a.b", None));
    }

    #[test]
    fn what_is_escaped_means_itself() {
        assert!(like("b_ue", "b!_ue", Some('!')) && !like("blue", "b!_ue", Some('!')));
        assert!(like("50%", "50\\%", Some('\\')) && !like("500", "50\\%", Some('\\')));
        assert!(like("a!", "a!!", Some('!')));
        assert!(like("a!", "a!", Some('!')), "nothing is left to escape");
    }

    #[test]
    fn a_pattern_is_as_long_as_it_may_be() {
        let most = "_".repeat(PLACES_MAX);
        assert!(like(&"x".repeat(PLACES_MAX), &format!("%{most}%"), None));
        assert_eq!(
            Pattern::parse(&format!("{most}_"), None).unwrap_err(),
            "a pattern has more than 127 characters besides '%'"
        );
    }

    /// What `LIKE` means, said once more, by trying everything.
    fn means(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((&'%', pattern_rest)), rest) => {
                means(pattern_rest, text) || rest.is_some_and(|(_, text_rest)| means(pattern, text_rest))
            }
            (Some((wanted, pattern_rest)), Some((found, text_rest))) => {
                (*wanted == '_' || wanted == found) && means(pattern_rest, text_rest)
            }
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_trying_everything_finds(pattern in "[ab_%]{0,9}", text in "[ab]{0,9}") {
            let all = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(like(&text, &pattern, None), means(&all(&pattern), &all(&text)));
        }
    }
}
