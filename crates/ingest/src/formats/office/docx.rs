//! Word: paragraphs, headings by their styles, lists, tables, notes; what is deleted, remarked or set invisibly is hidden.

use std::collections::HashMap;

use quick_xml::events::BytesStart;

use super::{
    package::Package,
    run::{self, Look},
    xml::{self, Node},
};
use crate::{BlockKind, Carrier, DefectKind, Place, Unreadable, draft::Draft, formats::csv, normalise::Lines};

/// Reads the document, then its notes, then headers and footers once each, then remarks.
pub(super) fn read(package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    let styles = styles(package, draft)?;
    let main = ["word/document.xml", "word/document2.xml"].into_iter().find(|name| package.names().any(|known| known == *name));
    match main {
        Some(name) => part(name, &styles, package, draft)?,
        None => draft.note(DefectKind::Malformed, "word/document.xml is missing"),
    }
    for name in ["word/footnotes.xml", "word/endnotes.xml"] {
        part(name, &styles, package, draft)?;
    }
    let running: Vec<String> =
        ["word/header", "word/footer"].iter().flat_map(|start| package.numbered(start, ".xml")).collect();
    for name in running {
        part(&name, &styles, package, draft)?;
    }
    for name in ["word/comments.xml", "word/commentsExtended.xml"] {
        remarks(name, package, draft)?;
    }
    Ok(())
}

/// What stands for a level where a style is one of lists.
const ITEM: u8 = 0;

/// Levels of headings by the ids of styles, which differ by language.
fn styles(package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<HashMap<String, u8>, Unreadable> {
    let mut levels = HashMap::new();
    let Some(text) = package.text("word/styles.xml", draft)? else { return Ok(levels) };
    let mut id = String::new();
    xml::walk(&text, "word/styles.xml", draft, |node, _| match node {
        Node::Open("style", tag) => id = xml::attribute(tag, "styleId").unwrap_or_default(),
        Node::Open("name", tag) => {
            let name = xml::attribute(tag, "val").unwrap_or_default().to_lowercase();
            if let Some(level) = level_of(&name) {
                levels.insert(id.clone(), level);
            } else if name.starts_with("list") {
                levels.insert(id.clone(), ITEM);
            }
        }
        Node::Open("outlineLvl", tag) => {
            if let Some(level) =
                xml::attribute(tag, "val").and_then(|level| level.parse::<u8>().ok()).filter(|level| *level < 6)
            {
                levels.entry(id.clone()).or_insert(level + 1);
            }
        }
        _ => {}
    });
    Ok(levels)
}

/// `heading 2`, `Heading2`, `title`.
fn level_of(style: &str) -> Option<u8> {
    let style = style.to_lowercase();
    if style == "title" {
        return Some(1);
    }
    let level = style.strip_prefix("heading")?.trim().parse::<u8>().ok()?;
    (1..=9).contains(&level).then_some(level.min(6))
}

fn part(name: &str, styles: &HashMap<String, u8>, package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    let Some(text) = package.text(name, draft)? else { return Ok(()) };
    let mut body = Body::new(styles);
    xml::walk(&text, name, draft, |node, draft| match node {
        Node::Open(name, tag) => body.open(name, tag, draft),
        Node::Close(name) => body.close(name, draft),
        Node::Text(words) => body.text(&words),
    });
    body.end(draft);
    Ok(())
}

/// What reviewers remarked.
fn remarks(name: &str, package: &mut Package<'_>, draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    let Some(text) = package.text(name, draft)? else { return Ok(()) };
    let mut remark = String::new();
    xml::walk(&text, name, draft, |node, draft| match node {
        Node::Text(words) => remark.push_str(&words),
        Node::Close("p") => remark.push('\n'),
        Node::Close("comment") => draft.hide(Carrier::Comment, &Place::default(), &std::mem::take(&mut remark)),
        _ => {}
    });
    Ok(())
}

#[derive(Default)]
struct Paragraph {
    words: String,
    heading: Option<u8>,
    is_item: bool,
    on_ground: bool,
}

struct Body<'s> {
    styles: &'s HashMap<String, u8>,
    /// The innermost last: boxes of text stand within paragraphs.
    paragraphs: Vec<Paragraph>,
    look: Look,
    in_properties: usize,
    /// Whether what comes is text (`t`) or deleted text (`delText`), a field's code, or nothing of the kind.
    reads: Reads,
    deleted: usize,
    skipped: usize,
    hidden: Vec<(Carrier, String)>,
    tables: usize,
    cell: String,
    cell_on_ground: bool,
    row: Vec<String>,
    rows: usize,
    held: Option<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Nothing,
    Text,
    Deleted,
    Field,
}

impl<'s> Body<'s> {
    fn new(styles: &'s HashMap<String, u8>) -> Self {
        Self {
            styles,
            paragraphs: Vec::new(),
            look: Look::default(),
            in_properties: 0,
            reads: Reads::Nothing,
            deleted: 0,
            skipped: 0,
            hidden: Vec::new(),
            tables: 0,
            cell: String::new(),
            cell_on_ground: false,
            row: Vec::new(),
            rows: 0,
            held: None,
        }
    }

    fn open(&mut self, name: &str, tag: &BytesStart<'_>, draft: &mut Draft<'_>) {
        match name {
            // The same again, for older programs.
            "Fallback" => self.skipped += 1,
            _ if self.skipped > 0 => {}
            "p" => self.paragraphs.push(Paragraph::default()),
            "r" => self.look = Look::default(),
            "rPr" | "pPr" | "tcPr" => {
                self.in_properties += 1;
            }
            "pStyle" => {
                let style = xml::attribute(tag, "val").unwrap_or_default();
                let level = self.styles.get(&style).copied().or_else(|| level_of(&style));
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.is_item |= level == Some(ITEM);
                    paragraph.heading = level.filter(|level| *level != ITEM);
                }
            }
            "numPr" => {
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.is_item = true;
                }
            }
            "t" => self.reads = Reads::Text,
            "delText" => self.reads = Reads::Deleted,
            "instrText" => self.reads = Reads::Field,
            "del" | "moveFrom" if self.in_properties == 0 => self.deleted += 1,
            "tab" if self.in_properties == 0 => self.push("\t"),
            "br" | "cr" => self.push("\n"),
            "noBreakHyphen" => self.push("-"),
            "docPr" => {
                for named in ["descr", "title"] {
                    draft.hide(Carrier::AltText, &Place::default(), &xml::attribute(tag, named).unwrap_or_default());
                }
            }
            "altChunk" => draft.note(DefectKind::ObjectsNotRead, "an embedded part"),
            "tbl" => {
                self.tables += 1;
                if self.tables == 1 {
                    self.rows = 0;
                }
            }
            "tc" if self.tables == 1 => {
                self.cell.clear();
                self.cell_on_ground = false;
            }
            "shd" if self.in_properties > 0 && run::is_ground(tag) => {
                self.look.property(name, tag);
                match self.paragraphs.last_mut() {
                    Some(paragraph) => paragraph.on_ground |= paragraph.words.is_empty(),
                    None => self.cell_on_ground = true,
                }
            }
            other if self.in_properties > 0 => self.look.property(other, tag),
            _ => {}
        }
    }

    fn close(&mut self, name: &str, draft: &mut Draft<'_>) {
        match name {
            "Fallback" => self.skipped = self.skipped.saturating_sub(1),
            _ if self.skipped > 0 => {}
            "rPr" | "pPr" | "tcPr" => self.in_properties = self.in_properties.saturating_sub(1),
            "t" | "delText" | "instrText" => self.reads = Reads::Nothing,
            "del" | "moveFrom" if self.in_properties == 0 => self.deleted = self.deleted.saturating_sub(1),
            "p" => {
                let Some(paragraph) = self.paragraphs.pop() else { return };
                self.end_paragraph(&paragraph, draft);
            }
            "tc" if self.tables == 1 => self.row.push(csv::one_line(&std::mem::take(&mut self.cell))),
            "tr" if self.tables == 1 => self.end_row(draft),
            "tbl" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    self.end_table(draft);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, words: &str) {
        if self.skipped > 0 {
            return;
        }
        match self.reads {
            Reads::Text if self.deleted > 0 => self.hide(Carrier::DeletedText, words),
            Reads::Text => {
                let on_ground = self.cell_on_ground || self.paragraphs.last().is_some_and(|paragraph| paragraph.on_ground);
                match self.look.hidden(on_ground) {
                    Some(carrier) => self.hide(carrier, words),
                    None => self.push(words),
                }
            }
            Reads::Deleted => self.hide(Carrier::DeletedText, words),
            Reads::Field => self.hide(Carrier::Metadata, words),
            Reads::Nothing => {}
        }
    }

    fn push(&mut self, words: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.words.push_str(words);
        }
    }

    /// Runs that stand together are one text.
    fn hide(&mut self, carrier: Carrier, words: &str) {
        match self.hidden.last_mut() {
            Some((last, text)) if *last == carrier => text.push_str(words),
            _ => self.hidden.push((carrier, words.to_owned())),
        }
    }

    fn end_paragraph(&mut self, paragraph: &Paragraph, draft: &mut Draft<'_>) {
        for (carrier, text) in self.hidden.drain(..) {
            draft.hide(carrier, &Place::default(), &text);
        }
        if self.tables > 0 {
            if !self.cell.is_empty() {
                self.cell.push(' ');
            }
            self.cell.push_str(&paragraph.words);
            return;
        }
        let kind = match paragraph.heading {
            Some(level) => BlockKind::Heading(level),
            None if paragraph.is_item => BlockKind::ListItem,
            None => BlockKind::Paragraph,
        };
        draft.add_lines(kind, &Place::default(), &paragraph.words, Lines::Keep);
    }

    /// The first row waits for the second, which shows whether it names the columns.
    fn end_row(&mut self, draft: &mut Draft<'_>) {
        let row = std::mem::take(&mut self.row);
        self.rows += 1;
        if self.rows == 1 {
            self.held = Some(row);
            return;
        }
        if let Some(first) = self.held.take() {
            let kind = if csv::names_columns(&first, &row) { BlockKind::TableHead } else { BlockKind::TableRow };
            draft.add_row(kind, &Place::default(), &first);
        }
        draft.add_row(BlockKind::TableRow, &Place::default(), &row);
    }

    fn end_table(&mut self, draft: &mut Draft<'_>) {
        if let Some(only) = self.held.take() {
            draft.add_row(BlockKind::TableRow, &Place::default(), &only);
        }
    }

    /// What a document that is cut off leaves open.
    fn end(&mut self, draft: &mut Draft<'_>) {
        while let Some(paragraph) = self.paragraphs.pop() {
            self.end_paragraph(&paragraph, draft);
        }
        if self.tables > 0 {
            self.row.push(csv::one_line(&std::mem::take(&mut self.cell)));
            self.end_row(draft);
            self.end_table(draft);
        }
    }
}
