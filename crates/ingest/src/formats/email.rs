//! Letters by electronic mail: who wrote what to whom, and when.

use std::borrow::Cow;

use mail_parser::{Address, HeaderName, Message, MessageParser, MimeHeaders, PartType};

use super::{html, text};
use crate::{BlockKind, Carrier, Defect, DefectKind, Place, Unreadable, draft::Draft};

/// Letters within letters, as forwarded ones are.
const LETTERS_DEPTH_MAX: usize = 3;
/// Parts of parts.
const BOUNDARIES_MAX: usize = 50;
/// Headers that are listed as metadata.
const HEADERS_MAX: usize = 100;

/// Reads the letter: its head as one block, then the body, plain rather than dressed up. Attachments are named.
pub(crate) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Result<(), Unreadable> {
    let bytes = closed(bytes, draft);
    let message = MessageParser::default().parse(bytes.as_ref()).ok_or_else(|| Unreadable::damaged("no headers"))?;
    letter(&message, draft, 0);
    Ok(())
}

/// The letter with the ends of its parts, where they are missing: the parser takes a part without an end for no text.
fn closed<'a>(bytes: &'a [u8], draft: &mut Draft<'_>) -> Cow<'a, [u8]> {
    let text = String::from_utf8_lossy(bytes);
    let mut ends = Vec::new();
    for (at, name) in text.match_indices("boundary=").take(BOUNDARIES_MAX) {
        let value = text[at + name.len()..].lines().next().unwrap_or_default();
        let boundary = match value.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => value.split([';', ' ']).next(),
        };
        let boundary = boundary.unwrap_or_default().trim();
        if !boundary.is_empty() && !text.contains(&format!("--{boundary}--")) {
            ends.push(format!("\r\n--{boundary}--\r\n"));
        }
    }
    if ends.is_empty() {
        return Cow::Borrowed(bytes);
    }
    draft.note(DefectKind::CutOff, "a part has no end");
    // The innermost part ends first.
    ends.reverse();
    Cow::Owned([bytes, ends.concat().as_bytes()].concat())
}

fn letter(message: &Message<'_>, draft: &mut Draft<'_>, depth: usize) {
    head(message, draft);
    let place = Place::default();
    for part in message.text_bodies() {
        match &part.body {
            PartType::Text(words) => body(words, draft),
            PartType::Html(page) => html::read(page, draft),
            _ => {}
        }
        if part.is_encoding_problem {
            draft.note(DefectKind::Malformed, "a part is not encoded as it says");
        }
    }
    // What only the other form says may be meant for nobody's eyes.
    if message.text_body_count() > 0 && message.html_bodies().any(|part| matches!(part.body, PartType::Html(_))) {
        hidden_in_page(message, draft);
    }
    for part in message.attachments() {
        match &part.body {
            PartType::Message(inner) if depth < LETTERS_DEPTH_MAX => letter(inner, draft, depth + 1),
            _ => {
                let name = part.attachment_name().unwrap_or("without a name");
                draft.defect(Defect::new(DefectKind::AttachmentNotRead, name).at(&place));
            }
        }
    }
}

/// From, to, when and about what.
fn head(message: &Message<'_>, draft: &mut Draft<'_>) {
    let place = Place::default();
    if let Some(subject) = message.subject() {
        draft.add(BlockKind::Heading(1), &place, subject);
    }
    let mut lines = Vec::new();
    for (name, address) in [("From", message.from()), ("To", message.to()), ("Cc", message.cc())] {
        lines.extend(address.map(people).filter(|people| !people.is_empty()).map(|people| format!("{name}: {people}")));
    }
    lines.extend(message.date().map(|date| format!("Date: {}", date.to_rfc3339())));
    draft.add_lines(BlockKind::Paragraph, &place, &lines.join("\n"), crate::normalise::Lines::Keep);
    let shown = [HeaderName::Subject, HeaderName::From, HeaderName::To, HeaderName::Cc, HeaderName::Date];
    let rest = message.headers().iter().filter(|header| !shown.contains(&header.name)).take(HEADERS_MAX);
    let rest: Vec<String> =
        rest.filter_map(|header| Some(format!("{}: {}", header.name.as_str(), header.value.as_text()?))).collect();
    draft.hide(Carrier::Metadata, &place, &rest.join("\n"));
}

fn people(address: &Address<'_>) -> String {
    let one = |addr: &mail_parser::Addr<'_>| match (addr.name(), addr.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    };
    address.iter().map(one).filter(|one| !one.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The body, with the marks of quotation taken off.
fn body(words: &str, draft: &mut Draft<'_>) {
    let lines = words.lines().map(|line| line.trim_start_matches(['>', ' ']));
    text::paragraphs(lines, &Place::default(), draft);
}

fn hidden_in_page(message: &Message<'_>, draft: &mut Draft<'_>) {
    for part in message.html_bodies() {
        if let PartType::Html(page) = &part.body {
            html::hidden_only(page, draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Format, Reading};

    fn reading(raw: &str) -> Reading {
        let bounds = Bounds::default();
        let mut draft = Draft::new(&bounds);
        read(raw.as_bytes(), &mut draft).unwrap();
        draft.finish(Format::Email, None, 0)
    }

    #[test]
    fn a_letter_with_both_forms_and_an_attachment() {
        let raw = "From: =?utf-8?q?Zo=C3=AB?= <zoe@a.example>\r\nTo: Alan <alan@b.example>\r\nSubject: Lease\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nX-Note: psst\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nThe notice period is three m=\r\nonths.\r\n> And before?\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>The notice period is three months.<span style=\"display:none\">obey</span></p>\r\n--a--\r\n--m\r\nContent-Type: application/pdf; name=plan.pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--m--\r\n";
        let reading = reading(raw);
        assert!(
            reading
                .text
                .starts_with("Lease\n\nFrom: Zoë <zoe@a.example>\nTo: Alan <alan@b.example>\nDate: 2024-01-01T10:00:00Z")
        );
        assert!(reading.text.contains("The notice period is three months.\nAnd before?"), "{}", reading.text);
        assert!(!reading.text.contains("obey"));
        assert!(reading.hidden.iter().any(|hidden| hidden.text == "obey"), "{:?}", reading.hidden);
        assert!(reading.hidden.iter().any(|hidden| hidden.text.contains("psst")), "{:?}", reading.hidden);
        let attachment = reading.report.defects.iter().find(|defect| defect.kind == DefectKind::AttachmentNotRead);
        assert_eq!(attachment.map(|defect| defect.detail.as_str()), Some("plan.pdf"));
    }
}
