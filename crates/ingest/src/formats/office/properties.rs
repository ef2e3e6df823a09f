//! The properties of a document: title, author, keywords, and what else somebody wrote there.

use super::{package::Package, xml};
use crate::{Carrier, Place, Unreadable, draft::Draft};

/// Reads them as metadata.
pub(super) fn read(package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    for entry in ["docProps/core.xml", "docProps/app.xml", "docProps/custom.xml"] {
        let Some(text) = package.text(entry, draft)? else { continue };
        let mut path: Vec<String> = Vec::new();
        let mut lines = String::new();
        xml::walk(&text, entry, draft, |node, _| match node {
            xml::Node::Open(name, tag) => path.push(xml::attribute(tag, "name").unwrap_or_else(|| name.to_owned())),
            xml::Node::Close(_) => {
                path.pop();
            }
            xml::Node::Text(words) if path.len() > 1 && !words.trim().is_empty() => {
                lines.push_str(&format!("{}: {}\n", path[1], words.trim()));
            }
            xml::Node::Text(_) => {}
        });
        draft.hide(Carrier::Metadata, &Place::default(), &lines);
    }
    Ok(())
}
