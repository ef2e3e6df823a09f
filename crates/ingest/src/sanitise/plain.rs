//! First fold: one way to write each character. Lower case, compatibility forms taken apart, marks and invisible characters
//! gone, entities and escapes undone. Punctuation and line ends stay.

use std::ops::Range;

use unicode_normalization::char::decompose_compatible;

use super::{confusables, unseen, view::View};

/// The longest entity or escape that is looked at.
const ESCAPE_BYTES_MAX: usize = 12;

/// A text after the first fold.
pub(super) struct Plain {
    /// The folded text, over the text as it came.
    pub(super) view: View,
    /// Places in the folded text where a letter was not written as letters are written.
    pub(super) odd: Vec<u32>,
}

/// Folds a text.
pub(super) fn fold(text: &str) -> Plain {
    let mut plain = Plain { view: View::with_capacity(text.len()), odd: Vec::new() };
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let len = c.len_utf8();
        match escape(text, at, c) {
            Some((meant, len)) => {
                plain.push(meant, at..at + len, meant.is_ascii_alphanumeric());
                at += len;
                continue;
            }
            None if c.is_ascii() && !c.is_ascii_control() => plain.view.push(c.to_ascii_lowercase(), at..at + len),
            None if unseen::is_unseen(c) => plain.skip(c, text, at),
            None => plain.push(c, at..at + len, false),
        }
        at += len;
    }
    plain
}

impl Plain {
    /// Appends a character, taken apart.
    fn push(&mut self, c: char, origin: Range<usize>, odd: bool) {
        if odd || is_fancy(c) {
            self.odd.push(u32::try_from(self.view.text().len()).unwrap_or(u32::MAX));
        }
        if let Some(letter) = confusables::enclosed(c) {
            self.view.push(letter, origin);
        } else if keeps_its_shape(c) {
            self.view.push(c, origin);
        } else {
            decompose_compatible(c, |part| {
                if !is_mark(part) && !unseen::is_unseen(part) {
                    part.to_lowercase().filter(|c| !is_mark(*c)).for_each(|c| self.view.push(c, origin.clone()));
                }
            });
        }
    }

    /// Leaves out a character; between letters of a word that is odd.
    fn skip(&mut self, c: char, text: &str, at: usize) {
        let before = self.view.text().chars().next_back();
        let after = text.get(at + c.len_utf8()..).and_then(|rest| rest.chars().next());
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() && !unseen::needs_joiners(c));
        if c != '\u{AD}' && inside(before) && (inside(after) || after.is_some_and(unseen::is_unseen)) {
            self.odd.push(u32::try_from(self.view.text().len()).unwrap_or(u32::MAX));
        }
    }
}

/// Syllables that are letters in their own right.
fn keeps_its_shape(c: char) -> bool {
    matches!(c, '\u{AC00}'..='\u{D7A3}' | '\u{3040}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}' | '\n' | '\r' | '\t')
}

/// Latin letters in a dress: mathematical, wide, circled.
fn is_fancy(c: char) -> bool {
    matches!(c, '\u{1D400}'..='\u{1D7FF}' | '\u{FF21}'..='\u{FF3A}' | '\u{FF41}'..='\u{FF5A}' | '\u{24B6}'..='\u{24E9}')
        || matches!(c, '\u{1F130}'..='\u{1F189}')
}

/// Marks that a word can do without: of Latin, Greek and Cyrillic, Arabic and Hebrew vowels, the Arabic tatweel, the nukta.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5C7}' | '\u{610}'..='\u{61A}')
        || matches!(c, '\u{640}' | '\u{64B}'..='\u{65F}' | '\u{670}' | '\u{6D6}'..='\u{6ED}' | '\u{93C}' | '\u{20D0}'..='\u{20FF}')
}

/// What an entity or escape at that place stands for, and how many bytes it takes.
fn escape(text: &str, at: usize, c: char) -> Option<(char, usize)> {
    if !matches!(c, '&' | '\\' | '%') {
        return None;
    }
    let rest = text.as_bytes().get(at..text.len().min(at + ESCAPE_BYTES_MAX))?;
    match c {
        '&' => entity(rest),
        '\\' => backslash(rest),
        _ => percent(rest),
    }
}

fn entity(rest: &[u8]) -> Option<(char, usize)> {
    let end = rest.iter().position(|b| *b == b';')?;
    let name = std::str::from_utf8(rest.get(1..end)?).ok()?;
    let c = match name {
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((c, end + 1))
}

fn backslash(rest: &[u8]) -> Option<(char, usize)> {
    let hex = |from: usize, to: usize| {
        let digits = std::str::from_utf8(rest.get(from..to)?).ok()?;
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    };
    match rest.get(1)? {
        b'n' | b'r' => Some(('\n', 2)),
        b't' => Some((' ', 2)),
        b'x' => Some((hex(2, 4)?, 4)),
        b'u' if rest.get(2) == Some(&b'{') => {
            let end = rest.iter().position(|b| *b == b'}')?;
            Some((hex(3, end)?, end + 1))
        }
        b'u' => Some((hex(2, 6)?, 6)),
        _ => None,
    }
}

fn percent(rest: &[u8]) -> Option<(char, usize)> {
    let byte = |n: usize| {
        let digits = rest.get(3 * n..3 * n + 3)?.strip_prefix(b"%")?;
        u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let lead = byte(0)?;
    let len = match lead {
        0x20..=0x7E => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        0x0A | 0x0D => return Some(('\n', 3)),
        _ => return None,
    };
    let bytes = (0..len).map(byte).collect::<Option<Vec<u8>>>()?;
    let c = std::str::from_utf8(&bytes).ok()?.chars().next()?;
    Some((c, 3 * len))
}
