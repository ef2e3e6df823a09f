//! What a page is about, among all that stands around it.

use dom_query::{Document, NodeRef};
use dom_smoothie::Readability;

use super::emit;
use crate::{Defect, DefectKind, draft::Draft};

/// A larger page is read whole: looking for its content would take too long.
const WEIGHED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Fewer letters are a separator or an arrow.
const LEFT_OUT_LETTERS_MIN: usize = 20;
/// So many of a hundred letters of prose must be within what is taken for the content.
const CONTENT_PERCENT_MIN: usize = 70;
/// A page that marks its own content is believed more readily.
const MARKED_PERCENT_MIN: usize = 40;

/// Reads the content: what the page itself marks as such; else what looks like it, if hardly any prose is lost; else everything
/// but the surroundings.
pub(super) fn read(document: Document, draft: &mut Draft<'_>) {
    let whole = letters(&document.root(), true);
    let prose = letters(&document.root(), false);
    let before = draft.len();
    if let Some(marked) = marked(&document, prose) {
        headline(&document, &marked, draft);
        emit::blocks(&marked, draft);
    } else if let Some(article) = article(&document, prose) {
        emit::blocks(&article.root(), draft);
    } else {
        emit::blocks(&document.root(), draft);
    }
    let read = draft.letters_since(before);
    if whole > read + LEFT_OUT_LETTERS_MIN {
        draft.defect(Defect::new(DefectKind::BoilerplateLeftOut, format!("about {} letters", whole - read)));
    }
}

/// The element that the page marks as its content.
fn marked<'a>(document: &'a Document, prose: usize) -> Option<NodeRef<'a>> {
    for selector in ["main", "[role=main]", "article"] {
        let selection = document.select(selector);
        if let [only] = selection.nodes()
            && letters(only, false) * 100 >= prose * MARKED_PERCENT_MIN
        {
            return Some(*only);
        }
    }
    None
}

/// The page's heading often stands before its content.
fn headline(document: &Document, content: &NodeRef<'_>, draft: &mut Draft<'_>) {
    let headings = document.select("h1");
    let inside = content.descendants_it().any(|node| node.has_name("h1"));
    if let [only] = headings.nodes()
        && !inside
    {
        emit::blocks(only, draft);
    }
}

/// What looks like the content by the density of its text.
fn article(document: &Document, prose: usize) -> Option<Document> {
    let surroundings = ["nav", "header", "footer", "aside"].iter().any(|name| !document.select(name).is_empty());
    let links = document.select("a").length();
    // Without surroundings there is nothing to be told apart.
    if (!surroundings && links < 5) || document.html().len() > WEIGHED_BYTES_MAX {
        return None;
    }
    let article = Readability::with_document(document.clone(), None, None).ok()?.parse().ok()?;
    let content = Document::from(article.content);
    (letters(&content.root(), false) * 100 >= prose * CONTENT_PERCENT_MIN).then_some(content)
}

/// How many letters stand in a node: all of them, or those of its prose, which is neither links nor surroundings.
fn letters(node: &NodeRef<'_>, all: bool) -> usize {
    let mut count = 0;
    let mut left = vec![*node];
    while let Some(node) = left.pop() {
        if node.is_text() {
            count += node.text().split_whitespace().map(str::len).sum::<usize>();
        } else {
            let skipped = node.node_name().is_some_and(|name| {
                emit::is_never_shown(&name) || (!all && (name.as_ref() == "a" || emit::is_surrounding(&node, &name)))
            });
            if !skipped {
                left.extend(node.children_it(false));
            }
        }
    }
    count
}
