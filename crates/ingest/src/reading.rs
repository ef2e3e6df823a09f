//! What was read of a document.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::Report;

/// What was handed in.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The name of the file; its ending says what it claims to be.
    pub name: &'a str,
    /// The media type that came with it, which is another claim.
    pub media_type: Option<&'a str>,
    /// The document.
    pub bytes: &'a [u8],
}

/// Normalised text in blocks, and what was found on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What a reader of the document sees, as Unicode in composed form, lines ended by `\n`, blocks set apart.
    pub text: String,
    /// The parts of the text, in its order; they do not overlap.
    pub blocks: Vec<Block>,
    /// What a reader of the document does not see.
    pub hidden: Vec<Hidden>,
    /// What was read, what was not, and why.
    pub report: Report,
}

/// A part of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Where it stands, in bytes of [`Reading::text`].
    pub span: Range<usize>,
    /// What it is.
    pub kind: BlockKind,
    /// Where it stood in the document.
    pub place: Place,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// A heading and its level, 1 to 6.
    Heading(u8),
    /// Running text.
    Paragraph,
    /// An item of a list.
    ListItem,
    /// The row of a table that names its columns; cells are set apart by ` | `.
    TableHead,
    /// A row of a table.
    TableRow,
    /// Text whose blanks and line ends matter.
    Code,
    /// What one person said.
    Utterance,
}

impl BlockKind {
    /// Whether it belongs to a table.
    pub fn is_row(self) -> bool {
        matches!(self, Self::TableHead | Self::TableRow)
    }
}

/// Where a block stood in the document, as far as its format tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The page, from 1.
    pub page: Option<u32>,
    /// The slide, from 1.
    pub slide: Option<u32>,
    /// The name of the sheet.
    pub sheet: Option<Arc<str>>,
    /// The row of its sheet or file, from 1.
    pub row: Option<u32>,
    /// Who speaks.
    pub speaker: Option<Arc<str>>,
    /// When it is said, from the beginning.
    pub time_ms: Option<u64>,
}

impl Place {
    /// A place on a page.
    pub fn page(page: u32) -> Self {
        Self { page: Some(page), ..Self::default() }
    }

    /// A place on a slide.
    pub fn slide(slide: u32) -> Self {
        Self { slide: Some(slide), ..Self::default() }
    }
}

/// `page 3`, `sheet Costs, row 7`, `Ada, 00:01:05`; nothing where nothing is known.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.page.map(|page| format!("page {page}")));
        parts.extend(self.slide.map(|slide| format!("slide {slide}")));
        parts.extend(self.sheet.as_ref().map(|sheet| format!("sheet {sheet}")));
        parts.extend(self.row.map(|row| format!("row {row}")));
        parts.extend(self.speaker.as_ref().map(ToString::to_string));
        parts.extend(self.time_ms.map(|ms| {
            let seconds = ms / 1000;
            format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
        }));
        f.write_str(&parts.join(", "))
    }
}

/// Text that a reader of the document would not see. It is no part of [`Reading::text`], but may carry instructions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// What carried it.
    pub carrier: Carrier,
    /// The text, normalised like all text.
    pub text: String,
    /// Where it stood.
    pub place: Place,
}

/// What carries text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// The visible text.
    Text,
    /// Properties of the document: title, author, keywords, `meta`, headers of a letter.
    Metadata,
    /// A comment, a reviewer's remark, notes to a slide.
    Comment,
    /// What stands for an image.
    AltText,
    /// An element that is not shown, a hidden sheet, slide, row or column.
    HiddenElement,
    /// Of the colour of its ground, without ink, too small to be read, or off the page.
    InvisibleText,
    /// Deleted, and kept as a tracked change.
    DeletedText,
    /// A script, a style sheet or a data island.
    Script,
}

impl Carrier {
    /// Whether a reader of the document sees what is carried there. What nobody sees has no good reason to give orders.
    pub fn is_seen(self) -> bool {
        self == Carrier::Text
    }
}
