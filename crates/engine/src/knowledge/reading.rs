//! From bytes to chunks: the one place where a document is read.
//!
//! Text and Markdown, for now. What reads other formats, repairs and reports, and finds what is hidden in a text, is called here.

use std::ops::Range;

use super::detail::{Passage, Trouble};

/// What was handed in.
pub(super) struct Source<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What whoever handed it in says that it is.
    pub media_type: Option<&'a str>,
    /// All of it.
    pub bytes: &'a [u8],
}

/// Endings of names, and media types, of what is not text.
const NO_TEXT: [&str; 12] = [
    ".pdf",
    ".docx",
    ".pptx",
    ".xlsx",
    ".doc",
    ".ppt",
    ".xls",
    ".zip",
    "application/pdf",
    "application/zip",
    "officedocument",
    "image/",
];

/// Reads a document and cuts it into chunks of at most `chunk_bytes_max`, which together are its text.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read(source: &Source<'_>, chunk_bytes_max: usize) -> Result<Vec<Passage>, Trouble> {
    let says = |word: &&str| {
        source.name.to_ascii_lowercase().ends_with(*word) || source.media_type.is_some_and(|media| media.contains(*word))
    };
    let has_zeros = source.bytes.contains(&0);
    if has_zeros || NO_TEXT.iter().any(|word| says(word)) {
        return Err(trouble("unsupported_format", "this format is not read yet; hand in plain text or Markdown in UTF-8"));
    }
    let Ok(text) = std::str::from_utf8(source.bytes) else {
        return Err(trouble("unsupported_encoding", "the text is not UTF-8; save it as UTF-8 and hand it in again"));
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let passages: Vec<Passage> = cut(&text, chunk_bytes_max.max(LONGEST_CHAR_BYTES))
        .into_iter()
        .filter(|span| !text[span.clone()].trim().is_empty())
        .map(|span| Passage { text: text[span.clone()].to_owned(), span })
        .collect();
    if passages.is_empty() {
        return Err(trouble("empty_document", "the document holds no text"));
    }
    Ok(passages)
}

fn trouble(code: &str, message: &str) -> Trouble {
    Trouble { code: code.to_owned(), message: message.to_owned() }
}

/// Bytes of the longest character in UTF-8.
const LONGEST_CHAR_BYTES: usize = 4;

/// Cuts a text where it bears it best: between paragraphs, else lines, sentences, words, and in the middle of one where it must be.
fn cut(text: &str, bytes_max: usize) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let mut end = text.len().min(start + bytes_max);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        if end < text.len() {
            end = start + seam(&text[start..end]);
        }
        spans.push(start..end);
        start = end;
    }
    spans
}

/// Where the first part of a text ends that has to be cut.
fn seam(text: &str) -> usize {
    // A seam in the first half would leave too little.
    let least = text.len() / 2;
    let seams = ["\n\n", "\n", ". ", "? ", "! ", "。", " "];
    seams.iter().find_map(|seam| text.rfind(seam).map(|at| at + seam.len()).filter(|end| *end > least)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> Source<'_> {
        Source { name: "a.txt", media_type: None, bytes }
    }

    proptest! {
        #[test]
        fn chunks_are_the_text(text in "[a-z .\\n\u{4e00}-\u{4e10}😀]{0,400}", bytes_max in 4_usize..60) {
            let cut = cut(&text, bytes_max);
            prop_assert_eq!(cut.iter().map(|span| &text[span.clone()]).collect::<String>(), text.clone());
            prop_assert!(cut.iter().all(|span| span.len() <= bytes_max && !span.is_empty()));
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>, bytes_max in 0_usize..20) {
            let _ = read(&of(&bytes), bytes_max);
        }
    }

    #[test]
    fn a_text_is_cut_between_paragraphs() {
        let text = format!("{}\n\n{}", "one. ".repeat(10).trim(), "two. ".repeat(10));
        let read = read(&of(text.as_bytes()), 80).unwrap();
        assert_eq!(read.len(), 2);
        assert!(read[0].text.ends_with("one.\n\n") && read[1].text.starts_with("two."));
        assert_eq!(&text[read[1].span.clone()], read[1].text);
    }

    #[test]
    fn what_is_no_text_is_told() {
        let code = |source: &Source<'_>| read(source, 100).unwrap_err().code;
        assert_eq!(code(&of(b"a\0b")), "unsupported_format");
        assert_eq!(code(&Source { name: "A.PDF", media_type: None, bytes: b"%PDF" }), "unsupported_format");
        assert_eq!(code(&Source { name: "a", media_type: Some("application/pdf"), bytes: b"x" }), "unsupported_format");
        assert_eq!(code(&of(b"\xff\xfe")), "unsupported_encoding");
        assert_eq!(code(&of(b" \r\n")), "empty_document");
    }
}
