//! What a PDF holds beside its pages: properties, remarks, filled-in fields, attached files.

use lopdf::{Dictionary, Document, Object, ObjectId, decode_text_string};

use crate::{BlockKind, Carrier, Defect, DefectKind, Place, draft::Draft};

/// Remarks and fields of one page.
const ANNOTATIONS_MAX: usize = 2_000;
/// Properties of a document.
const PROPERTIES_MAX: usize = 100;

/// Properties, and what else is attached.
pub(super) fn read(document: &Document, draft: &mut Draft<'_>) {
    let place = Place::default();
    if let Ok(info) = document.trailer.get_deref(b"Info", document).and_then(Object::as_dict) {
        let lines: Vec<String> = info
            .iter()
            .take(PROPERTIES_MAX)
            .filter_map(|(name, value)| Some(format!("{}: {}", String::from_utf8_lossy(name), string(document, value)?)))
            .collect();
        draft.hide(Carrier::Metadata, &place, &lines.join("\n"));
    }
    let Ok(catalog) = document.catalog() else { return };
    let metadata = catalog.get_deref(b"Metadata", document).and_then(Object::as_stream);
    if let Ok(content) = metadata.and_then(|stream| stream.get_plain_content()) {
        draft.hide(Carrier::Metadata, &place, &without_tags(&String::from_utf8_lossy(&content)));
    }
    if let Ok(names) = catalog.get_deref(b"Names", document).and_then(Object::as_dict) {
        for (key, what) in [(b"EmbeddedFiles".as_slice(), "attached files"), (b"JavaScript", "scripts")] {
            if names.has(key) {
                draft.note(DefectKind::ObjectsNotRead, what);
            }
        }
    }
}

/// The remarks and the filled-in fields of a page.
pub(super) fn of_page(document: &Document, page: ObjectId, place: &Place, draft: &mut Draft<'_>) {
    let Ok(page) = document.get_dictionary(page) else { return };
    let Ok(annotations) = page.get_deref(b"Annots", document).and_then(Object::as_array) else { return };
    for annotation in annotations.iter().take(ANNOTATIONS_MAX) {
        let Ok(annotation) = document.dereference(annotation).and_then(|(_, object)| object.as_dict()) else { continue };
        let kind = annotation.get(b"Subtype").and_then(Object::as_name).unwrap_or_default();
        if kind == b"Widget" {
            field(document, annotation, place, draft);
        } else if kind == b"FileAttachment" {
            draft.defect(Defect::new(DefectKind::AttachmentNotRead, "").at(place));
        } else if let Some(remark) = entry(document, annotation, b"Contents") {
            draft.hide(Carrier::Comment, place, &remark);
        }
    }
}

fn field(document: &Document, annotation: &Dictionary, place: &Place, draft: &mut Draft<'_>) {
    let Some(value) = entry(document, annotation, b"V").filter(|value| !value.trim().is_empty()) else { return };
    let name = entry(document, annotation, b"TU").or_else(|| entry(document, annotation, b"T")).unwrap_or_default();
    draft.add(BlockKind::Paragraph, place, &format!("{name}: {value}"));
}

fn entry(document: &Document, dictionary: &Dictionary, key: &[u8]) -> Option<String> {
    string(document, dictionary.get(key).ok()?)
}

fn string(document: &Document, object: &Object) -> Option<String> {
    let (_, object) = document.dereference(object).ok()?;
    decode_text_string(object).ok()
}

fn without_tags(xml: &str) -> String {
    let mut text = String::new();
    for piece in xml.split('<') {
        let words = piece.split_once('>').map_or("", |(_, words)| words).trim();
        if !words.is_empty() {
            text.push_str(words);
            text.push('\n');
        }
    }
    text
}
