//! PowerPoint: slides in their order, titles as headings; notes and remarks are hidden, and so are slides that are not shown.

use std::collections::HashMap;

use quick_xml::events::BytesStart;

use super::{
    package::Package,
    relations,
    xml::{self, Node},
};
use crate::{BlockKind, Carrier, Defect, DefectKind, Place, Unreadable, draft::Draft, formats::csv, normalise::Lines};

/// Width and height of a slide where the presentation does not say: four by three.
const SIZE_DEFAULT: (i64, i64) = (9_144_000, 6_858_000);

/// Reads the slides, each with what belongs to it.
pub(super) fn read(package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    let (slides, size) = slides(package, draft)?;
    let mut footers: HashMap<String, usize> = HashMap::new();
    for name in slides {
        if !draft.turn_page() {
            break;
        }
        let place = Place::slide(draft.pages);
        let before = draft.len();
        let Some(text) = package.text(&name, draft)? else {
            draft.defect(Defect::new(DefectKind::PageUnreadable, name).at(&place));
            continue;
        };
        let mut slide = Slide::new(place.clone(), size);
        xml::walk(&text, &name, draft, |node, draft| match node {
            Node::Open(name, tag) => slide.open(name, tag, draft),
            Node::Close(name) => slide.close(name, &mut footers, draft),
            Node::Text(words) => slide.text(&words),
        });
        slide.end_paragraph(&mut footers, draft);
        if draft.len() == before && !slide.hidden && !draft.is_full() {
            draft.defect(Defect::new(DefectKind::EmptyPage, "a slide without text").at(&place));
        }
        beside(&name, &place, package, draft)?;
    }
    for (footer, count) in footers.into_iter().filter(|(_, count)| *count > 1) {
        draft.defect(Defect::new(DefectKind::RepeatedLine, footer).times(count));
    }
    Ok(())
}

/// The slides in the order in which they are shown, and how large they are.
fn slides(package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(Vec<String>, (i64, i64)), Unreadable> {
    let entry = "ppt/presentation.xml";
    let targets = relations::of(entry, package, draft)?;
    let (mut ids, mut size) = (Vec::new(), SIZE_DEFAULT);
    if let Some(text) = package.text(entry, draft)? {
        xml::walk(&text, entry, draft, |node, _| match node {
            Node::Open("sldId", tag) => ids.extend(relation(tag)),
            Node::Open("sldSz", tag) => size = (number(tag, "cx").unwrap_or(size.0), number(tag, "cy").unwrap_or(size.1)),
            _ => {}
        });
    }
    let mut names: Vec<String> = ids.iter().filter_map(|id| targets.get(id).cloned()).collect();
    if names.is_empty() {
        names = package.numbered("ppt/slides/slide", ".xml");
    }
    Ok((names, size))
}

/// The id of what is referred to: it has a prefix, the element's own id has none.
fn relation(tag: &BytesStart<'_>) -> Option<String> {
    let mut attributes = tag.attributes();
    let found = attributes
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.prefix().is_some() && attribute.key.local_name().into_inner() == "id")?;
    Some(found.value.into_owned())
}

fn number(tag: &BytesStart<'_>, name: &str) -> Option<i64> {
    xml::attribute(tag, name)?.parse().ok()
}

/// Notes and remarks.
fn beside(slide: &str, place: &Place, package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    let mut targets: Vec<String> = relations::of(slide, package, draft)?.into_values().collect();
    targets.sort_unstable();
    for name in targets.iter().filter(|name| name.contains("notesSlides/") || name.contains("comments/")) {
        let Some(text) = package.text(name, draft)? else { continue };
        let (mut words, mut reads) = (String::new(), false);
        xml::walk(&text, name, draft, |node, _| match node {
            Node::Open("t" | "text", _) => reads = true,
            Node::Close("t" | "text") => reads = false,
            Node::Close("p" | "cm") => words.push('\n'),
            Node::Text(piece) if reads => words.push_str(&piece),
            _ => {}
        });
        draft.hide(Carrier::Comment, place, &words);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Title,
    Body,
    Footer,
}

struct Slide {
    place: Place,
    size: (i64, i64),
    hidden: bool,
    role: Role,
    off: Option<Carrier>,
    words: String,
    reads: bool,
    position: Option<(i64, i64)>,
    in_table: bool,
    row: Vec<String>,
    rows: usize,
    held: Option<Vec<String>>,
}

impl Slide {
    fn new(place: Place, size: (i64, i64)) -> Self {
        Self {
            place,
            size,
            hidden: false,
            role: Role::Body,
            off: None,
            words: String::new(),
            reads: false,
            position: None,
            in_table: false,
            row: Vec::new(),
            rows: 0,
            held: None,
        }
    }

    fn open(&mut self, name: &str, tag: &BytesStart<'_>, draft: &mut Draft<'_>) {
        match name {
            "sld" => self.hidden = xml::attribute(tag, "show").is_some_and(|show| show == "0" || show == "false"),
            "sp" | "pic" | "graphicFrame" => {
                self.role = Role::Body;
                self.off = None;
            }
            "cNvPr" => {
                for named in ["descr", "title"] {
                    draft.hide(Carrier::AltText, &self.place, &xml::attribute(tag, named).unwrap_or_default());
                }
                if xml::attribute(tag, "hidden").is_some_and(|hidden| hidden == "1" || hidden == "true") {
                    self.off = Some(Carrier::HiddenElement);
                }
            }
            "ph" => {
                self.role = match xml::attribute(tag, "type").as_deref() {
                    Some("title" | "ctrTitle") => Role::Title,
                    Some("ftr" | "dt" | "sldNum" | "hdr") => Role::Footer,
                    _ => Role::Body,
                }
            }
            "off" => self.position = number(tag, "x").zip(number(tag, "y")),
            "ext" => {
                if let (Some((x, y)), Some(width), Some(height)) = (self.position.take(), number(tag, "cx"), number(tag, "cy"))
                {
                    let inside =
                        x < self.size.0 && y < self.size.1 && x.saturating_add(width) > 0 && y.saturating_add(height) > 0;
                    if !inside {
                        self.off = Some(Carrier::InvisibleText);
                    }
                }
            }
            "tbl" => {
                self.in_table = true;
                self.rows = 0;
            }
            "t" => self.reads = true,
            "br" => self.words.push('\n'),
            _ => {}
        }
    }

    fn close(&mut self, name: &str, footers: &mut HashMap<String, usize>, draft: &mut Draft<'_>) {
        match name {
            "t" => self.reads = false,
            "p" if self.in_table => self.words.push(' '),
            "p" => self.end_paragraph(footers, draft),
            "tc" => self.row.push(csv::one_line(&std::mem::take(&mut self.words))),
            "tr" => self.end_row(draft),
            "tbl" => {
                self.in_table = false;
                if let Some(only) = self.held.take() {
                    self.add_row(BlockKind::TableRow, &only, draft);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, words: &str) {
        if self.reads {
            self.words.push_str(words);
        }
    }

    fn end_paragraph(&mut self, footers: &mut HashMap<String, usize>, draft: &mut Draft<'_>) {
        let words = std::mem::take(&mut self.words);
        if let Some(carrier) = self.carrier() {
            return draft.hide(carrier, &self.place, &words);
        }
        if self.role == Role::Footer && !words.trim().is_empty() {
            let count = footers.entry(words.trim().to_owned()).or_default();
            *count += 1;
            // Numbers of slides say nothing.
            if *count > 1 || words.trim().chars().all(char::is_numeric) {
                return;
            }
        }
        let kind = if self.role == Role::Title { BlockKind::Heading(2) } else { BlockKind::Paragraph };
        draft.add_lines(kind, &self.place, &words, Lines::Keep);
    }

    fn carrier(&self) -> Option<Carrier> {
        if self.hidden { Some(Carrier::HiddenElement) } else { self.off }
    }

    fn end_row(&mut self, draft: &mut Draft<'_>) {
        let row = std::mem::take(&mut self.row);
        self.rows += 1;
        if self.rows == 1 {
            self.held = Some(row);
            return;
        }
        if let Some(first) = self.held.take() {
            let kind = if csv::names_columns(&first, &row) { BlockKind::TableHead } else { BlockKind::TableRow };
            self.add_row(kind, &first, draft);
        }
        self.add_row(BlockKind::TableRow, &row, draft);
    }

    fn add_row(&self, kind: BlockKind, cells: &[String], draft: &mut Draft<'_>) {
        match self.carrier() {
            Some(carrier) => draft.hide(carrier, &self.place, &cells.join(" | ")),
            None => {
                draft.add_row(kind, &self.place, cells);
            }
        }
    }
}
