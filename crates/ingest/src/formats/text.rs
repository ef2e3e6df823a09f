//! Plain text: paragraphs, lists and headings as people type them, half-written briefs included.

use super::running;
use crate::{BlockKind, Place, draft::Draft, normalise::Lines};

/// Lines of at least so many characters were broken by an editor, not by whoever wrote them.
const WRAPPED_CHARS_MIN: usize = 50;
/// A longer line is no heading.
const HEADING_CHARS_MAX: usize = 80;

/// Reads text; form feeds part its pages.
pub(crate) fn read(text: &str, draft: &mut Draft<'_>) {
    let text = text.trim_end_matches('\u{c}');
    if !text.contains('\u{c}') {
        return paragraphs(text.lines(), &Place::default(), draft);
    }
    let pages: Vec<Vec<&str>> = text.split('\u{c}').map(|page| page.trim_matches('\n').lines().collect()).collect();
    let kept = running::kept(&pages, |page, line| running::is_edge(line, pages[page].len()), draft);
    for (page, kept) in pages.iter().zip(kept) {
        if !draft.turn_page() {
            return;
        }
        let place = Place::page(draft.pages);
        if page.iter().all(|line| line.trim().is_empty()) {
            draft.defect(crate::Defect::new(crate::DefectKind::EmptyPage, "").at(&place));
        }
        paragraphs(page.iter().zip(kept).filter_map(|(line, kept)| kept.then_some(*line)), &place, draft);
    }
}

/// Reads the lines of a page or of the whole.
pub(crate) fn paragraphs<'a>(lines: impl Iterator<Item = &'a str>, place: &Place, draft: &mut Draft<'_>) {
    let mut paragraph: Vec<&str> = Vec::new();
    for line in lines {
        if draft.is_full() {
            return;
        }
        if line.trim().is_empty() {
            end(&mut paragraph, place, draft);
            continue;
        }
        if is_item(line) {
            end(&mut paragraph, place, draft);
        }
        paragraph.push(line);
    }
    end(&mut paragraph, place, draft);
}

fn end(paragraph: &mut Vec<&str>, place: &Place, draft: &mut Draft<'_>) {
    let lines = std::mem::take(paragraph);
    match lines.as_slice() {
        [] => {}
        [line] if is_heading(line) => draft.add(BlockKind::Heading(2), place, line),
        [title, rule] if is_rule(rule) => draft.add(BlockKind::Heading(if rule.contains('=') { 1 } else { 2 }), place, title),
        lines if is_item(lines[0]) => draft.add(BlockKind::ListItem, place, &lines.join("\n")),
        lines => draft.add_lines(BlockKind::Paragraph, place, &lines.join("\n"), meaning(lines)),
    }
}

/// Lines are joined where all but the last are about as long as the paper is wide.
fn meaning(lines: &[&str]) -> Lines {
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let long = lines.iter().filter(|line| line.chars().count() * 10 >= width * 6).count();
    if width >= WRAPPED_CHARS_MIN && (long + 1) * 10 >= lines.len() * 8 { Lines::Flow } else { Lines::Keep }
}

/// `- so`, `* so`, `• so`, `1. so`, `(a) so`.
fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    if let Some(rest) = line.strip_prefix(['-', '*', '•', '–', '◦', '▪', '·']) {
        return rest.starts_with([' ', '\t']);
    }
    let inner = line.strip_prefix('(').unwrap_or(line);
    let mark = inner.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inner.len());
    let is_mark = (1..=3).contains(&mark) && (inner[..mark].bytes().all(|byte| byte.is_ascii_digit()) || mark == 1);
    let rest = inner[mark..].strip_prefix(['.', ')']).unwrap_or_default();
    is_mark && rest.starts_with([' ', '\t'])
}

fn is_heading(line: &str) -> bool {
    let line = line.trim();
    let letters = || line.chars().filter(|c| c.is_alphabetic());
    line.chars().count() <= HEADING_CHARS_MAX
        && letters().count() >= 3
        && letters().all(char::is_uppercase)
        && !line.ends_with(['.', ',', ';', '!', '?'])
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 3 && (line.bytes().all(|byte| byte == b'=') || line.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Format};

    fn blocks(text: &str) -> Vec<(BlockKind, String)> {
        let bounds = Bounds::default();
        let mut draft = Draft::new(&bounds);
        read(text, &mut draft);
        let reading = draft.finish(Format::Text, None, 0);
        reading.blocks.into_iter().map(|block| (block.kind, reading.text[block.span].to_owned())).collect()
    }

    #[test]
    fn a_brief_keeps_its_shape() {
        let text = "PROJECT BRIEF\n\nGoal\n====\nThe portal lets tenants of the building report what is broken, and see\nwhen it will be mended, without calling anybody.\n\n- first item\n  goes on\n- second item\n\nAda\nTel. 12\n";
        let expected = [
            (BlockKind::Heading(2), "PROJECT BRIEF"),
            (
                BlockKind::Paragraph,
                "Goal\n====\nThe portal lets tenants of the building report what is broken, and see\nwhen it will be mended, without calling anybody.",
            ),
            (BlockKind::ListItem, "- first item goes on"),
            (BlockKind::ListItem, "- second item"),
            (BlockKind::Paragraph, "Ada\nTel. 12"),
        ];
        let found = blocks(text);
        assert_eq!(found.iter().map(|(kind, text)| (*kind, text.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn wrapped_lines_are_joined() {
        let text = "The landlord may end the lease with a notice period of three\nmonths, as long as the tenant has been told in writing, and\nhas answered.\n";
        assert_eq!(blocks(text)[0].1, text.trim().replace('\n', " "));
    }
}
