//! From lines to paragraphs and headings.

use lopdf::{Document, ObjectId};

use super::{beside, lines::Line, lines::Page};
use crate::{BlockKind, Place, draft::Draft, formats::running};

/// Letters of a heading are larger than those of the text by so many percent.
const HEADING_PERCENT: f64 = 115.0;
/// A longer line is no heading.
const HEADING_CHARS_MAX: usize = 120;
/// The part of a page's height at its top and at its bottom where headers and footers stand.
const EDGE_SHARE: f64 = 0.12;
/// Lines further apart than so many heights of a letter begin a new paragraph.
const GAP_HEIGHTS: f64 = 1.75;

/// Adds the text of all pages, headers and footers once.
pub(super) fn add(pages: &[Page], document: &Document, ids: &[ObjectId], draft: &mut Draft<'_>) {
    let texts: Vec<Vec<&str>> = pages.iter().map(|page| page.lines.iter().map(|line| line.text.as_str()).collect()).collect();
    let usual = usual_size(pages);
    let kept = running::kept(&texts, |page, line| is_edge(&pages[page], line, usual), draft);
    for ((page, kept), id) in pages.iter().zip(kept).zip(ids) {
        if !draft.turn_page() {
            return;
        }
        let place = Place::page(page.number);
        let lines = page.lines.iter().zip(kept).filter_map(|(line, kept)| kept.then_some(line));
        paragraphs(lines, usual, &place, draft);
        beside::of_page(document, *id, &place, draft);
    }
}

/// Whether a line stands where headers and footers do, and is no heading; by its number where heights are not known.
fn is_edge(page: &Page, line: usize, usual: f64) -> bool {
    if page.height <= 0.0 {
        return running::is_edge(line, page.lines.len());
    }
    if is_large(&page.lines[line], usual) {
        return false;
    }
    let from_bottom = (page.lines[line].y - page.bottom) / page.height;
    !(EDGE_SHARE..=1.0 - EDGE_SHARE).contains(&from_bottom)
}

/// The size in which most letters are set.
fn usual_size(pages: &[Page]) -> f64 {
    let mut sizes: Vec<(u32, usize)> = Vec::new();
    for line in pages.iter().flat_map(|page| &page.lines) {
        let size = in_tenths(line.size);
        match sizes.iter_mut().find(|(known, _)| *known == size) {
            Some((_, count)) => *count += line.text.len(),
            None => sizes.push((size, line.text.len())),
        }
    }
    sizes.iter().max_by_key(|(_, count)| *count).map_or(0.0, |(size, _)| f64::from(*size) / 10.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded before")]
fn in_tenths(size: f64) -> u32 {
    (size.clamp(0.0, 1000.0) * 10.0).round() as u32
}

/// Whether a line is set as headings are.
fn is_large(line: &Line, usual: f64) -> bool {
    usual > 0.0 && line.size * 100.0 > usual * HEADING_PERCENT
}

fn paragraphs<'a>(lines: impl Iterator<Item = &'a Line>, usual: f64, place: &Place, draft: &mut Draft<'_>) {
    let mut paragraph: Vec<&Line> = Vec::new();
    for line in lines {
        if line.text.trim().is_empty() {
            // Some programs set empty lines between paragraphs; others a blank at the end of each.
            continue;
        }
        if paragraph.last().is_some_and(|last| begins_anew(last, line)) {
            end(&mut paragraph, usual, place, draft);
        }
        paragraph.push(line);
    }
    end(&mut paragraph, usual, place, draft);
}

fn begins_anew(last: &Line, line: &Line) -> bool {
    let size = last.size.max(line.size);
    if size == 0.0 {
        return false;
    }
    let down = last.y - line.y;
    let other_size = (last.size - line.size).abs() > size * 0.12;
    // Upwards is another column.
    !(-size * 0.5..=size * GAP_HEIGHTS).contains(&down) || other_size || is_item(&line.text)
}

fn is_item(text: &str) -> bool {
    text.trim_start().starts_with(['•', '◦', '▪', '–', '\u{f0b7}'])
}

fn end(paragraph: &mut Vec<&Line>, usual: f64, place: &Place, draft: &mut Draft<'_>) {
    let lines = std::mem::take(paragraph);
    let Some(first) = lines.first() else { return };
    let text = lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
    let larger = is_large(first, usual);
    let kind = if larger && text.chars().count() <= HEADING_CHARS_MAX {
        BlockKind::Heading(if first.size > usual * 1.5 { 1 } else { 2 })
    } else if is_item(&text) {
        BlockKind::ListItem
    } else {
        BlockKind::Paragraph
    };
    draft.add(kind, place, &text);
}
