//! JSON: a line for each value, with the path to it, so that a value is found with what it belongs to.

use serde_json::Value;

use crate::{BlockKind, DefectKind, Place, draft::Draft, normalise::Lines};

/// A longer path says no more.
const PATH_CHARS_MAX: usize = 200;

/// Reads one value, or one on each line.
pub(crate) fn read(text: &str, draft: &mut Draft<'_>) {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut read_bytes = 0;
    let mut row = 0_u32;
    while let Some(Ok(value)) = values.next() {
        read_bytes = values.byte_offset();
        row += 1;
        let place = Place { row: (row > 1 || !text[read_bytes..].trim().is_empty()).then_some(row), ..Place::default() };
        whole(&value, &place, draft);
        if draft.is_full() {
            return;
        }
    }
    let rest = text[read_bytes..].trim();
    if !rest.is_empty() {
        // Deeper than the parser goes, or broken: its strings can still be read as text.
        let defect = if is_cut(rest) { DefectKind::CutOff } else { DefectKind::Malformed };
        draft.note(defect, "no JSON from here on; read as text");
        draft.add_lines(BlockKind::Code, &Place::default(), rest, Lines::Keep);
    }
}

/// Whether brackets or quotes stay open.
fn is_cut(text: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_i64, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth -= 1,
            _ => {}
        }
    }
    quoted || depth > 0
}

/// One value: a block for each element of its outermost list, or for each field of its outermost object.
fn whole(value: &Value, place: &Place, draft: &mut Draft<'_>) {
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let row = u32::try_from(i + 1).ok();
                add(item, "", &Place { row, ..place.clone() }, draft);
                if draft.is_full() {
                    return;
                }
            }
        }
        Value::Object(fields) if place.row.is_none() => {
            for (name, field) in fields {
                match field {
                    Value::Array(items) if items.iter().any(Value::is_object) => {
                        for (i, item) in items.iter().enumerate() {
                            add(item, &format!("{name}[{i}]"), place, draft);
                            if draft.is_full() {
                                return;
                            }
                        }
                    }
                    field => add(field, name, place, draft),
                }
            }
        }
        other => add(other, "", place, draft),
    }
}

fn add(value: &Value, path: &str, place: &Place, draft: &mut Draft<'_>) {
    let mut lines = String::new();
    let free = draft.bounds.text_bytes_max.saturating_sub(draft.len()) + 1;
    flatten(value, &mut path.to_owned(), &mut lines, free, draft.bounds.nesting_depth_max);
    draft.add_lines(BlockKind::Paragraph, place, &lines, Lines::Keep);
}

/// `path: value`, a line each. The parser goes no deeper than 128 levels, so neither does this.
fn flatten(value: &Value, path: &mut String, lines: &mut String, bytes_max: usize, depth: usize) {
    if lines.len() > bytes_max || depth == 0 {
        return;
    }
    let length = path.len();
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if !path.is_empty() && length < PATH_CHARS_MAX {
                    path.push('.');
                }
                if length < PATH_CHARS_MAX {
                    path.push_str(name);
                }
                flatten(field, path, lines, bytes_max, depth - 1);
                path.truncate(length);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (i, item) in items.iter().enumerate() {
                if length < PATH_CHARS_MAX {
                    path.push_str(&format!("[{i}]"));
                }
                flatten(item, path, lines, bytes_max, depth - 1);
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(plain).collect();
            line(path, &items.join(", "), lines);
        }
        other => {
            if let Some(text) = plain(other) {
                line(path, &text, lines);
            }
        }
    }
}

fn line(path: &str, text: &str, lines: &mut String) {
    if text.trim().is_empty() {
        return;
    }
    if !path.is_empty() {
        lines.push_str(path);
        lines.push_str(": ");
    }
    lines.push_str(text.trim());
    lines.push('\n');
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) | Value::Array(_) => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Reading, formats::reading_of};

    fn reading(text: &str) -> Reading {
        reading_of(text, Format::Json, read)
    }

    #[test]
    fn values_stand_with_their_paths() {
        let reading = reading(
            r#"{"title":"Lease","parties":[{"name":"Ada","roles":["buyer","tenant"]},{"name":"Alan"}],"none":null,"pages":3}"#,
        );
        assert_eq!(
            reading.text,
            "title: Lease\n\nparties[0].name: Ada\nparties[0].roles: buyer, tenant\n\nparties[1].name: Alan\n\npages: 3"
        );
    }

    #[test]
    fn lines_of_json_are_rows_and_cut_ones_are_named() {
        let lines = reading("{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(lines.blocks[1].place.row, Some(2));
        assert_eq!(lines.report.defects, []);
        let cut = reading("{\"a\":\"whole\", \"b\":\"cu");
        assert!(cut.report.has(DefectKind::CutOff) && cut.text.contains("whole"));
        assert!(reading("{\"a\": what}").report.has(DefectKind::Malformed));
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(reading(&deep).report.has(DefectKind::Malformed));
    }
}
