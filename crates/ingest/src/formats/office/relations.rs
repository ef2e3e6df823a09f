//! What an entry of a package refers to.

use std::collections::HashMap;

use super::{package::Package, xml};
use crate::{Unreadable, draft::Draft};

/// The entries that one entry refers to, by the ids that it uses.
pub(super) fn of(entry: &str, package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<HashMap<String, String>, Unreadable> {
    let (folder, file) = entry.rsplit_once('/').unwrap_or(("", entry));
    let name = format!("{folder}/_rels/{file}.rels");
    let mut found = HashMap::new();
    let Some(text) = package.text(&name, draft)? else { return Ok(found) };
    xml::walk(&text, &name, draft, |node, _| {
        if let xml::Node::Open("Relationship", tag) = node
            && let (Some(id), Some(target)) = (xml::attribute(tag, "Id"), xml::attribute(tag, "Target"))
        {
            found.insert(id, resolved(folder, &target));
        }
    });
    Ok(found)
}

/// `../notes/one.xml` as seen from a folder.
fn resolved(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in target.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_seen_from_their_folder() {
        assert_eq!(resolved("ppt/slides", "../notesSlides/n1.xml"), "ppt/notesSlides/n1.xml");
        assert_eq!(resolved("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl", "/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl", "../../../etc"), "etc");
    }
}
