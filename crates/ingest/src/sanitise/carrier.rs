//! Where a text was found, and whether a reader looks there. Stands in for the reading's own `Carrier` until both are one crate.

/// What carries text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// Whether a reader of the document sees what is carried there. What nobody sees has no good reason to give orders.
pub(super) fn is_seen(carrier: Carrier) -> bool {
    carrier == Carrier::Text
}
