//! Takes out of a page what it does not show.

use dom_query::{Document, NodeData, NodeRef};

use super::style::{self, Sheet};
use crate::{Carrier, Place, draft::Draft};

/// What `meta` says and people do not see.
const META: &[&str] = &[
    "description",
    "keywords",
    "author",
    "og:title",
    "og:description",
    "twitter:title",
    "twitter:description",
    "abstract",
    "subject",
    "summary",
    "dc.title",
    "dc.description",
    "instructions",
];
/// Data in scripts that machines read.
const DATA_SCRIPTS: &[&str] = &["application/ld+json", "application/json"];

/// Keeps what is hidden apart, and removes it from the page.
pub(super) fn take_out(document: &Document, draft: &mut Draft<'_>) {
    let mut sheet = Sheet::default();
    let mut left = vec![(document.root(), false)];
    let mut condemned = Vec::new();
    while let Some((node, on_dark)) = left.pop() {
        let verdict = judge(&node, &mut sheet, on_dark, draft);
        match verdict {
            Verdict::Hidden => condemned.push(node),
            Verdict::Shown { on_dark } => {
                // Backwards, so that the first child is looked at first: style sheets come before what they hide.
                left.extend(node.children_it(true).map(|child| (child, on_dark)));
            }
        }
    }
    for node in condemned {
        node.remove_from_parent();
    }
}

enum Verdict {
    Hidden,
    Shown { on_dark: bool },
}

fn judge(node: &NodeRef<'_>, sheet: &mut Sheet, on_dark: bool, draft: &mut Draft<'_>) -> Verdict {
    let place = Place::default();
    if let Some(Some(comment)) = node.query(|node| match &node.data {
        NodeData::Comment { contents } => Some(contents.to_string()),
        _ => None,
    }) {
        draft.hide(Carrier::Comment, &place, &comment);
        return Verdict::Hidden;
    }
    let Some(name) = node.node_name() else { return Verdict::Shown { on_dark } };
    match name.as_ref() {
        "script" => {
            let kind = node.attr("type").unwrap_or_default().to_ascii_lowercase();
            if DATA_SCRIPTS.contains(&kind.as_str()) {
                draft.hide(Carrier::Script, &place, &node.text());
            }
            return Verdict::Hidden;
        }
        "style" => {
            let css = node.text();
            sheet.add(&css);
            style::contents(&css)
                .filter(|text| is_prose(text))
                .for_each(|text| draft.hide(Carrier::HiddenElement, &place, text));
            return Verdict::Hidden;
        }
        "template" => {
            // What a template holds is a tree of its own, which the page's does not lead to.
            let whole = node.html();
            let held = whole.split_once('>').map_or("", |(_, held)| held).trim_end_matches("</template>");
            let held = Document::from(held);
            draft.hide(Carrier::HiddenElement, &place, &held.root().text());
            return Verdict::Hidden;
        }
        "noscript" => {
            draft.hide(Carrier::HiddenElement, &place, &node.text());
            return Verdict::Hidden;
        }
        "title" if !in_drawing(node) => {
            draft.hide(Carrier::Metadata, &place, &node.text());
            return Verdict::Shown { on_dark };
        }
        // What describes a drawing is read out and not shown.
        "desc" => draft.hide(Carrier::AltText, &place, &node.text()),
        "meta" => {
            let named = node.attr("name").or_else(|| node.attr("property")).unwrap_or_default().to_ascii_lowercase();
            let content = node.attr("content").unwrap_or_default();
            if META.contains(&named.as_str()) || is_prose(&content) {
                draft.hide(Carrier::Metadata, &place, &content);
            }
        }
        _ => {}
    }
    attributes(node, &name, draft);
    let styles = node.attr("style").unwrap_or_default();
    let dark = on_dark
        || style::has_dark_ground(&styles)
        || node.attr("bgcolor").is_some_and(|ground| !style::is_white_value(&ground.to_ascii_lowercase()));
    if let Some(carrier) = hidden_as(node, &name, &styles, sheet, dark) {
        draft.hide(carrier, &place, &node.text());
        return Verdict::Hidden;
    }
    Verdict::Shown { on_dark: dark }
}

/// Whether a value is a sentence: enough words, and no more signs than a sentence has.
fn is_prose(value: &str) -> bool {
    const WORDS_MIN: usize = 5;
    const SIGNS_PER_MILLE_MAX: usize = 60;
    let letters = value.chars().filter(|c| c.is_alphabetic()).count();
    let signs =
        value.chars().filter(|c| matches!(c, '{' | '}' | '=' | ';' | '<' | '>' | '/' | '[' | ']' | '"' | '_' | '|')).count();
    let dense = value
        .chars()
        .filter(|c| matches!(c, '\u{3040}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}'))
        .count();
    (value.split_whitespace().count() >= WORDS_MIN || dense >= 2 * WORDS_MIN) && 1000 * signs <= SIGNS_PER_MILLE_MAX * letters
}

fn in_drawing(node: &NodeRef<'_>) -> bool {
    node.parent().and_then(|parent| parent.node_name()).is_some_and(|name| name.as_ref() != "head")
}

/// Texts in attributes: they are read out or shown when pointed at, but stand nowhere on the page.
fn attributes(node: &NodeRef<'_>, name: &str, draft: &mut Draft<'_>) {
    let place = Place::default();
    let mut last = None;
    for attribute in ["alt", "title", "aria-label", "aria-description"] {
        let text = node.attr(attribute);
        // Many say the same twice.
        if text.is_some() && text != last {
            draft.hide(Carrier::AltText, &place, text.as_deref().unwrap_or_default());
            last = text;
        }
    }
    // Scripts keep what they need in `data-`; sentences are not among it.
    for attribute in node.attrs().iter().filter(|attribute| attribute.name.local.starts_with("data-")) {
        if is_prose(&attribute.value) {
            draft.hide(Carrier::HiddenElement, &place, &attribute.value);
        }
    }
    if name == "input" && node.attr("type").is_some_and(|kind| kind.eq_ignore_ascii_case("hidden")) {
        let value = node.attr("value").unwrap_or_default();
        // Tokens of forms are no text.
        if value.contains(' ') {
            draft.hide(Carrier::HiddenElement, &place, &value);
        }
    }
}

fn hidden_as(node: &NodeRef<'_>, name: &str, styles: &str, sheet: &Sheet, on_dark: bool) -> Option<Carrier> {
    // A page that hides itself until a script shows it is still a page.
    if matches!(name, "html" | "body" | "head") {
        return None;
    }
    if node.has_attr("hidden") {
        return Some(Carrier::HiddenElement);
    }
    let class = node.attr("class");
    let named = ["sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text", "d-none"];
    if class.as_deref().is_some_and(|class| class.split_ascii_whitespace().any(|class| named.contains(&class))) {
        return Some(Carrier::HiddenElement);
    }
    let white = style::is_white(styles)
        || (name == "font" && node.attr("color").is_some_and(|colour| style::is_white_value(&colour.to_ascii_lowercase())));
    style::hides(styles)
        .or_else(|| sheet.hides(class.as_deref(), node.id_attr().as_deref()))
        .or_else(|| (white && !on_dark).then_some(Carrier::InvisibleText))
}
