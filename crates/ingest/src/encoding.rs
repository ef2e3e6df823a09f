//! From bytes to letters: which encoding, and what was wrong with it.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::{Defect, DefectKind, mojibake};

/// How many bytes are looked at for the zeros of UTF-16.
const ZEROS_LOOKED_AT_BYTES: usize = 4096;
/// So many of a hundred bytes in every other place are zeros in Western text as UTF-16.
const ZEROS_PERCENT_MIN: usize = 40;

/// Text, and how it came about.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    /// The name of the encoding.
    pub(crate) encoding: &'static str,
    pub(crate) defects: Vec<Defect>,
}

/// Reads bytes as text, whatever they are.
pub(crate) fn decode(bytes: &[u8]) -> Decoded {
    let mut decoded = letters(bytes);
    if let Some((repaired, count)) = mojibake::repair(&decoded.text) {
        decoded.text = repaired;
        decoded.defects.push(Defect::new(DefectKind::MojibakeRepaired, "").times(count));
    }
    decoded
}

fn letters(bytes: &[u8]) -> Decoded {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return if encoding == UTF_8 { utf8(&bytes[mark..]) } else { converted(encoding, &bytes[mark..]) };
    }
    match utf16_without_mark(bytes) {
        Some(encoding) => converted(encoding, bytes),
        None => utf8(bytes),
    }
}

/// UTF-16 of Western text has a zero in every other byte.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let looked_at = &bytes[..bytes.len().min(ZEROS_LOOKED_AT_BYTES)];
    let zeros = |from: usize| looked_at.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let enough = |zeros: usize| looked_at.len() >= 4 && zeros * 100 >= looked_at.len() / 2 * ZEROS_PERCENT_MIN;
    if enough(odd) && even * 10 <= odd {
        Some(UTF_16LE)
    } else if enough(even) && odd * 10 <= even {
        Some(UTF_16BE)
    } else {
        None
    }
}

fn converted(encoding: &'static Encoding, bytes: &[u8]) -> Decoded {
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    let mut defects = vec![Defect::new(DefectKind::EncodingConverted, encoding.name())];
    if broken {
        defects.push(invalid(&text));
    }
    Decoded { text: text.into_owned(), encoding: encoding.name(), defects }
}

fn utf8(bytes: &[u8]) -> Decoded {
    if let Ok(text) = str::from_utf8(bytes) {
        return Decoded { text: text.to_owned(), encoding: "UTF-8", defects: Vec::new() };
    }
    let whole = without_cut_letter(bytes);
    let cut_off = whole.len() < bytes.len();
    let (mut proper, mut foreign) = (0, 0);
    for chunk in whole.utf8_chunks() {
        proper += chunk.valid().chars().filter(|c| is_likely(*c)).count();
        foreign += chunk.invalid().len();
    }
    let mut decoded = if foreign == 0 {
        Decoded { text: String::from_utf8_lossy(whole).into_owned(), encoding: "UTF-8", defects: Vec::new() }
    } else if proper > 0 && proper * 4 >= foreign {
        mixed(whole, foreign)
    } else {
        guessed(whole)
    };
    if cut_off && foreign == 0 {
        decoded.defects.push(Defect::new(DefectKind::CutOff, "in the middle of a letter"));
    }
    decoded
}

/// Letters that people write in UTF-8. Encodings of old give others by chance: letters of phonetics, marks without a letter.
fn is_likely(c: char) -> bool {
    matches!(c, '\u{a0}'..='\u{24f}' | '\u{370}'..='\u{6ff}' | '\u{2010}'..='\u{20cf}' | '\u{3000}'..='\u{d7af}')
}

/// Without the beginning of a letter whose end is missing.
fn without_cut_letter(bytes: &[u8]) -> &[u8] {
    match str::from_utf8(&bytes[bytes.len().saturating_sub(4)..]) {
        Err(error) if error.error_len().is_none() => &bytes[..bytes.len().saturating_sub(4) + error.valid_up_to()],
        // The window may begin inside a letter.
        Err(_) => {
            let cut = (1..=3).find(|n| {
                let from = bytes.len().saturating_sub(*n);
                let tail = &bytes[from..];
                tail.first().is_some_and(|byte| *byte >= 0xc2)
                    && str::from_utf8(tail).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
            });
            &bytes[..bytes.len() - cut.unwrap_or(0)]
        }
        Ok(_) => bytes,
    }
}

/// UTF-8 with bytes of Windows-1252 in it, as files have that were pasted together.
fn mixed(bytes: &[u8], foreign: usize) -> Decoded {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.push_str(&WINDOWS_1252.decode_without_bom_handling(chunk.invalid()).0);
    }
    let defect = Defect::new(DefectKind::EncodingMixed, "UTF-8 and windows-1252").times(foreign);
    Decoded { text, encoding: "UTF-8", defects: vec![defect] }
}

/// Of an encoding of old, told by how frequent its letters are.
fn guessed(bytes: &[u8]) -> Decoded {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    converted(detector.guess(None, Utf8Detection::Deny), bytes)
}

fn invalid(text: &str) -> Defect {
    let count = text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    Defect::new(DefectKind::InvalidBytes, "").times(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(bytes: &[u8]) -> (String, &'static str, Vec<DefectKind>) {
        let decoded = decode(bytes);
        (decoded.text, decoded.encoding, decoded.defects.iter().map(|defect| defect.kind).collect())
    }

    #[test]
    fn marks_are_heeded_and_taken_off() {
        assert_eq!(kinds(b"\xef\xbb\xbfab"), ("ab".into(), "UTF-8", vec![]));
        assert_eq!(kinds(b"\xff\xfea\0\xe4\0"), ("aä".into(), "UTF-16LE", vec![DefectKind::EncodingConverted]));
    }

    #[test]
    fn utf16_is_known_without_a_mark() {
        let bytes: Vec<u8> = "Hello, Zoë".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(kinds(&bytes).0, "Hello, Zoë");
        assert_eq!(kinds(b"a\0b c d e f").1, "UTF-8");
    }

    #[test]
    fn encodings_of_old_are_told() {
        let (text, _, _) = WINDOWS_1252.encode("Der Vertrag verlängert sich um ein Jahr, „so lange wie möglich“ — für 5 €.");
        assert_eq!(kinds(&text).0, "Der Vertrag verlängert sich um ein Jahr, „so lange wie möglich“ — für 5 €.");
        let japanese = "この契約は日本法に準拠します。売主は商品を引き渡すものとします。";
        assert_eq!(
            kinds(&encoding_rs::SHIFT_JIS.encode(japanese).0),
            (japanese.into(), "Shift_JIS", vec![DefectKind::EncodingConverted])
        );
        let russian = "Договор вступает в силу с момента подписания обеими сторонами.";
        assert_eq!(kinds(&encoding_rs::WINDOWS_1251.encode(russian).0).0, russian);
    }

    #[test]
    fn what_was_pasted_together_is_read_in_parts() {
        let mut bytes = "Größe und Länge, ".as_bytes().to_vec();
        bytes.extend(b"H\xf6he.");
        assert_eq!(kinds(&bytes), ("Größe und Länge, Höhe.".into(), "UTF-8", vec![DefectKind::EncodingMixed]));
    }

    #[test]
    fn a_cut_letter_is_left_out_and_named() {
        let bytes = "Größe 東京".as_bytes();
        assert_eq!(kinds(&bytes[..bytes.len() - 1]), ("Größe 東".into(), "UTF-8", vec![DefectKind::CutOff]));
    }
}
