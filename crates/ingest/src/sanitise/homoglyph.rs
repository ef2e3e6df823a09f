//! Words in Latin letters of which some are not.

use std::ops::Range;

use super::confusables::passes_for_latin;

/// From this many letters on a mixed word is no unit or formula.
const WORD_LETTERS_MIN: usize = 4;
/// The longest word that is looked at.
const WORD_BYTES_MAX: usize = 256;

/// Finds words that pass for Latin ones and are none: each letter that is not Latin looks like a Latin one. Where most of the text is in
/// other letters, a word has to be Latin for the most part, and one that merely changes script in the middle (a foreign name with an
/// ending) is left alone.
pub(super) fn words(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut latin, mut others) = (0_usize, 0_usize);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        *(if is_latin(c) { &mut latin } else { &mut others }) += 1;
    }
    let among_latin = latin > 4 * others;
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_alphabetic(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                start = None;
                if text.get(from..at).is_some_and(|word| is_mixed(word, among_latin)) {
                    found.push(from..at);
                }
            }
            _ => {}
        }
    }
    found
}

fn is_latin(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}')
}

fn is_mixed(word: &str, among_latin: bool) -> bool {
    if word.is_ascii() || word.len() > WORD_BYTES_MAX {
        return false;
    }
    let (mut latin, mut others, mut switches, mut letters) = (0, 0, 0, 0);
    let mut last = None;
    for c in word.chars() {
        let is_latin = is_latin(c);
        if !is_latin && !passes_for_latin(c) {
            return false;
        }
        letters += 1;
        latin += usize::from(is_latin);
        others += usize::from(!is_latin);
        switches += usize::from(last.is_some_and(|last| last != is_latin));
        last = Some(is_latin);
    }
    let mixed = letters >= WORD_LETTERS_MIN && others > 0 && latin > 0;
    mixed && (among_latin || (latin >= others && (switches >= 2 || others == 1)))
}
