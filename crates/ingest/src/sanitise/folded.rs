//! A text after its folds, with all that is known of it before anything is judged.

use std::ops::Range;

use super::{
    Piece,
    lexicon::{self, Concept, Hit},
    marks::Marks,
    plain::{self, Plain},
    rules,
    score::Scene,
    structure, trimmed, view,
    words::{self, Words},
};

/// From how many single letters in a row on they may be a word.
const SPACED_LETTERS_MIN: usize = 4;

/// A text after its folds.
pub(super) struct Folded {
    plain: Plain,
    words: Words,
    marks: Marks,
    /// Concepts that rules know, in order of their ends.
    pub(super) hits: Vec<Hit>,
    all_hits: Vec<Hit>,
    letter: u32,
}

impl Folded {
    /// Folds a text.
    pub(super) fn of(text: &str) -> Self {
        let plain = plain::fold(text);
        let words = words::fold(&plain);
        let all_hits = hits_of(plain.view.text(), &words);
        let hits = all_hits.iter().filter(|hit| !hit.concept.is_for_learning()).copied().collect();
        let marks = Marks::of(plain.view.text());
        let letter = letter(words.view.text());
        Self { plain, words, marks, hits, all_hits, letter }
    }

    /// What cases are weighed by.
    pub(super) fn scene<'a>(&'a self, piece: Piece<'a>) -> Scene<'a> {
        let unseen = !piece.carrier.is_seen() || piece.disguise.is_some();
        Scene {
            words: &self.words,
            plain: self.plain.view.text(),
            marks: &self.marks,
            hits: &self.hits,
            all_hits: &self.all_hits,
            letter: self.letter,
            bonus: piece.bonus,
            score_min: if unseen { rules::UNSEEN_MIN } else { rules::SEEN_MIN },
            floor: rules::FLOOR,
            effort: piece.effort,
        }
    }

    /// Where a span of the folded words stands in the text that was folded.
    pub(super) fn origin(&self, text: &str, span: Range<u32>) -> Range<usize> {
        trimmed(text, self.plain.view.origin(self.words.view.origin(span.start as usize..span.end as usize)))
    }
}

/// Bytes of a letter, in sixteenths. A sign of a dense script says more than a letter.
fn letter(words: &str) -> u32 {
    let (mut letters, mut weight) = (1_usize, 1_usize);
    for c in words.chars() {
        letters += 1;
        weight += if words::is_dense(c) { 2 } else { c.len_utf8() };
    }
    u32::try_from(16 * weight / letters).unwrap_or(16)
}

/// Concepts of words, signs and letters set apart, in order of their ends.
fn hits_of(plain: &str, words: &Words) -> Vec<Hit> {
    let mut hits = lexicon::hits(words.view.text());
    hits.extend(structure::hits(plain, &words.view));
    let joined = joined(words.view.text());
    for hit in lexicon::hits_in_joined(joined.text()) {
        let span = joined.origin(hit.start as usize..hit.end as usize);
        let at = |place| u32::try_from(place).unwrap_or(u32::MAX);
        hits.push(Hit { start: at(span.start), end: at(span.end), ..hit });
    }
    // A host's name speaks of nothing, and "dear assistant" greets no colleague.
    let holds = |concept| {
        matches!(concept, Concept::Link | Concept::Address | Concept::Tenant | Concept::Tool | Concept::Data | Concept::Output)
    };
    let mut holders: Vec<(u32, u32)> = hits.iter().filter(|h| holds(h.concept)).map(|h| (h.start, h.end)).collect();
    holders.sort_unstable();
    hits.retain(|hit| {
        let last = holders.partition_point(|(start, _)| *start <= hit.start);
        let inside = last.checked_sub(1).and_then(|i| holders.get(i)).is_some_and(|(_, end)| hit.end <= *end);
        !(inside && matches!(hit.concept, Concept::Discuss | Concept::Teach | Concept::Human | Concept::Say))
    });
    hits.sort_by_key(|hit| (hit.end, hit.start));
    hits
}

/// Runs of single letters, put together; a space between runs.
fn joined(words: &str) -> view::View {
    let mut view = view::View::default();
    let mut run: Vec<(usize, char)> = Vec::new();
    let mut at = 0;
    for word in words.split(' ').chain([""]) {
        let mut letters = word.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => run.push((at, letter)),
            _ => {
                if run.len() >= SPACED_LETTERS_MIN {
                    run.iter().for_each(|(at, c)| view.push(*c, *at..*at + c.len_utf8()));
                    view.push(' ', at..at);
                }
                run.clear();
            }
        }
        at += word.len() + 1;
    }
    view
}
