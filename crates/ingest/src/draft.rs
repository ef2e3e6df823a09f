//! A reading while it is being written: the one place where text grows, so the one place that bounds it.

use crate::{
    Block, BlockKind, Bounds, Carrier, Defect, DefectKind, Format, Hidden, Language, Place, Reading, Report, duplicates,
    normalise::{self, Lines, Repairs},
};

/// A reading that grows block by block.
#[derive(Debug)]
pub(crate) struct Draft<'b> {
    pub(crate) bounds: &'b Bounds,
    pub(crate) repairs: Repairs,
    /// Pages, slides or sheets that were read.
    pub(crate) pages: u32,
    text: String,
    blocks: Vec<Block>,
    hidden: Vec<Hidden>,
    hidden_bytes: usize,
    cells: usize,
    defects: Vec<Defect>,
    left_out: usize,
    full: bool,
}

impl<'b> Draft<'b> {
    /// Nothing read yet.
    pub(crate) fn new(bounds: &'b Bounds) -> Self {
        Self {
            bounds,
            repairs: Repairs::default(),
            pages: 0,
            text: String::new(),
            blocks: Vec::new(),
            hidden: Vec::new(),
            hidden_bytes: 0,
            cells: 0,
            defects: Vec::new(),
            left_out: 0,
            full: false,
        }
    }

    /// Whether a bound was reached, so that nothing more is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Adds a block whose line ends mean what they mostly do in its kind.
    pub(crate) fn add(&mut self, kind: BlockKind, place: &Place, raw: &str) {
        let lines = if kind == BlockKind::Code { Lines::Verbatim } else { Lines::Flow };
        self.add_lines(kind, place, raw, lines);
    }

    /// Adds a block, if there is anything in it.
    pub(crate) fn add_lines(&mut self, kind: BlockKind, place: &Place, raw: &str, lines: Lines) {
        if self.full {
            return;
        }
        let mut text = normalise::text(raw, lines, &mut self.repairs);
        if text.trim().is_empty() {
            return;
        }
        if self.blocks.len() >= self.bounds.blocks_max {
            return self.fill("blocks_max");
        }
        let separator = match self.blocks.last() {
            None => "",
            Some(last) if last.kind == BlockKind::ListItem && kind == BlockKind::ListItem => "\n",
            Some(last) if last.kind.is_row() && kind == BlockKind::TableRow => "\n",
            Some(_) => "\n\n",
        };
        let free = self.bounds.text_bytes_max.saturating_sub(self.text.len() + separator.len());
        if text.len() > free {
            text.truncate(text.floor_char_boundary(free));
            self.fill("text_bytes_max");
            if text.trim().is_empty() {
                return;
            }
        }
        self.text.push_str(separator);
        let start = self.text.len();
        self.text.push_str(&text);
        self.blocks.push(Block { span: start..self.text.len(), kind, place: place.clone() });
    }

    /// Adds a row of a table, if its cells fit; whether they did.
    pub(crate) fn add_row(&mut self, kind: BlockKind, place: &Place, cells: &[String]) -> bool {
        self.cells += cells.len().max(1);
        if self.cells > self.bounds.cells_max {
            self.fill("cells_max");
        }
        if self.full {
            return false;
        }
        if cells.iter().any(|cell| !cell.trim().is_empty()) {
            let mut row = String::new();
            for (i, cell) in cells.iter().enumerate() {
                if i > 0 {
                    row.push_str(" | ");
                }
                row.push_str(cell.trim());
            }
            self.add(kind, place, row.trim_end_matches([' ', '|']));
        }
        !self.full
    }

    /// Keeps text that a reader does not see.
    pub(crate) fn hide(&mut self, carrier: Carrier, place: &Place, raw: &str) {
        let mut text = normalise::text(raw, Lines::Keep, &mut Repairs::default());
        if text.is_empty() {
            return;
        }
        let free = self.bounds.hidden_bytes_max - self.hidden_bytes;
        if text.len() > free {
            text.truncate(text.floor_char_boundary(free));
            self.truncated("hidden_bytes_max");
            if text.is_empty() {
                return;
            }
        }
        self.hidden_bytes += text.len();
        self.hidden.push(Hidden { carrier, text, place: place.clone() });
    }

    /// Notes a defect.
    pub(crate) fn defect(&mut self, defect: Defect) {
        if self.defects.len() < self.bounds.defects_max {
            self.defects.push(defect);
        } else {
            self.left_out += 1;
        }
    }

    /// Notes a defect of which nothing more is to be said.
    pub(crate) fn note(&mut self, kind: DefectKind, detail: impl Into<String>) {
        self.defect(Defect::new(kind, detail));
    }

    /// Counts a page, slide or sheet; whether it may still be read.
    pub(crate) fn turn_page(&mut self) -> bool {
        if self.pages >= self.bounds.pages_max {
            self.fill("pages_max");
        }
        if !self.full {
            self.pages += 1;
        }
        !self.full
    }

    /// How much text there is.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// How many bytes of text, blanks not counted, came since it had this length.
    pub(crate) fn letters_since(&self, before: usize) -> usize {
        self.text.get(before..).unwrap_or_default().split_whitespace().map(str::len).sum()
    }

    /// Takes nothing more, because of this bound.
    pub(crate) fn fill(&mut self, bound: &str) {
        self.truncated(bound);
        self.full = true;
    }

    /// Notes once that something was left out because of a bound.
    pub(crate) fn truncated(&mut self, bound: &str) {
        let known = |defect: &Defect| defect.kind == DefectKind::Truncated && defect.detail == bound;
        if !self.full && !self.defects.iter().any(known) {
            // In front, so that it is listed however many others there are.
            self.defects.insert(0, Defect::new(DefectKind::Truncated, bound));
        }
    }

    /// The reading.
    pub(crate) fn finish(mut self, format: Format, encoding: Option<String>, source_bytes: usize) -> Reading {
        let mut last = duplicates::find(&self.text, &self.blocks);
        last.extend(self.repairs.defects());
        for carrier in [Carrier::HiddenElement, Carrier::InvisibleText, Carrier::DeletedText, Carrier::Comment] {
            // Pages are full of remarks by whatever made them.
            if carrier == Carrier::Comment && format == Format::Html {
                continue;
            }
            let count = self.hidden.iter().filter(|hidden| hidden.carrier == carrier).count();
            if count > 0 {
                let name = serde_json::to_value(carrier).ok().and_then(|name| name.as_str().map(str::to_owned));
                last.push(Defect::new(DefectKind::HiddenText, name.unwrap_or_default()).times(count));
            }
        }
        if self.blocks.is_empty() {
            last.push(Defect::new(DefectKind::NoText, ""));
        }
        // Each is one line about the whole document, so they are listed however many others there are.
        self.defects.extend(last);
        let report = Report {
            format,
            encoding,
            language: Language::detect(&self.text),
            source_bytes,
            pages: self.pages.max(1),
            characters: self.text.chars().count(),
            defects: self.defects,
            defects_left_out: self.left_out,
        };
        Reading { text: self.text, blocks: self.blocks, hidden: self.hidden, report }
    }
}
