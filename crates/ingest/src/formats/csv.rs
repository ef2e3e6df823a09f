//! Rows of values.

use csv::{ByteRecord, ReaderBuilder};

use crate::{BlockKind, Defect, DefectKind, Place, detect, draft::Draft};

/// A cell of so many characters does not name a column.
const HEAD_CHARS_MAX: usize = 80;

/// Reads the rows; the first names the columns if it looks as if it did.
pub(crate) fn read(text: &str, draft: &mut Draft<'_>) {
    // Some programs say in the first line what sets the cells apart.
    let (text, told) = match text.strip_prefix("sep=").and_then(|rest| rest.split_once('\n')) {
        Some((delimiter, rest)) => (rest, delimiter.bytes().next()),
        None => (text, None),
    };
    let head = &text[..text.floor_char_boundary(64 * 1024)];
    let delimiter = told.or_else(|| detect::likely_delimiter(head)).unwrap_or(b',');
    let mut reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = ByteRecord::new();
    let mut width = 0;
    let mut uneven = 0;
    let mut row = 0_u32;
    let mut first: Option<Vec<String>> = None;
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        row += 1;
        let cells: Vec<String> = record.iter().map(|cell| one_line(&String::from_utf8_lossy(cell))).collect();
        let place = Place { row: Some(row), ..Place::default() };
        if row == 1 {
            width = cells.len();
            first = Some(cells);
            continue;
        }
        if let Some(first) = first.take() {
            let kind = if names_columns(&first, &cells) { BlockKind::TableHead } else { BlockKind::TableRow };
            draft.add_row(kind, &Place { row: Some(1), ..Place::default() }, &first);
        }
        uneven += usize::from(cells.len() != width);
        if !draft.add_row(BlockKind::TableRow, &place, &cells) {
            break;
        }
    }
    if let Some(only) = first {
        draft.add_row(BlockKind::TableRow, &Place { row: Some(1), ..Place::default() }, &only);
    }
    if uneven > 0 {
        draft.defect(Defect::new(DefectKind::UnevenRows, format!("the first row has {width} cells")).times(uneven));
    }
    if !quotes_close(text) {
        draft.note(DefectKind::CutOff, "a quoted cell is never closed");
    }
}

/// Quotes come in pairs, doubled ones within quotes included.
fn quotes_close(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'"').count() % 2 == 0
}

pub(crate) fn one_line(cell: &str) -> String {
    if cell.contains(['\n', '\r', '\t']) {
        cell.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        cell.trim().to_owned()
    }
}

/// Whether the first row holds names: short, none empty, no numbers, none twice.
pub(crate) fn names_columns(first: &[String], second: &[String]) -> bool {
    let number = |cell: &String| cell.chars().next().is_some_and(|c| c.is_ascii_digit());
    let names = first.iter().all(|cell| !number(cell) && cell.chars().count() <= HEAD_CHARS_MAX);
    let filled = first.iter().filter(|cell| !cell.is_empty()).count() * 2 > first.len();
    let twice = first.iter().enumerate().any(|(i, cell)| !cell.is_empty() && first[..i].contains(cell));
    first.len() > 1 && names && filled && !twice && first != second
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Reading, formats::reading_of};

    fn reading(text: &str) -> Reading {
        reading_of(text, Format::Csv, read)
    }

    #[test]
    fn rows_and_their_heading() {
        let reading = reading("sep=;\nName;Note\nAda;\"one; two\nthree\"\nAlan\n");
        assert_eq!(reading.text, "Name | Note\nAda | one; two three\nAlan");
        assert_eq!(reading.blocks[0].kind, BlockKind::TableHead);
        assert_eq!(reading.blocks[2].place.row, Some(3));
        assert!(reading.report.has(DefectKind::UnevenRows));
        assert!(!reading.report.has(DefectKind::CutOff));
    }

    #[test]
    fn a_cut_file_is_named() {
        assert!(reading("a,b\n1,\"cut").report.has(DefectKind::CutOff));
        assert_eq!(reading("1,2\n3,4").blocks[0].kind, BlockKind::TableRow);
    }
}
