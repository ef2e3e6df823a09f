//! Text that has to be decoded before anybody can read it.

use std::ops::Range;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::Disguise;

/// The shortest base64 that holds a sentence.
const BASE64_CHARS_MIN: usize = 24;
/// The shortest line that base64 is broken after.
const BASE64_LINE_CHARS_MIN: usize = 40;
/// The fewest bytes written as digits that hold a sentence.
const CODES_MIN: usize = 12;
/// The longest that one code is: eight bits, or two digits behind `0x`.
const CODE_CHARS_MAX: usize = 8;

const DECODER: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A part of a text and what it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) span: Range<usize>,
    pub(super) disguise: Disguise,
    pub(super) text: String,
}

/// Finds what decodes to something readable. Each byte is looked at a fixed number of times.
pub(super) fn find(text: &str) -> Vec<Decoded> {
    let mut found = base64_runs(text);
    found.extend(codes(text));
    found
}

fn base64_runs(text: &str) -> Vec<Decoded> {
    let bytes = text.as_bytes();
    let sign = |at: usize| bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(b));
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !sign(at) {
            at += 1;
            continue;
        }
        let start = at;
        let (mut line, mut signs) = (at, Vec::new());
        loop {
            while sign(at) {
                signs.extend(bytes.get(at).map(|b| {
                    if *b == b'-' {
                        b'+'
                    } else if *b == b'_' {
                        b'/'
                    } else {
                        *b
                    }
                }));
                at += 1;
            }
            let gap = if bytes.get(at) == Some(&b'\r') { 2 } else { 1 };
            let goes_on = at - line >= BASE64_LINE_CHARS_MIN && bytes.get(at + gap - 1) == Some(&b'\n') && sign(at + gap);
            if !goes_on {
                break;
            }
            at += gap;
            line = at;
        }
        let end = at + bytes.get(at..).unwrap_or_default().iter().take(2).take_while(|b| **b == b'=').count();
        if signs.len() >= BASE64_CHARS_MIN {
            if signs.len() % 4 == 1 {
                signs.pop();
            }
            let text = DECODER.decode(&signs).ok().and_then(readable);
            found.extend(text.map(|text| Decoded { span: start..end, disguise: Disguise::Base64, text }));
        }
    }
    found
}

/// Bytes written as digits: two hexadecimal ones, eight bits, or decimal numbers, set apart or (hexadecimal, bits) in a row.
fn codes(text: &str) -> Vec<Decoded> {
    let mut found = Vec::new();
    let mut run = Vec::new();
    let mut end_of_run = 0;
    for (start, token) in tokens(text) {
        if !run.is_empty() && start - end_of_run > 2 {
            found.extend(decode_codes(&run));
            run.clear();
        }
        end_of_run = start + token.len();
        let digits = token.bytes().all(|b| b.is_ascii_hexdigit());
        if token.len() > CODE_CHARS_MAX && digits {
            found.extend(decode_row(start, token));
        }
        let code = token.strip_prefix("0x").unwrap_or(token);
        if code.len() <= CODE_CHARS_MAX && !code.is_empty() && code.bytes().all(|b| b.is_ascii_hexdigit()) {
            run.push((start, token));
        } else {
            found.extend(decode_codes(&run));
            run.clear();
        }
    }
    found.extend(decode_codes(&run));
    found
}

/// Runs of letters and digits, with their places.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let apart = |c: char| !c.is_ascii_alphanumeric();
    let mut at = 0;
    let places = text.split_inclusive(apart).map(move |piece| {
        let start = at;
        at += piece.len();
        (start, piece.trim_end_matches(apart))
    });
    places.filter(|(_, token)| !token.is_empty())
}

fn decode_row(start: usize, token: &str) -> Option<Decoded> {
    let (size, radix, disguise) = if token.bytes().all(|b| matches!(b, b'0' | b'1')) && token.len().is_multiple_of(8) {
        (8, 2, Disguise::Binary)
    } else {
        (2, 16, Disguise::Hex)
    };
    if token.len() < size * CODES_MIN {
        return None;
    }
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok();
    let bytes = token.as_bytes().chunks_exact(size).map(byte).collect::<Option<Vec<u8>>>()?;
    Some(Decoded { span: start..start + token.len(), disguise, text: readable(bytes)? })
}

fn decode_codes(run: &[(usize, &str)]) -> Option<Decoded> {
    if run.len() < CODES_MIN {
        return None;
    }
    let bare = |token: &str| token.strip_prefix("0x").unwrap_or(token).to_owned();
    let all = |is: fn(&str) -> bool| run.iter().all(|(_, token)| is(token.strip_prefix("0x").unwrap_or(token)));
    let (radix, disguise) = if all(|t| t.len() == 8 && t.bytes().all(|b| matches!(b, b'0' | b'1'))) {
        (2, Disguise::Binary)
    } else if all(|t| (2..=3).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit()))
        && run.iter().any(|(_, t)| t.len() == 3)
    {
        (10, Disguise::Codes)
    } else if all(|t| t.len() == 2) {
        (16, Disguise::Hex)
    } else {
        return None;
    };
    let bytes = run.iter().map(|(_, token)| u8::from_str_radix(&bare(token), radix).ok()).collect::<Option<Vec<u8>>>()?;
    let (first, last) = (run.first()?, run.last()?);
    Some(Decoded { span: first.0..last.0 + last.1.len(), disguise, text: readable(bytes)? })
}

/// Bytes as text, if somebody could read it. Every second byte zero is UTF-16.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let wide = bytes.len() >= 8 && bytes.iter().skip(1).step_by(2).filter(|b| **b == 0).count() * 2 + 2 >= bytes.len();
    let bytes = if wide { bytes.into_iter().step_by(2).collect() } else { bytes };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) => {
            let upto = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            if bytes.len() - upto > 3 {
                return None;
            }
            bytes.truncate(upto);
            String::from_utf8(bytes).ok()?
        }
    };
    let total = text.chars().count();
    let good = text.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace() || c.is_ascii_punctuation()).count();
    (total >= 8 && good * 10 >= total * 9).then_some(text)
}
