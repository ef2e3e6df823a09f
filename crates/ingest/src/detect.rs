//! What a document is: its bytes first, then what its letters look like, and only then its name and media type.

mod look;

pub(crate) use look::likely_delimiter;

use serde::{Deserialize, Serialize};

use crate::{Source, Unreadable};

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Plain text, half-written briefs included.
    Text,
    /// Markdown.
    Markdown,
    /// A page of the web.
    Html,
    /// Rows of values, set apart by commas, semicolons, tabs or bars.
    Csv,
    /// JSON, or a JSON value on each line.
    Json,
    /// A letter by electronic mail.
    Email,
    /// Subtitles: SRT or WebVTT.
    Subtitles,
    /// What was said in a meeting, with speakers.
    Transcript,
    /// A text document of Word.
    Docx,
    /// Slides of PowerPoint.
    Pptx,
    /// Sheets of Excel.
    Xlsx,
    /// PDF.
    Pdf,
}

impl Format {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "plain text",
            Self::Markdown => "Markdown",
            Self::Html => "HTML",
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Email => "e-mail",
            Self::Subtitles => "subtitles",
            Self::Transcript => "a transcript",
            Self::Docx => "DOCX",
            Self::Pptx => "PPTX",
            Self::Xlsx => "XLSX",
            Self::Pdf => "PDF",
        }
    }

    /// Whether its bytes are letters.
    pub fn is_text(self) -> bool {
        !matches!(self, Self::Docx | Self::Pptx | Self::Xlsx | Self::Pdf)
    }
}

/// What the bytes alone tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Letters, of one format or another.
    Letters,
    /// An archive: its entries tell what it is.
    Archive,
    /// PDF.
    Pdf,
}

/// Beginnings of formats that are not read: what each is, and what to do.
const UNSUPPORTED: &[(&[u8], &str, &str)] = &[
    (b"{\\rtf", "RTF", "save it as DOCX or PDF"),
    (b"\x89PNG", "an image", "upload its text"),
    (b"\xff\xd8\xff", "an image", "upload its text"),
    (b"GIF8", "an image", "upload its text"),
    (b"BM", "an image", "upload its text"),
    (b"II*\0", "an image", "upload its text"),
    (b"MM\0*", "an image", "upload its text"),
    (b"RIFF", "a recording or an image", "upload its text"),
    (b"ID3", "a recording", "upload its transcript"),
    (b"OggS", "a recording", "upload its transcript"),
    (b"\x1f\x8b", "a packed file", "unpack it"),
    (b"BZh", "a packed file", "unpack it"),
    (b"7z\xbc\xaf", "a packed file", "unpack it"),
    (b"\xfd7zXZ", "a packed file", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a packed file", "unpack it"),
    (b"Rar!", "a packed file", "unpack it"),
    (b"\x7fELF", "a program", "upload documents only"),
    (b"MZ", "a program", "upload documents only"),
    (b"%!PS", "PostScript", "save it as PDF"),
];

/// How far from the beginning a PDF may begin.
const PDF_BEGINS_BYTES_MAX: usize = 1024;
/// How much of a document is looked at for bytes that no text has.
const LOOKED_AT_BYTES: usize = 8 * 1024;
/// So many of a hundred bytes at most are control characters in text.
const CONTROLS_PERCENT_MAX: usize = 10;

/// What the bytes alone tell.
pub(crate) fn bytes(bytes: &[u8]) -> Result<Bytes, Unreadable> {
    let head = &bytes[..bytes.len().min(PDF_BEGINS_BYTES_MAX)];
    if head.windows(5).any(|window| window == b"%PDF-") && !head.trim_ascii_start().starts_with(b"<") {
        return Ok(Bytes::Pdf);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Bytes::Archive);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(compound(bytes));
    }
    let short = |magic: &[u8]| magic.len() > 2 || looks_binary(bytes);
    if let Some((_, what, advice)) = UNSUPPORTED.iter().find(|(magic, _, _)| head.starts_with(magic) && short(magic)) {
        return Err(unsupported(what, advice));
    }
    if looks_binary(bytes) {
        return Err(unsupported("no text and no known document", "save it as PDF, DOCX or plain text"));
    }
    Ok(Bytes::Letters)
}

/// The container of Office before 2007, and of protected documents since.
fn compound(bytes: &[u8]) -> Unreadable {
    let wide: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    if bytes.windows(wide.len()).any(|window| window == wide) {
        return Unreadable::Protected;
    }
    unsupported("a document of Office before 2007", "save it as DOCX, PPTX or XLSX")
}

pub(crate) fn unsupported(what: &str, advice: &str) -> Unreadable {
    Unreadable::Unsupported { what: what.to_owned(), advice: advice.to_owned() }
}

/// Whether there are bytes that no text has. Zeros do not count: some editors leave them, and UTF-16 is full of them.
fn looks_binary(bytes: &[u8]) -> bool {
    let looked_at = &bytes[..bytes.len().min(LOOKED_AT_BYTES)];
    let odd = |byte: &&u8| matches!(byte, 1..=8 | 14..=26 | 28..=31 | 127);
    let controls = looked_at.iter().filter(odd).count();
    let zeros = looked_at.iter().filter(|byte| **byte == 0).count();
    controls * 100 > looked_at.len() * CONTROLS_PERCENT_MAX || zeros * 100 > looked_at.len() * 60
}

/// What the letters are, and what was claimed where that is something else.
pub(crate) fn letters(text: &str, source: &Source<'_>) -> (Format, Option<String>) {
    let claimed = claim(source);
    let seen = look::at(text, claimed);
    (seen, mismatch(claimed, seen))
}

/// What name and media type say, where what was found is something else.
pub(crate) fn mismatch(claimed: Option<Format>, seen: Format) -> Option<String> {
    claimed.filter(|claimed| !agrees(*claimed, seen)).map(|claimed| format!("{} said, {} found", claimed.name(), seen.name()))
}

/// Whether a format may be called by another's name: a transcript is a text too.
fn agrees(claimed: Format, seen: Format) -> bool {
    let texts = |format| matches!(format, Format::Text | Format::Markdown | Format::Transcript);
    claimed == seen || (texts(claimed) && texts(seen)) || (claimed == Format::Text && seen == Format::Subtitles)
}

/// What the name says, or else the media type.
pub(crate) fn claim(source: &Source<'_>) -> Option<Format> {
    let ending = source.name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let by_name = match ending.as_deref() {
        Some("txt" | "text" | "log" | "rst") => Some(Format::Text),
        Some("md" | "markdown" | "mdx") => Some(Format::Markdown),
        Some("html" | "htm" | "xhtml") => Some(Format::Html),
        Some("csv" | "tsv") => Some(Format::Csv),
        Some("json" | "jsonl" | "ndjson") => Some(Format::Json),
        Some("eml") => Some(Format::Email),
        Some("srt" | "vtt") => Some(Format::Subtitles),
        Some("docx" | "docm") => Some(Format::Docx),
        Some("pptx" | "pptm") => Some(Format::Pptx),
        Some("xlsx" | "xlsm") => Some(Format::Xlsx),
        Some("pdf") => Some(Format::Pdf),
        _ => None,
    };
    by_name.or_else(|| by_media_type(source.media_type?))
}

fn by_media_type(media_type: &str) -> Option<Format> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/plain" => Some(Format::Text),
        "text/markdown" => Some(Format::Markdown),
        "text/html" | "application/xhtml+xml" => Some(Format::Html),
        "text/csv" | "text/tab-separated-values" => Some(Format::Csv),
        "application/json" | "application/x-ndjson" | "application/jsonl" => Some(Format::Json),
        "message/rfc822" => Some(Format::Email),
        "text/vtt" | "application/x-subrip" => Some(Format::Subtitles),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => Some(Format::Docx),
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => Some(Format::Pptx),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Some(Format::Xlsx),
        "application/pdf" => Some(Format::Pdf),
        _ => None,
    }
}
