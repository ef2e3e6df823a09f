//! A text made from another one, which remembers where each of its bytes comes from.

use std::ops::Range;

/// A text and, for each byte, the bytes of the other text that it was made from.
#[derive(Debug, Default)]
pub(super) struct View {
    text: String,
    from: Vec<u32>,
    to: Vec<u32>,
}

impl View {
    /// An empty one with room for a text of that length.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), from: Vec::with_capacity(bytes), to: Vec::with_capacity(bytes) }
    }

    /// Appends a character that stands for those bytes. `SCAN_BYTES_MAX` keeps offsets within 32 bits.
    pub(super) fn push(&mut self, c: char, origin: Range<usize>) {
        self.text.push(c);
        let from = u32::try_from(origin.start).unwrap_or(u32::MAX);
        let to = u32::try_from(origin.end).unwrap_or(u32::MAX);
        self.from.resize(self.text.len(), from);
        self.to.resize(self.text.len(), to);
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What a span was made from.
    pub(super) fn origin(&self, span: Range<usize>) -> Range<usize> {
        let start = self.from.get(span.start).or(self.to.last()).map_or(0, |at| *at as usize);
        let last = span.end.max(span.start + 1) - 1;
        let end = self.to.get(last).or(self.to.last()).map_or(start, |at| *at as usize);
        start..end.max(start)
    }

    /// The first place here that was made from that place there or from something behind it.
    pub(super) fn place_of(&self, origin: usize) -> usize {
        self.from.partition_point(|from| (*from as usize) < origin)
    }
}
