//! Excel: each sheet as a table; hidden sheets, rows and columns, and remarks, are hidden.

use std::{collections::HashMap, sync::Arc};

use quick_xml::events::BytesStart;

use super::{
    dates,
    package::Package,
    relations,
    sheet::{Book, Cells},
    xml::{self, Node},
};
use crate::{Carrier, Defect, DefectKind, Place, Unreadable, draft::Draft};

/// Reads the sheets in their order.
pub(super) fn read(package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    let (sheets, from_1904) = sheets(package, draft)?;
    let book = Book { strings: strings(package, draft)?, is_date: styles(package, draft)?, from_1904 };
    for (name, entry, is_hidden) in sheets {
        if !draft.turn_page() {
            break;
        }
        let place = Place { sheet: Some(Arc::from(name.as_str())), ..Place::default() };
        let Some(text) = package.text(&entry, draft)? else {
            draft.defect(Defect::new(DefectKind::PageUnreadable, entry).at(&place));
            continue;
        };
        let before = draft.len();
        let mut cells = Cells::new(&book, place.clone(), is_hidden);
        xml::walk(&text, &entry, draft, |node, draft| match node {
            Node::Open(name, tag) => cells.open(name, tag, draft),
            Node::Close(name) => cells.close(name, draft),
            Node::Text(words) => cells.text(&words),
        });
        cells.end(draft);
        if draft.len() == before && !is_hidden && !draft.is_full() {
            draft.defect(Defect::new(DefectKind::EmptyPage, "a sheet without values").at(&place));
        }
        remarks(&entry, &place, package, draft)?;
    }
    Ok(())
}

/// A sheet's name, its entry, and whether it is hidden.
type Sheet = (String, String, bool);

/// The sheets, and whether days count from 1904.
fn sheets(package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(Vec<Sheet>, bool), Unreadable> {
    let entry = "xl/workbook.xml";
    let targets = relations::of(entry, package, draft)?;
    let (mut found, mut from_1904) = (Vec::new(), false);
    if let Some(text) = package.text(entry, draft)? {
        xml::walk(&text, entry, draft, |node, _| match node {
            Node::Open("sheet", tag) => {
                let name = xml::attribute(tag, "name").unwrap_or_default();
                let target = xml::attribute(tag, "id").and_then(|id| targets.get(&id).cloned());
                let is_hidden = xml::attribute(tag, "state").is_some_and(|state| state != "visible");
                found.push((name, target.unwrap_or_default(), is_hidden));
            }
            Node::Open("workbookPr", tag) => {
                from_1904 = xml::attribute(tag, "date1904").is_some_and(|on| on == "1" || on == "true");
            }
            _ => {}
        });
    }
    // Sheets of charts have no cells.
    found.retain(|(_, target, _)| !target.contains("chartsheets/"));
    if found.iter().all(|(_, target, _)| target.is_empty()) {
        let entries = package.numbered("xl/worksheets/sheet", ".xml");
        found = entries.into_iter().enumerate().map(|(i, entry)| (format!("Sheet{}", i + 1), entry, false)).collect();
    }
    Ok((found, from_1904))
}

/// Texts that cells refer to by number; readings of characters (`rPh`) are passed over.
fn strings(package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<Vec<String>, Unreadable> {
    let entry = "xl/sharedStrings.xml";
    let mut strings = Vec::new();
    let Some(text) = package.text(entry, draft)? else { return Ok(strings) };
    let (mut current, mut reads, mut phonetic) = (String::new(), false, 0_usize);
    xml::walk(&text, entry, draft, |node, _| match node {
        Node::Open("t", _) => reads = phonetic == 0,
        Node::Close("t") => reads = false,
        Node::Open("rPh", _) => phonetic += 1,
        Node::Close("rPh") => phonetic = phonetic.saturating_sub(1),
        Node::Text(words) if reads => current.push_str(&words),
        Node::Close("si") => strings.push(std::mem::take(&mut current)),
        _ => {}
    });
    Ok(strings)
}

/// Which styles of cells show days.
fn styles(package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<Vec<bool>, Unreadable> {
    let entry = "xl/styles.xml";
    let mut codes: HashMap<u32, String> = HashMap::new();
    let mut is_date = Vec::new();
    let Some(text) = package.text(entry, draft)? else { return Ok(is_date) };
    let mut in_cells = false;
    xml::walk(&text, entry, draft, |node, _| match node {
        Node::Open("numFmt", tag) => {
            if let (Some(id), Some(code)) = (format_of(tag), xml::attribute(tag, "formatCode")) {
                codes.insert(id, code);
            }
        }
        Node::Open("cellXfs", _) => in_cells = true,
        Node::Close("cellXfs") => in_cells = false,
        Node::Open("xf", tag) if in_cells => {
            let id = format_of(tag).unwrap_or(0);
            is_date.push(dates::is_date(id, codes.get(&id).map(String::as_str)));
        }
        _ => {}
    });
    Ok(is_date)
}

fn format_of(tag: &BytesStart<'_>) -> Option<u32> {
    xml::attribute(tag, "numFmtId")?.parse().ok()
}

fn remarks(sheet: &str, place: &Place, package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    let mut targets: Vec<String> = relations::of(sheet, package, draft)?.into_values().collect();
    targets.sort_unstable();
    for name in targets.iter().filter(|name| name.contains("omments")) {
        let Some(text) = package.text(name, draft)? else { continue };
        let (mut words, mut reads) = (String::new(), false);
        xml::walk(&text, name, draft, |node, draft| match node {
            Node::Open("t" | "text", _) => reads = true,
            Node::Close("t") => reads = false,
            Node::Text(piece) if reads => words.push_str(&piece),
            Node::Close("comment" | "threadedComment") => draft.hide(Carrier::Comment, place, &std::mem::take(&mut words)),
            _ => {}
        });
    }
    Ok(())
}
