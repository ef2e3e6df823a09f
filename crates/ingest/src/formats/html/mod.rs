//! Pages of the web: the main content as text, what is not shown as hidden, and a word on what was left out.

mod emit;
mod hidden;
mod main_content;
mod nesting;
mod style;

use dom_query::Document;

use crate::{DefectKind, draft::Draft};

/// Reads a page.
pub(crate) fn read(page: &str, draft: &mut Draft<'_>) {
    let page = bounded(page, draft);
    let document = Document::from(page);
    hidden::take_out(&document, draft);
    main_content::read(document, draft);
    if !page.to_ascii_lowercase().contains("</html") && page.to_ascii_lowercase().contains("<html") {
        draft.note(DefectKind::CutOff, "the page is never closed");
    }
}

/// Reads a piece of a page, all of it.
pub(crate) fn fragment(piece: &str, draft: &mut Draft<'_>) {
    let document = Document::from(bounded(piece, draft));
    hidden::take_out(&document, draft);
    emit::blocks(&document.root(), draft);
}

/// Keeps only what the page does not show.
pub(crate) fn hidden_only(page: &str, draft: &mut Draft<'_>) {
    hidden::take_out(&Document::from(bounded(page, draft)), draft);
}

/// The page up to where its elements lie too deep within each other: parsers take quadratic time for those.
fn bounded<'a>(page: &'a str, draft: &mut Draft<'_>) -> &'a str {
    match nesting::too_deep(page, draft.bounds.nesting_depth_max) {
        Some(at) => {
            draft.truncated("nesting_depth_max");
            &page[..at]
        }
        None => page,
    }
}

#[cfg(test)]
mod tests;
