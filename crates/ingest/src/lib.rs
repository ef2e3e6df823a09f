//! From the bytes of a document to its text, in blocks, with a report of what was found on the way; and from there to chunks,
//! words and vectors.
//!
//! It knows no tenants, no storage and no network, and does no I/O but what it is given. It is pure: the same bytes give the same
//! reading. What a document may cost is bounded by [`Bounds`]; what its parsers may do to their process (loop, swell, abort) is
//! bounded by a child process, which [`child::Reader`] runs.
//!
//! ```
//! use insula_ingest::{Bounds, ChunkSettings, Source, chunks, read};
//!
//! let source = Source { name: "lease.md", media_type: None, bytes: b"# Lease\n\nIt ends in May.<!-- or June -->" };
//! let reading = read(&source, &Bounds::default()).unwrap();
//! assert_eq!(reading.text, "Lease\n\nIt ends in May.");
//! assert_eq!(reading.hidden[0].text, "or June");
//! assert_eq!(chunks(&reading, &ChunkSettings::default())[0].span, 0..reading.text.len());
//! ```

mod bounds;
pub mod child;
mod chunk;
mod detect;
mod draft;
mod duplicates;
mod encoding;
mod formats;
pub mod hashing;
mod language;
mod mojibake;
mod normalise;
mod reading;
mod report;
pub mod sanitise;
mod unreadable;
pub mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use bounds::Bounds;
pub use chunk::{Chunk, ChunkSettings, chunks};
pub use detect::Format;
pub use language::Language;
pub use reading::{Block, BlockKind, Carrier, Hidden, Place, Reading, Source};
pub use report::{Defect, DefectKind, Report};
pub use unreadable::Unreadable;

use draft::Draft;

/// Reads a document in this process. A panic of a parser comes back as [`Unreadable::Crashed`]; time and memory are bounded only
/// as far as [`Bounds`] go, so documents of strangers are read by [`child::Reader`].
pub fn read(source: &Source<'_>, bounds: &Bounds) -> Result<Reading, Unreadable> {
    if source.bytes.len() > bounds.source_bytes_max {
        return Err(Unreadable::TooLarge { bytes: source.bytes.len(), max: bounds.source_bytes_max });
    }
    if source.bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(Unreadable::Empty);
    }
    let how = || "its parser panicked".to_owned();
    catch_unwind(AssertUnwindSafe(|| dispatch(source, bounds))).unwrap_or_else(|_| Err(Unreadable::Crashed { how: how() }))
}

fn dispatch(source: &Source<'_>, bounds: &Bounds) -> Result<Reading, Unreadable> {
    let mut draft = Draft::new(bounds);
    let (format, encoding) = match detect::bytes(source.bytes)? {
        detect::Bytes::Pdf => {
            formats::pdf::read(source.bytes, &mut draft)?;
            (Format::Pdf, None)
        }
        detect::Bytes::Archive => (formats::office::read(source.bytes, &mut draft)?, None),
        detect::Bytes::Letters => {
            let (format, encoding) = letters(source, &mut draft)?;
            (format, Some(encoding.to_owned()))
        }
    };
    if !format.is_text()
        && let Some(mismatch) = detect::mismatch(detect::claim(source), format)
    {
        draft.note(DefectKind::TypeMismatch, mismatch);
    }
    Ok(draft.finish(format, encoding, source.bytes.len()))
}

fn letters(source: &Source<'_>, draft: &mut Draft<'_>) -> Result<(Format, &'static str), Unreadable> {
    let mut decoded = encoding::decode(source.bytes);
    let zeros = decoded.text.matches('\0').count();
    if zeros > 0 {
        decoded.text.retain(|c| c != '\0');
        draft.repairs.add_controls(zeros);
    }
    if decoded.text.trim().is_empty() {
        return Err(Unreadable::Empty);
    }
    let (format, mismatch) = detect::letters(&decoded.text, source);
    if let Some(mismatch) = mismatch {
        draft.note(DefectKind::TypeMismatch, mismatch);
    }
    let text = decoded.text.as_str();
    if format == Format::Email && decoded.encoding.starts_with("UTF-") {
        decoded.defects.clear();
    }
    decoded.defects.drain(..).for_each(|defect| draft.defect(defect));
    match format {
        Format::Markdown => formats::markdown::read(text, draft),
        Format::Html => formats::html::read(text, draft),
        Format::Csv => formats::csv::read(text, draft),
        Format::Json => formats::json::read(text, draft),
        // Each part of a letter has an encoding of its own.
        Format::Email => formats::email::read(source.bytes, draft)?,
        Format::Subtitles => formats::subtitles::read(text, draft),
        Format::Transcript => formats::transcript::read(text, draft),
        _ => formats::text::read(text, draft),
    }
    Ok((format, decoded.encoding))
}
