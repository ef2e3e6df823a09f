//! PDF that was made by a program. What a scanner made is reported as such.
//!
//! The libraries that read PDF panic, loop and swell on broken files: panics are caught here page by page, the rest is what the
//! child process is for ([`crate::child`]).

mod beside;
mod ink;
mod layout;
mod lines;
mod mend;

use std::panic::{AssertUnwindSafe, catch_unwind};

use lopdf::{Dictionary, Document, Object, ObjectId, Stream, content::Content, content::Operation};
use pdf_extract::{output_doc, output_doc_page};

use crate::{Carrier, Defect, DefectKind, Place, Unreadable, draft::Draft};

use ink::Ink;
use lines::{Page, Pages};

/// Reads the pages.
pub(crate) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    let mut document = load(bytes, draft)?;
    let ids: Vec<ObjectId> = document.page_iter().take(draft.bounds.pages_max as usize).collect();
    if ids.is_empty() {
        return Err(Unreadable::damaged("no page can be found"));
    }
    if document.page_iter().count() > ids.len() {
        draft.truncated("pages_max");
    }
    let mut inks = Vec::with_capacity(ids.len());
    for id in &ids {
        let ink = catch_unwind(AssertUnwindSafe(|| ink::of(&document, *id))).unwrap_or_default();
        rewrite(&mut document, *id, &ink.visible, &ink.fonts);
        inks.push(ink);
    }
    let mut pages = texts(&document, ids.len(), draft);
    for (page, ink) in pages.iter_mut().zip(&inks).filter(|(_, ink)| !ink.hidden.is_empty()) {
        rewrite(&mut document, ids[page.number as usize - 1], &ink.hidden, &ink.fonts);
        if let Ok(hidden) = text(&document, page.number, draft.bounds.hidden_bytes_max) {
            page.unseen.push_str(&hidden.all());
        }
    }
    for (page, ink) in pages.iter().zip(&inks) {
        judge(page, ink, draft);
    }
    layout::add(&pages, &document, &ids, draft);
    beside::read(&document, draft);
    Ok(())
}

/// Loads a document; a broken one is mended if it can be.
fn load(bytes: &[u8], draft: &mut Draft<'_>) -> Result<Document, Unreadable> {
    let quietly = |bytes: &[u8]| catch_unwind(AssertUnwindSafe(|| Document::load_mem(bytes)));
    let loaded = match quietly(bytes) {
        Ok(Ok(document)) if document.is_encrypted() => return opened(document),
        Ok(Ok(document)) if document.page_iter().next().is_some() => return Ok(document),
        Ok(Err(lopdf::Error::Decryption(_) | lopdf::Error::InvalidPassword)) => return Err(Unreadable::Protected),
        Ok(Ok(_)) => "it has no pages".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its structure makes no sense".to_owned(),
    };
    let mended = mend::mend(bytes).ok_or_else(|| Unreadable::damaged(&loaded))?;
    match quietly(&mended) {
        Ok(Ok(document)) if document.page_iter().next().is_some() => {
            let kind = if ends(bytes) { DefectKind::Malformed } else { DefectKind::CutOff };
            draft.note(kind, format!("its list of objects was made anew: {loaded}"));
            Ok(document)
        }
        _ => Err(Unreadable::damaged(loaded)),
    }
}

/// Whether the end of the file is there.
fn ends(bytes: &[u8]) -> bool {
    bytes[bytes.len().saturating_sub(1024)..].windows(5).any(|window| window == b"%%EOF")
}

/// Many are protected against changes only, and open without a password.
fn opened(mut document: Document) -> Result<Document, Unreadable> {
    match catch_unwind(AssertUnwindSafe(|| document.decrypt("").map(|()| document))) {
        Ok(Ok(document)) => Ok(document),
        _ => Err(Unreadable::Protected),
    }
}

/// Makes a page hold these operations and nothing else: no images, no paths, no forms, which the reader of texts stumbles over.
fn rewrite(document: &mut Document, page: ObjectId, operations: &[Operation], fonts: &Dictionary) {
    let content = Content { operations }.encode().unwrap_or_default();
    let stream = document.add_object(Stream::new(Dictionary::new(), content));
    let media_box = ink::media_box(document, page);
    if let Ok(page) = document.get_dictionary_mut(page) {
        let mut resources = Dictionary::new();
        resources.set("Font", Object::Dictionary(fonts.clone()));
        page.set("Resources", Object::Dictionary(resources));
        page.set("Contents", Object::Reference(stream));
        page.set("MediaBox", Object::Array(media_box.iter().map(|side| Object::Real(*side)).collect()));
        page.remove(b"ArtBox");
    }
}

/// All pages in one go; from where that breaks off, one by one.
fn texts(document: &Document, count: usize, draft: &mut Draft<'_>) -> Vec<Page> {
    let mut pages = Pages::new(draft.bounds.text_bytes_max, count);
    let whole = catch_unwind(AssertUnwindSafe(|| output_doc(document, &mut pages)));
    if matches!(whole, Ok(Ok(()))) || pages.is_full() {
        if pages.is_full() {
            draft.truncated("text_bytes_max");
        }
        return pages.finish();
    }
    let mut done = pages.finish();
    done.pop();
    while done.len() < count {
        let number = u32::try_from(done.len() + 1).unwrap_or(u32::MAX);
        let page = text(document, number, draft.bounds.text_bytes_max).or_else(|why| otherwise(document, number).ok_or(why));
        done.push(page.unwrap_or_else(|why| {
            draft.defect(Defect::new(DefectKind::PageUnreadable, why).at(&Place::page(number)));
            Page { number, broken: true, ..Page::default() }
        }));
    }
    done
}

fn text(document: &Document, number: u32, bytes_max: usize) -> Result<Page, String> {
    let mut pages = Pages::new(bytes_max, usize::MAX);
    match catch_unwind(AssertUnwindSafe(|| output_doc_page(document, &mut pages, number))) {
        Ok(Ok(())) => pages.finish().pop().ok_or_else(|| "nothing came of it".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("its fonts or its content break the rules".to_owned()),
    }
}

/// Another reader, which knows less of fonts and where letters stand.
fn otherwise(document: &Document, number: u32) -> Option<Page> {
    let text = catch_unwind(AssertUnwindSafe(|| document.extract_text(&[number]).ok())).ok().flatten()?;
    (!text.trim().is_empty()).then(|| Page::plain(number, &text))
}

/// Names what is wrong with a page.
fn judge(page: &Page, ink: &Ink, draft: &mut Draft<'_>) {
    let place = Place::page(page.number);
    draft.hide(Carrier::InvisibleText, &place, &page.unseen);
    if ink.cut {
        draft.truncated("operations_max");
    }
    if ink.recognised {
        draft.defect(Defect::new(DefectKind::RecognisedText, "").at(&place));
    }
    if ink.suspected > 0 {
        draft.defect(Defect::new(DefectKind::SuspectedHiddenText, "white letters").at(&place).times(ink.suspected));
    }
    if ink.broken && !page.broken {
        draft.defect(Defect::new(DefectKind::Malformed, "parts of its content").at(&place));
    }
    if page.broken {
        return;
    }
    if page.lines.iter().all(|line| line.text.trim().is_empty()) {
        let (kind, detail) = if ink.images > 0 { (DefectKind::ScannedPage, "") } else { (DefectKind::EmptyPage, "blank") };
        draft.defect(Defect::new(kind, detail).at(&place));
    } else if ink.images > 0 {
        draft.defect(Defect::new(DefectKind::ImagesNotRead, "").at(&place).times(ink.images));
    }
    let letters = page.lines.iter().flat_map(|line| line.text.chars());
    let unknown = letters.filter(|c| matches!(*c, char::REPLACEMENT_CHARACTER | '\u{e000}'..='\u{f8ff}')).count();
    if unknown > 0 {
        draft.defect(Defect::new(DefectKind::UnknownGlyphs, "").at(&place).times(unknown));
    }
}
