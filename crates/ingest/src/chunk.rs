//! Pieces of a text that are found on their own: whole blocks where they fit, whole sentences where they do not.

mod pieces;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{BlockKind, Place, Reading};
use pieces::Piece;

/// How text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSettings {
    /// Characters of a chunk, without its lead. Four are about a token of Western text.
    pub characters_max: usize,
    /// Characters at the end of a chunk that are said again at the beginning of the next, in whole sentences.
    pub overlap_characters_max: usize,
    /// Characters of a lead: headings and the names of columns.
    pub lead_characters_max: usize,
}

impl Default for ChunkSettings {
    fn default() -> Self {
        Self { characters_max: 1_600, overlap_characters_max: 200, lead_characters_max: 300 }
    }
}

/// A piece of a reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Where it stands, in bytes of [`Reading::text`]: what a citation is checked against.
    pub span: Range<usize>,
    /// What it is to be read with and does not hold itself: the headings above it, and the row that names its columns.
    pub lead: Vec<Range<usize>>,
    /// Where it begins in the document.
    pub place: Place,
}

impl Chunk {
    /// Its lead and itself, as it is searched and shown to a model.
    ///
    /// Nothing where the spans are not of this text.
    pub fn text(&self, text: &str) -> String {
        let parts = self.lead.iter().chain([&self.span]).filter_map(|span| text.get(span.clone()));
        parts.collect::<Vec<_>>().join("\n")
    }
}

/// Cuts a reading. Every word of it is in a chunk; no chunk begins or ends within a character, or, where that fits, within a
/// sentence. Headings stay with what follows; a table is cut between its rows.
pub fn chunks(reading: &Reading, settings: &ChunkSettings) -> Vec<Chunk> {
    let mut cutter =
        Cutter { text: &reading.text, settings, chunks: Vec::new(), open: Vec::new(), characters: 0, fresh: false };
    let mut headings: Vec<(u8, Range<usize>)> = Vec::new();
    let mut columns: Option<Range<usize>> = None;
    let mut last: Option<BlockKind> = None;
    for block in &reading.blocks {
        if let BlockKind::Heading(level) = block.kind {
            headings.retain(|(above, _)| *above < level);
        }
        if block.kind == BlockKind::TableHead || !block.kind.is_row() {
            columns = None;
        }
        let lead = cutter.lead(&headings, columns.as_ref());
        // Another page, slide or sheet begins a chunk only with a heading; but what is in rows and what is not are kept apart.
        let other = last.is_some_and(|last| last.is_row() != block.kind.is_row());
        let heading = matches!(block.kind, BlockKind::Heading(_)) && !matches!(last, Some(BlockKind::Heading(_)) | None);
        if other && !matches!(last, Some(BlockKind::Heading(_))) || heading {
            cutter.close(0);
        }
        let pieces = pieces::of(&reading.text, block, settings.characters_max);
        for piece in pieces {
            cutter.add(Piece { lead: lead.clone(), ..piece });
        }
        match block.kind {
            BlockKind::Heading(level) => headings.push((level, block.span.clone())),
            BlockKind::TableHead => columns = Some(block.span.clone()),
            _ => {}
        }
        last = Some(block.kind);
    }
    cutter.close(0);
    cutter.chunks
}

struct Cutter<'a> {
    text: &'a str,
    settings: &'a ChunkSettings,
    chunks: Vec<Chunk>,
    open: Vec<Piece>,
    characters: usize,
    /// Whether anything is open that was not in the chunk before.
    fresh: bool,
}

impl Cutter<'_> {
    fn add(&mut self, piece: Piece) {
        let gap = self.open.last().map_or(0, |last| piece.span.start.saturating_sub(last.span.end));
        if !self.open.is_empty() && self.characters + gap + piece.characters > self.settings.characters_max {
            self.cut(&piece);
        }
        self.characters += piece.characters + gap;
        self.fresh = true;
        self.open.push(piece);
    }

    /// Ends the chunk before a piece. Headings at its end go with what follows.
    fn cut(&mut self, next: &Piece) {
        let body = self.open.iter().rposition(|piece| !piece.is_heading).map_or(0, |last| last + 1);
        let moved = if body > 0 { self.open.split_off(body) } else { Vec::new() };
        let room = self
            .settings
            .characters_max
            .saturating_sub(next.characters + moved.iter().map(|piece| piece.characters + 2).sum::<usize>());
        self.close(if moved.is_empty() { room } else { 0 });
        self.characters += moved.iter().map(|piece| piece.characters + 2).sum::<usize>();
        self.fresh |= !moved.is_empty();
        self.open.extend(moved);
    }

    /// Ends the chunk, and keeps sentences of its end, at most so many characters, for the next.
    fn close(&mut self, room: usize) {
        let open = std::mem::take(&mut self.open);
        self.characters = 0;
        let (Some(first), Some(last)) = (open.first(), open.last()) else { return };
        if std::mem::take(&mut self.fresh) {
            self.chunks.push(Chunk {
                span: first.span.start..last.span.end,
                lead: first.lead.clone(),
                place: first.place.clone(),
            });
        }
        let room = room.min(self.settings.overlap_characters_max);
        let mut again = open.len();
        let mut characters = 0;
        // Never all of it: the next chunk must begin later than this one.
        while again > 1
            && !open[again - 1].is_heading
            && !open[again - 1].is_row
            && characters + open[again - 1].characters + 2 <= room
        {
            again -= 1;
            characters += open[again].characters + 2;
        }
        self.open = open.into_iter().skip(again).collect();
        self.characters = characters;
    }

    /// The headings above, the innermost first where there is no room for all, and the names of columns.
    fn lead(&self, headings: &[(u8, Range<usize>)], columns: Option<&Range<usize>>) -> Vec<Range<usize>> {
        let mut left = self.settings.lead_characters_max;
        let mut fits = |span: &Range<usize>| {
            let characters = self.text.get(span.clone()).map_or(usize::MAX, |text| text.chars().count());
            let fits = characters <= left;
            left = left.saturating_sub(characters);
            fits
        };
        let columns = columns.filter(|span| fits(span)).cloned();
        let mut lead: Vec<Range<usize>> =
            headings.iter().rev().map(|(_, span)| span).take_while(|span| fits(span)).cloned().collect();
        lead.reverse();
        lead.extend(columns);
        lead
    }
}

#[cfg(test)]
mod tests;
