//! The cells of a sheet, as they come along.

use quick_xml::events::BytesStart;

use super::{dates, xml};
use crate::{BlockKind, Carrier, Defect, DefectKind, Place, draft::Draft, formats::csv};

/// Cells further to the right follow the others without a gap.
const COLUMNS_ALIGNED_MAX: usize = 256;
/// More columns than any program has.
const COLUMNS_MAX: usize = 16_384;

/// What all sheets of a book share.
pub(super) struct Book {
    pub(super) strings: Vec<String>,
    /// By style of cell, whether it shows days.
    pub(super) is_date: Vec<bool>,
    pub(super) from_1904: bool,
}

/// A sheet while it is read.
pub(super) struct Cells<'b> {
    book: &'b Book,
    place: Place,
    is_hidden: bool,
    hidden_columns: Vec<(usize, usize)>,
    row_is_hidden: bool,
    row_number: u32,
    cells: Vec<String>,
    hidden_cells: Vec<String>,
    column: usize,
    kind: String,
    style: usize,
    value: String,
    reads: bool,
    has_formula: bool,
    has_value: bool,
    without_value: usize,
    first: Option<(Place, Vec<String>)>,
    rows: usize,
}

impl<'b> Cells<'b> {
    /// No cell read yet.
    pub(super) fn new(book: &'b Book, place: Place, is_hidden: bool) -> Self {
        Self {
            book,
            place,
            is_hidden,
            hidden_columns: Vec::new(),
            row_is_hidden: false,
            row_number: 0,
            cells: Vec::new(),
            hidden_cells: Vec::new(),
            column: 0,
            kind: String::new(),
            style: 0,
            value: String::new(),
            reads: false,
            has_formula: false,
            has_value: false,
            without_value: 0,
            first: None,
            rows: 0,
        }
    }

    pub(super) fn open(&mut self, name: &str, tag: &BytesStart<'_>, _draft: &mut Draft<'_>) {
        let number = |name| xml::attribute(tag, name).and_then(|value| value.parse::<usize>().ok());
        let hidden = || xml::attribute(tag, "hidden").is_some_and(|on| on == "1" || on == "true");
        match name {
            "col" if hidden() => {
                self.hidden_columns.push((number("min").unwrap_or(1), number("max").unwrap_or(1)));
            }
            "row" => {
                let next = self.row_number.saturating_add(1);
                self.row_number = number("r").and_then(|row| u32::try_from(row).ok()).unwrap_or(next);
                self.row_is_hidden = hidden();
                self.column = 0;
            }
            "c" => {
                let next = self.column + 1;
                self.column = xml::attribute(tag, "r").and_then(|at| column_of(&at)).unwrap_or(next);
                self.kind = xml::attribute(tag, "t").unwrap_or_default();
                self.style = number("s").unwrap_or(0);
                self.value.clear();
                (self.has_formula, self.has_value) = (false, false);
            }
            "f" => self.has_formula = true,
            "v" | "t" => {
                self.reads = true;
                self.has_value = true;
            }
            _ => {}
        }
    }

    pub(super) fn close(&mut self, name: &str, draft: &mut Draft<'_>) {
        match name {
            "v" | "t" => self.reads = false,
            "c" => self.end_cell(),
            "row" => self.end_row(draft),
            _ => {}
        }
    }

    pub(super) fn text(&mut self, words: &str) {
        if self.reads {
            self.value.push_str(words);
        }
    }

    fn end_cell(&mut self) {
        self.without_value += usize::from(self.has_formula && !self.has_value);
        let shown = self.shown();
        let is_hidden = self.hidden_columns.iter().any(|(from, to)| (*from..=*to).contains(&self.column));
        if is_hidden || self.row_is_hidden || self.is_hidden {
            if !shown.is_empty() {
                self.hidden_cells.push(shown);
            }
            return;
        }
        if self.column <= COLUMNS_ALIGNED_MAX && self.cells.len() + 1 < self.column && !shown.is_empty() {
            self.cells.resize(self.column - 1, String::new());
        }
        self.cells.push(shown);
    }

    /// What the cell shows.
    fn shown(&self) -> String {
        let value = self.value.trim();
        match self.kind.as_str() {
            "s" => value
                .parse::<usize>()
                .ok()
                .and_then(|i| self.book.strings.get(i))
                .map_or_else(String::new, |text| csv::one_line(text)),
            "str" | "inlineStr" | "e" | "d" => csv::one_line(value),
            "b" => if value == "1" { "TRUE" } else { "FALSE" }.to_owned(),
            _ => {
                let Ok(number) = value.parse::<f64>() else { return csv::one_line(value) };
                let is_date = self.book.is_date.get(self.style).copied().unwrap_or(false);
                is_date.then(|| dates::shown(number, self.book.from_1904)).flatten().unwrap_or_else(|| plain(number, value))
            }
        }
    }

    fn end_row(&mut self, draft: &mut Draft<'_>) {
        let place = Place { row: Some(self.row_number), ..self.place.clone() };
        if !self.hidden_cells.is_empty() {
            let hidden = std::mem::take(&mut self.hidden_cells);
            draft.hide(Carrier::HiddenElement, &place, &hidden.join(" | "));
        }
        let cells = std::mem::take(&mut self.cells);
        if cells.iter().all(String::is_empty) {
            return;
        }
        self.rows += 1;
        if self.rows == 1 {
            self.first = Some((place, cells));
            return;
        }
        if let Some((at, first)) = self.first.take() {
            let kind = if csv::names_columns(&first, &cells) { BlockKind::TableHead } else { BlockKind::TableRow };
            draft.add_row(kind, &at, &first);
        }
        draft.add_row(BlockKind::TableRow, &place, &cells);
    }

    /// Adds what is left, and names formulas without a value.
    pub(super) fn end(&mut self, draft: &mut Draft<'_>) {
        if !self.cells.is_empty() {
            self.end_row(draft);
        }
        if let Some((at, only)) = self.first.take() {
            draft.add_row(BlockKind::TableRow, &at, &only);
        }
        if self.without_value > 0 {
            draft.defect(Defect::new(DefectKind::FormulasWithoutValue, "").at(&self.place).times(self.without_value));
        }
    }
}

/// A number as people write it: `0.30000000000000004` is 0.3.
fn plain(number: f64, written: &str) -> String {
    if written.len() < 16 {
        return written.to_owned();
    }
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    rounded.to_string()
}

/// `C7` is in the third column.
fn column_of(at: &str) -> Option<usize> {
    let letters = at.bytes().take_while(u8::is_ascii_alphabetic);
    let column = letters.take(4).fold(0, |sum, letter| sum * 26 + usize::from(letter.to_ascii_uppercase() - b'A' + 1));
    (1..=COLUMNS_MAX).contains(&column).then_some(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_numbers() {
        assert_eq!(column_of("A1"), Some(1));
        assert_eq!(column_of("AB12"), Some(28));
        assert_eq!(column_of("XFD1"), Some(16_384));
        assert_eq!(column_of("ZZZZZ1"), None);
        assert_eq!(plain(0.1 + 0.2, "0.30000000000000004"), "0.3");
        assert_eq!(plain(12.5, "12.5"), "12.5");
    }
}
