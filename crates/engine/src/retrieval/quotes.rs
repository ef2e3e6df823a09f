//! Whether a quote stands in a passage, word for word.
//!
//! Nothing is forgiven but how things are written down: runs of white space are one space, all quotation marks are one, all hyphens are
//! one, and invisible characters are none. Letters, digits, case and punctuation must be the same. A quote begins and ends where a word
//! or a number does: `able to terminate` does not stand in `unable to terminate`, nor `5 months` in `2.5 months`, `2–5 months` or `1 005 months`
//! where a blank that breaks no line parts the number's thousands.

use std::ops::Range;

/// A shorter quote would stand anywhere: so many letters or digits it must have at least. A sign of a script that writes without spaces counts
/// as two.
const LETTERS_MIN: usize = 4;

/// A text as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plain {
    chars: Vec<char>,
    /// Where each stands in the text that it came from, in bytes.
    places: Vec<Range<usize>>,
    /// Whether each is a blank that parts no words: one that breaks no line, or is narrow, as they stand within numbers.
    tight: Vec<bool>,
}

impl Plain {
    /// The text as it is compared.
    pub fn of(text: &str) -> Self {
        let mut plain = Self {
            chars: Vec::with_capacity(text.len()),
            places: Vec::with_capacity(text.len()),
            tight: Vec::with_capacity(text.len()),
        };
        for (at, c) in text.char_indices() {
            plain.push(c, at..at + c.len_utf8());
        }
        plain
    }

    fn push(&mut self, c: char, place: Range<usize>) {
        let is_tight = matches!(c, '\u{a0}' | '\u{2007}'..='\u{200a}' | '\u{202f}');
        let c = match c {
            c if c.is_whitespace() => {
                // One for all that follow each other.
                if let (Some(' '), Some(last), Some(tight)) = (self.chars.last(), self.places.last_mut(), self.tight.last_mut())
                {
                    last.end = place.end;
                    *tight &= is_tight;
                    return;
                }
                ' '
            }
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => return,
            '\u{201c}'..='\u{201f}' | '«' | '»' | '″' | '〝' | '〞' | '＂' => '"',
            '\u{2018}'..='\u{201b}' | '‹' | '›' | '′' | '＇' | '`' | '´' => '\'',
            '\u{2010}' | '\u{2011}' | '−' => '-',
            c => c,
        };
        // Brackets are told apart for the model (`[ [`): for the comparison they are not.
        if matches!(c, '[' | ']' | '<') && self.chars.ends_with(&[c, ' ']) {
            self.chars.pop();
            self.places.pop();
            self.tight.pop();
        }
        self.chars.push(c);
        self.places.push(place);
        self.tight.push(is_tight);
    }

    /// Where a quote stands in this text, in bytes of the text that this is of.
    pub fn find(&self, quote: &Self) -> Option<Range<usize>> {
        let wanted = quote.core();
        let length = wanted.len();
        if length == 0 || weight(wanted) < LETTERS_MIN {
            return None;
        }
        let at = occurrences(&self.chars, wanted)
            .find(|at| self.begins_at(*at, wanted[0]) && self.ends_at(at + length, wanted[length - 1]))?;
        Some(self.places[at].start..self.places[at + length - 1].end)
    }

    /// A quote without what is around it: blanks, its marks, dots for what is left out.
    fn core(&self) -> &[char] {
        let mut core = &self.chars[..];
        loop {
            let before = core.len();
            core = strip(core, |c| c == ' ' || c == '"' || c == '…');
            if core.starts_with(&['.', '.', '.']) {
                core = &core[3..];
            }
            if core.ends_with(&['.', '.', '.']) {
                core = &core[..core.len() - 3];
            }
            if core.len() == before {
                return core;
            }
        }
    }

    /// Whether a word or number may begin here with this character.
    fn begins_at(&self, at: usize, first: char) -> bool {
        let before = |back: usize| at.checked_sub(back).map(|place| self.chars[place]);
        match before(1) {
            Some(c) if joins(c, first) => false,
            Some('.' | ',' | '\'') if first.is_numeric() => !before(2).is_some_and(char::is_numeric),
            Some(' ') if first.is_numeric() && self.tight[at - 1] => !before(2).is_some_and(char::is_numeric),
            // A range, or a sign of less than nothing.
            Some('–' | '‒') if first.is_numeric() => false,
            Some('-') if first.is_numeric() => before(2).is_some_and(|c| !c.is_whitespace() && c != '('),
            _ => true,
        }
    }

    fn is_number(&self, at: usize) -> bool {
        self.chars.get(at).is_some_and(|c| c.is_numeric())
    }

    /// Whether one may end before this place with this character.
    fn ends_at(&self, at: usize, last: char) -> bool {
        match self.chars.get(at) {
            Some(c) if joins(last, *c) => false,
            Some('.' | ',' | '\'' | '–' | '‒') if last.is_numeric() => !self.is_number(at + 1),
            Some(' ') if last.is_numeric() && self.tight[at] => !self.is_number(at + 1),
            _ => true,
        }
    }
}

/// Where a text holds another, from the first place on: in time that grows with both together, however they repeat themselves (Knuth, Morris
/// and Pratt).
fn occurrences<'t>(text: &'t [char], wanted: &'t [char]) -> impl Iterator<Item = usize> + 't {
    // How much of each beginning of `wanted` ends with another one.
    let mut borders = vec![0; wanted.len()];
    let mut length = 0;
    for at in 1..wanted.len() {
        while length > 0 && wanted[at] != wanted[length] {
            length = borders[length - 1];
        }
        length += usize::from(wanted[at] == wanted[length]);
        borders[at] = length;
    }
    let mut found = 0;
    text.iter().enumerate().filter_map(move |(at, c)| {
        while found > 0 && wanted.get(found) != Some(c) {
            found = borders[found - 1];
        }
        found += usize::from(wanted.get(found) == Some(c));
        (found == wanted.len()).then(|| at + 1 - found)
    })
}

fn strip(mut text: &[char], is_around: impl Fn(char) -> bool) -> &[char] {
    while let [first, rest @ ..] = text
        && is_around(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_around(*last)
    {
        text = rest;
    }
    text
}

/// Whether two neighbours are of one word or number.
fn joins(one: char, other: char) -> bool {
    one.is_alphanumeric() && other.is_alphanumeric() && !is_unspaced(one) && !is_unspaced(other)
}

/// Whether a character is of a script that does not part its words: Thai, Lao, Burmese, Khmer, Chinese, Japanese.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn weight(text: &[char]) -> usize {
    let of = |c: &char| match c {
        c if is_unspaced(*c) => 2,
        c => usize::from(c.is_alphanumeric()),
    };
    text.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'t>(text: &'t str, quote: &str) -> Option<&'t str> {
        Plain::of(text).find(&Plain::of(quote)).map(|place| &text[place])
    }

    const LEASE: &str =
        "Tenants are unable to terminate early.  The deposit of 2.5 months\nis “returned” within 30 days; it costs 1,250 EUR.";

    #[test]
    fn what_stands_there_is_found() {
        for (quote, stands) in [
            ("Tenants are unable to terminate early.", "Tenants are unable to terminate early."),
            ("early. The deposit", "early.  The deposit"),
            ("2.5 months is \"returned\" within", "2.5 months\nis “returned” within"),
            ("…it costs 1,250 EUR...", "it costs 1,250 EUR"),
            ("  „within 30 days“ ", "within 30 days"),
        ] {
            assert_eq!(found(LEASE, quote), Some(stands), "{quote}");
        }
    }

    #[test]
    fn what_does_not_is_not() {
        for quote in [
            "",
            "…",
            "a",
            "of",
            "Tenants are able to terminate early.",
            "able to terminate early",
            "tenants are unable",
            "5 months",
            "The deposit of 2",
            "it costs 1",
            "250 EUR",
            "within 30 days, it costs",
            "returned within 3",
            "Tenants are unable to terminate early!",
        ] {
            assert_eq!(found(LEASE, quote), None, "{quote}");
        }
        assert_eq!(found("it is -5 degrees", "5 degrees"), None);
        assert_eq!(found("pages 3-5 of it", "5 of it"), Some("5 of it"));
    }

    #[test]
    fn no_quote_begins_or_ends_within_a_number() {
        for text in [
            "costs 1\u{a0}250 EUR a year",
            "costs 1\u{202f}250 EUR a year",
            "costs 1\u{2009}250 EUR a year",
            "costs 1'250 EUR a year",
            "costs 1’250 EUR a year",
            "costs 1–250 EUR a year",
        ] {
            for quote in ["250 EUR a year", "costs 1"] {
                assert_eq!(found(text, quote), None, "{quote} in {text}");
            }
            assert_eq!(found(text, text), Some(text));
        }
        assert_eq!(found("it is –250 degrees there", "250 degrees there"), None);
        assert_eq!(found("in May\u{a0}250 EUR are due", "250 EUR are due"), Some("250 EUR are due"));
        assert_eq!(found("called '250 EUR' there", "250 EUR"), Some("250 EUR"));
        assert_eq!(found("costs 1\u{a0}250 EUR a year", "costs 1 250 EUR"), Some("costs 1\u{a0}250 EUR"));
    }

    #[test]
    fn texts_that_repeat_themselves_are_searched_once() {
        let text = format!("{}b{}", "啊".repeat(20_000), "啊".repeat(20_000));
        let quote = format!("{}b啊", "啊".repeat(1_000));
        assert_eq!(found(&text, &quote).map(str::len), Some(quote.len()));
        assert_eq!(occurrences(&['a', 'a', 'b', 'a', 'a', 'a'], &['a', 'a']).collect::<Vec<_>>(), [0, 3, 4]);
        assert_eq!(found("it is not so it is so here", "so here"), Some("so here"));
    }

    #[test]
    fn scripts_without_spaces_have_no_edges() {
        let text = "押金在两个月内退还。La caution est rendue à l’automne. ค่ามัดจำจะคืนภายในสองเดือน";
        assert_eq!(found(text, "两个月内退还"), Some("两个月内退还"));
        assert_eq!(found(text, "三个月内退还"), None);
        assert_eq!(found(text, "rendue à l'automne"), Some("rendue à l’automne"));
        assert_eq!(found(text, "คืนภายในสองเดือน"), Some("คืนภายในสองเดือน"));
    }

    #[test]
    fn brackets_are_the_same_as_the_model_sees_them() {
        assert_eq!(found("see [[Page]] there", "see [ [Page] ] there"), Some("see [[Page]] there"));
    }

    proptest! {
        #[test]
        fn whole_words_of_a_text_are_found(words in prop::collection::vec("[a-zäöü语]{4,9}", 1..12), from in 0_usize..12, count in 1_usize..6) {
            let text = words.join(" ");
            let from = from % words.len();
            let quote = words[from..(from + count).min(words.len())].join("  ");
            prop_assert!(found(&text, &quote).is_some());
            // One word more than there is stands nowhere.
            let altered = format!("{quote} 0000");
            prop_assert!(found(&text, &altered).is_none());
        }
    }
}
