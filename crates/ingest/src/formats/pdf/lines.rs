//! From letters and where they stand to lines.

use pdf_extract::{MediaBox, OutputDev, OutputError, Transform};

/// Letters smaller than this many points cannot be read.
const SIZE_POINTS_MIN: f64 = 1.5;
/// So far beyond the edge a letter may begin.
const EDGE_POINTS: f64 = 10.0;

/// A page while and after it is read.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) number: u32,
    pub(super) lines: Vec<Line>,
    /// Where its lower edge is, in points; 0 where it is not known.
    pub(super) bottom: f64,
    /// How high it is, in points; 0 where it is not known.
    pub(super) height: f64,
    /// Letters that are too small to be read, or off the page.
    pub(super) unseen: String,
    /// Nothing could be read of it.
    pub(super) broken: bool,
}

/// Letters on one height, as they come along.
#[derive(Debug, Default, Clone)]
pub(super) struct Line {
    pub(super) text: String,
    /// Height from the bottom, in points.
    pub(super) y: f64,
    /// Size of the letters, in points.
    pub(super) size: f64,
}

impl Page {
    /// A page of which only the text is known.
    pub(super) fn plain(number: u32, text: &str) -> Self {
        let lines = text.lines().map(|line| Line { text: line.to_owned(), ..Line::default() }).collect();
        Self { number, lines, ..Self::default() }
    }

    /// All its text.
    pub(super) fn all(&self) -> String {
        let lines = self.lines.iter().map(|line| line.text.as_str()).chain([self.unseen.as_str()]);
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Collects the letters of pages.
pub(super) struct Pages {
    pages: Vec<Page>,
    sides: [f64; 4],
    bytes: usize,
    bytes_max: usize,
    pages_max: usize,
    begins_word: bool,
    unseen_before: bool,
    last_end: f64,
}

impl Pages {
    /// Collects so much and no more.
    pub(super) fn new(bytes_max: usize, pages_max: usize) -> Self {
        Self {
            pages: Vec::new(),
            sides: [0.0; 4],
            bytes: 0,
            bytes_max,
            pages_max,
            begins_word: false,
            unseen_before: false,
            last_end: 0.0,
        }
    }

    /// Whether there was more.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > self.bytes_max
    }

    /// What was collected.
    pub(super) fn finish(self) -> Vec<Page> {
        self.pages
    }

    fn is_seen(&self, x: f64, y: f64, size: f64) -> bool {
        let [left, bottom, right, top] = self.sides;
        let inside = x >= left - EDGE_POINTS && x <= right + EDGE_POINTS && y >= bottom - EDGE_POINTS && y <= top + EDGE_POINTS;
        size >= SIZE_POINTS_MIN && inside
    }
}

impl OutputDev for Pages {
    fn begin_page(&mut self, number: u32, sides: &MediaBox, _: Option<(f64, f64, f64, f64)>) -> Result<(), OutputError> {
        if self.pages.len() >= self.pages_max {
            return Err(stop());
        }
        self.sides = [sides.llx.min(sides.urx), sides.lly.min(sides.ury), sides.llx.max(sides.urx), sides.lly.max(sides.ury)];
        let [_, bottom, _, top] = self.sides;
        self.pages.push(Page { number, bottom, height: top - bottom, ..Page::default() });
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn output_character(
        &mut self,
        at: &Transform,
        width: f64,
        _: f64,
        font_size: f64,
        letters: &str,
    ) -> Result<(), OutputError> {
        self.bytes += letters.len();
        if self.is_full() {
            return Err(stop());
        }
        let (x, y) = (at.m31, at.m32);
        // The side of a square as large as what the letter's box becomes.
        let size = ((at.m11 * at.m22 - at.m12 * at.m21).abs().sqrt() * font_size).abs();
        let seen = self.is_seen(x, y, size);
        let begins_word = std::mem::take(&mut self.begins_word);
        let last_end = std::mem::replace(&mut self.last_end, x + width * size);
        let Some(page) = self.pages.last_mut() else { return Ok(()) };
        if !seen {
            if !std::mem::replace(&mut self.unseen_before, true) && !page.unseen.is_empty() {
                page.unseen.push('\n');
            }
            page.unseen.push_str(letters);
            return Ok(());
        }
        self.unseen_before = false;
        match page.lines.last_mut() {
            Some(line) if (line.y - y).abs() <= size.max(line.size) * 0.5 && x > last_end - size * 2.0 => {
                let apart = begins_word && x > last_end + size * 0.15;
                if apart && !line.text.ends_with(' ') && !letters.starts_with(' ') {
                    line.text.push(' ');
                }
                line.text.push_str(letters);
            }
            _ => page.lines.push(Line { text: letters.to_owned(), y, size }),
        }
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.begins_word = true;
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

/// Ends the reading; what was collected stays.
fn stop() -> OutputError {
    OutputError::FormatError(std::fmt::Error)
}
