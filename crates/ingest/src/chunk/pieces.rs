//! The smallest parts that a chunk is made of.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::{Block, BlockKind, Place};

/// A sentence, a row, or as much of one as a chunk may hold.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) span: Range<usize>,
    pub(super) characters: usize,
    pub(super) is_heading: bool,
    pub(super) is_row: bool,
    pub(super) lead: Vec<Range<usize>>,
    pub(super) place: Place,
}

/// The pieces of a block: its sentences, or its lines where they matter; longer ones are cut between words, or else characters.
pub(super) fn of(text: &str, block: &Block, characters_max: usize) -> Vec<Piece> {
    let Some(words) = text.get(block.span.clone()) else { return Vec::new() };
    let parts: Vec<(usize, &str)> = match block.kind {
        BlockKind::Code => lines(words),
        BlockKind::TableRow | BlockKind::TableHead | BlockKind::Heading(_) => vec![(0, words)],
        _ => words.split_sentence_bound_indices().collect(),
    };
    let mut pieces = Vec::new();
    for (at, part) in parts {
        let trimmed = part.trim_end();
        if !trimmed.is_empty() {
            cut(block.span.start + at, trimmed, characters_max.max(1), |span, characters| {
                // Between words that fill a chunk each, blanks are left over.
                if text[span.clone()].trim().is_empty() {
                    return;
                }
                pieces.push(Piece {
                    span,
                    characters,
                    is_heading: matches!(block.kind, BlockKind::Heading(_)),
                    is_row: block.kind.is_row(),
                    lead: Vec::new(),
                    place: block.place.clone(),
                });
            });
        }
    }
    pieces
}

fn lines(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        lines.push((at, line));
        at += line.len();
    }
    lines
}

/// Cuts a part that is too long; `found` is told where each piece stands and how many characters it has.
fn cut(start: usize, part: &str, characters_max: usize, mut found: impl FnMut(Range<usize>, usize)) {
    let mut begin = 0;
    let mut end = 0;
    let mut characters = 0;
    for (at, word) in part.split_word_bound_indices() {
        let length = word.chars().count();
        if characters + length > characters_max && characters > 0 {
            found(start + begin..start + end, characters);
            begin = at;
            characters = 0;
        }
        end = at + word.len();
        characters += length;
        // A word longer than a chunk, such as a picture in letters.
        while characters > characters_max {
            let taken = part[begin..end].char_indices().nth(characters_max).map_or(end - begin, |(taken, _)| taken);
            found(start + begin..start + begin + taken, characters_max);
            begin += taken;
            characters -= characters_max;
        }
    }
    if characters > 0 {
        found(start + begin..start + part.len(), characters);
    }
}
