//! From elements to blocks.

use dom_query::NodeRef;

use crate::{BlockKind, DefectKind, Place, draft::Draft, formats::csv, normalise::Lines};

/// Deeper elements are not walked: parsers nest a little deeper than tags do.
const DEPTH_MAX: usize = 600;

/// Words in classes and ids of what surrounds a page's content.
const SURROUNDINGS: &[&str] = &[
    "nav",
    "navbar",
    "navigation",
    "menu",
    "sidebar",
    "breadcrumb",
    "breadcrumbs",
    "footer",
    "cookie",
    "cookies",
    "cookie-banner",
    "consent",
    "share",
    "social",
    "advert",
    "ads",
    "ad",
    "promo",
    "related",
    "newsletter",
    "popup",
    "skip-link",
];

/// Adds what a node shows.
pub(super) fn blocks(node: &NodeRef<'_>, draft: &mut Draft<'_>) {
    let mut emitter = Emitter { words: String::new(), kind: BlockKind::Paragraph, draft, images: 0 };
    emitter.node(node, 0);
    emitter.flush();
    let images = emitter.images;
    if images > 0 {
        draft.defect(crate::Defect::new(DefectKind::ImagesNotRead, "").times(images));
    }
}

/// Elements whose content is no text of the page.
pub(super) fn is_never_shown(name: &str) -> bool {
    matches!(
        name,
        "head"
            | "script"
            | "style"
            | "template"
            | "noscript"
            | "iframe"
            | "object"
            | "embed"
            | "svg"
            | "math"
            | "select"
            | "button"
            | "input"
            | "textarea"
            | "canvas"
            | "audio"
            | "video"
            | "datalist"
    )
}

/// Whether an element surrounds the content of its page.
pub(super) fn is_surrounding(node: &NodeRef<'_>, name: &str) -> bool {
    match name {
        "nav" | "aside" | "footer" => return true,
        // The head of an article belongs to it.
        "header" => return !node.ancestors_it(None).any(|parent| parent.has_name("article") || parent.has_name("main")),
        "body" | "main" | "article" | "html" | "h1" | "p" | "td" | "tr" | "table" => return false,
        _ => {}
    }
    let role = node.attr("role").unwrap_or_default();
    if matches!(role.as_ref(), "navigation" | "banner" | "contentinfo" | "search" | "complementary" | "dialog") {
        return true;
    }
    let named = |attribute: &str| {
        let names = node.attr(attribute).unwrap_or_default().to_ascii_lowercase();
        names.split_ascii_whitespace().any(|name| SURROUNDINGS.contains(&name))
    };
    named("class") || named("id")
}

struct Emitter<'d, 'b> {
    words: String,
    kind: BlockKind,
    draft: &'d mut Draft<'b>,
    images: usize,
}

impl Emitter<'_, '_> {
    fn node(&mut self, node: &NodeRef<'_>, depth: usize) {
        if self.draft.is_full() {
            return;
        }
        if node.is_text() {
            return self.inline(&node.text());
        }
        let Some(name) = node.node_name() else { return self.children(node, depth) };
        if is_never_shown(&name) || is_surrounding(node, &name) {
            return;
        }
        match name.as_ref() {
            "br" => self.words.push('\n'),
            "img" | "picture" => self.images += usize::from(name.as_ref() == "img"),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name.as_bytes()[1] - b'0';
                self.block(node, BlockKind::Heading(level), depth);
            }
            "li" | "dd" | "dt" => self.block(node, BlockKind::ListItem, depth),
            "pre" => {
                self.flush();
                self.draft.add(BlockKind::Code, &Place::default(), &node.text());
            }
            "table" if is_of_values(node) => self.table(node),
            "td" | "th" | "p" | "div" | "section" | "article" | "main" | "header" | "ul" | "ol" | "dl" | "blockquote"
            | "figure" | "figcaption" | "table" | "tr" | "tbody" | "thead" | "tfoot" | "caption" | "form" | "fieldset"
            | "legend" | "address" | "details" | "summary" | "hr" | "center" | "body" | "html" => {
                self.block(node, BlockKind::Paragraph, depth)
            }
            _ => self.children(node, depth),
        }
    }

    fn children(&mut self, node: &NodeRef<'_>, depth: usize) {
        if depth >= DEPTH_MAX {
            return self.draft.truncated("nesting_depth_max");
        }
        for child in node.children_it(false) {
            self.node(&child, depth + 1);
        }
    }

    fn block(&mut self, node: &NodeRef<'_>, kind: BlockKind, depth: usize) {
        self.flush();
        // A paragraph within an item is still of the item.
        let outer = self.kind;
        self.kind = if kind == BlockKind::Paragraph { outer } else { kind };
        self.children(node, depth);
        self.flush();
        self.kind = outer;
    }

    /// Blanks and line ends in the source are one blank on the page.
    fn inline(&mut self, text: &str) {
        if text.starts_with(|c: char| c.is_ascii_whitespace()) && !self.words.ends_with([' ', '\n']) {
            self.words.push(' ');
        }
        for (i, word) in text.split_ascii_whitespace().enumerate() {
            if i > 0 {
                self.words.push(' ');
            }
            self.words.push_str(word);
        }
        if text.ends_with(|c: char| c.is_ascii_whitespace()) && !self.words.ends_with([' ', '\n']) {
            self.words.push(' ');
        }
    }

    fn flush(&mut self) {
        let words = std::mem::take(&mut self.words);
        self.draft.add_lines(self.kind, &Place::default(), &words, Lines::Keep);
    }

    fn table(&mut self, table: &NodeRef<'_>) {
        self.flush();
        let mut first: Option<(bool, Vec<String>)> = None;
        for (count, row) in table.descendants_it().filter(|node| node.has_name("tr")).enumerate() {
            let cells: Vec<NodeRef<'_>> =
                row.children_it(false).filter(|cell| cell.has_name("td") || cell.has_name("th")).collect();
            let all_head = !cells.is_empty() && cells.iter().all(|cell| cell.has_name("th"));
            let texts: Vec<String> = cells.iter().map(|cell| csv::one_line(&cell.text())).collect();
            if count == 0 {
                first = Some((all_head, texts));
                continue;
            }
            if let Some((all_head, head)) = first.take() {
                let named = all_head || csv::names_columns(&head, &texts);
                self.row(if named { BlockKind::TableHead } else { BlockKind::TableRow }, &head);
            }
            if !self.row(BlockKind::TableRow, &texts) {
                return;
            }
        }
        if let Some((_, only)) = first {
            self.row(BlockKind::TableRow, &only);
        }
    }

    fn row(&mut self, kind: BlockKind, cells: &[String]) -> bool {
        self.draft.add_row(kind, &Place::default(), cells)
    }
}

/// Whether a table holds values, and not the layout of a page: no tables, lists or headings in it, and more than one cell in a row.
fn is_of_values(table: &NodeRef<'_>) -> bool {
    let mut wide = false;
    for node in table.descendants_it() {
        let Some(name) = node.node_name() else { continue };
        match name.as_ref() {
            "table" | "ul" | "ol" | "h1" | "h2" | "h3" | "pre" | "form" => return false,
            "tr" => wide |= node.children_it(false).filter(|cell| cell.has_name("td") || cell.has_name("th")).count() > 1,
            _ => {}
        }
    }
    wide
}
