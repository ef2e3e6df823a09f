//! Second fold: words only, one space between them, letters that look alike made one. This is what the lexicon is held against.

use super::{confusables, plain::Plain, view::View};

/// What separates two words, where it is more than a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Break {
    /// A line ends.
    Line,
    /// A cell of a table ends.
    Cell,
    /// A short line ends: of a list, a table, an address.
    Row,
    /// A sentence ends.
    Sentence,
    /// A paragraph ends.
    Paragraph,
}

/// A text after the second fold.
pub(super) struct Words {
    /// The words, over the plain text.
    pub(super) view: View,
    /// Where something ends: the place of the word that follows, in order.
    pub(super) breaks: Vec<(u32, Break)>,
    /// Places where a letter was not written as letters are written, in order.
    pub(super) odd: Vec<u32>,
}

/// Folds a plain text.
pub(super) fn fold(plain: &Plain) -> Words {
    let text = plain.view.text();
    let mut folder = Folder {
        words: Words { view: View::with_capacity(text.len()), breaks: Vec::new(), odd: Vec::new() },
        odd: plain.odd.iter().copied().peekable(),
        last: ' ',
        line: 0,
    };
    let mut at = 0;
    while at < text.len() {
        let gap = at;
        at = skip_gap(text, at);
        let word = at;
        at = skip_word(text, at);
        let keyed = names_key(text.get(word..).unwrap_or_default());
        folder.gap(text.get(gap..word).unwrap_or_default(), text.get(word..at).unwrap_or_default(), word, keyed);
        folder.word(text.get(word..at).unwrap_or_default(), word);
    }
    folder.words
}

/// Whether a character is part of a word. Signs that join Indic letters and mark kana are no letters for Unicode, but part of one.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(
            c,
            '\u{94D}' | '\u{9CD}' | '\u{A4D}' | '\u{ACD}' | '\u{B4D}' | '\u{BCD}' | '\u{C4D}' | '\u{CCD}' | '\u{D4D}'
        )
}

/// Scripts that put no spaces where a reader would need them, and Hangul, where spaces are often left out.
pub(super) fn is_dense(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}')
        || matches!(c, '\u{3005}' | '\u{20000}'..='\u{3FFFF}')
}

/// Letters that Latin alphabets have of their own.
fn is_native(c: char) -> bool {
    matches!(c, '\u{C0}'..='\u{24F}')
}

/// Where the next word begins: a word sign, or a sign that stands for a letter at a word's beginning.
fn skip_gap(text: &str, from: usize) -> usize {
    let mut before = text.get(..from).and_then(|t| t.chars().next_back()).unwrap_or(' ');
    let mut rest = text.get(from..).unwrap_or_default().char_indices().peekable();
    while let Some((i, c)) = rest.next() {
        let next = rest.peek().map_or(' ', |(_, c)| *c);
        if is_word(c) || (matches!(c, '!' | '$' | '@') && before.is_whitespace() && next.is_ascii_alphabetic()) {
            return from + i;
        }
        before = c;
    }
    text.len()
}

/// Where the word that begins there ends.
fn skip_word(text: &str, from: usize) -> usize {
    let mut rest = text.get(from..).unwrap_or_default().char_indices().peekable();
    while let Some((i, c)) = rest.next() {
        let next = rest.peek().map_or(' ', |(_, c)| *c);
        let joined = matches!(c, '!' | '$' | '@' | '€') && next.is_ascii_alphanumeric();
        if !is_word(c) && !joined {
            return from + i;
        }
    }
    text.len()
}

/// The longest name of a field.
const KEY_BYTES_MAX: usize = 40;

/// Whether a line begins with the name of a field: `Subject: ...`, `results[0].note: ...`.
fn names_key(line: &str) -> bool {
    let part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']');
    let bytes = line.as_bytes();
    let end = bytes.iter().take(KEY_BYTES_MAX).position(|b| !part(*b)).unwrap_or(0);
    end > 0 && bytes.get(end) == Some(&b':') && bytes.get(end + 1).is_some_and(u8::is_ascii_whitespace)
}

struct Folder<O: Iterator<Item = u32>> {
    words: Words,
    odd: std::iter::Peekable<O>,
    last: char,
    /// Where the line began, in the plain text.
    line: usize,
}

/// A line of prose that was broken to fit is at least this long.
const WRAPPED_LINE_BYTES_MIN: usize = 50;

impl<O: Iterator<Item = u32>> Folder<O> {
    /// What stands between two words.
    fn gap(&mut self, gap: &str, word: &str, at: usize, keyed: bool) {
        let lines = gap.bytes().filter(|b| *b == b'\n').count();
        let space = gap.contains(char::is_whitespace) || word.is_empty();
        let apart = space || is_dense(word.chars().next().unwrap_or(' '));
        let ends = gap.contains(['。', '؟', '।']) || (apart && gap.contains(['.', '!', '?', '…']));
        let kind = match (lines, ends) {
            (2.., _) => Some(Break::Paragraph),
            (_, true) => Some(Break::Sentence),
            (1, _) if keyed || self.is_row(at.saturating_sub(gap.len()), word) => Some(Break::Row),
            (1, _) => Some(Break::Line),
            _ if gap.contains('|') => Some(Break::Cell),
            _ => None,
        };
        if lines > 0 {
            self.line = at;
        }
        let first = word.chars().next().unwrap_or(' ');
        let hyphen = lines == 1 && gap.trim_end().ends_with('-') && gap.starts_with('-');
        let together = hyphen || (is_dense(self.last) && is_dense(first));
        if !together && self.last != ' ' {
            self.words.view.push(' ', at.saturating_sub(gap.len())..at);
            self.last = ' ';
        }
        if let (Some(kind), false) = (kind, hyphen) {
            self.words.breaks.push((self.place(), kind));
        }
    }

    fn word(&mut self, word: &str, at: usize) {
        let letters = word.chars().filter(char::is_ascii_alphabetic).count();
        let digits = word.chars().any(|c| confusables::leet(c).is_some());
        let leet = letters > 0 && digits && word.len() >= 3;
        for (i, c) in word.char_indices() {
            let from = at + i;
            while self.odd.next_if(|odd| (*odd as usize) <= from).is_some() {
                self.note_odd();
            }
            let meant = match confusables::leet(c) {
                Some(letter) if leet => letter,
                _ => c,
            };
            let looks = confusables::latin(meant).unwrap_or(meant);
            if meant != c || (looks != meant && letters > 0 && !is_native(meant)) {
                self.note_odd();
            }
            if is_dense(looks) != is_dense(self.last) && self.last != ' ' {
                self.words.view.push(' ', from..from);
            }
            let looks = if looks == 'l' { 'i' } else { looks };
            self.words.view.push(looks, from..from + c.len_utf8());
            self.last = looks;
        }
    }

    /// Whether the line that ends there was not broken to fit: it is short, or the next one begins with a number.
    fn is_row(&self, end: usize, next: &str) -> bool {
        end.saturating_sub(self.line) < WRAPPED_LINE_BYTES_MIN || next.starts_with(|c: char| c.is_ascii_digit())
    }

    fn note_odd(&mut self) {
        self.words.odd.push(self.place());
    }

    fn place(&self) -> u32 {
        u32::try_from(self.words.view.text().len()).unwrap_or(u32::MAX)
    }
}
