//! What letters look like.

use super::Format;
use crate::formats::{subtitles, transcript};

/// How much of a text is looked at.
const LOOKED_AT_BYTES: usize = 32 * 1024;
/// How many rows are looked at for one and the same number of cells.
const ROWS_LOOKED_AT: usize = 20;

/// The format of a text: what is unmistakable first, then what is claimed where it may be so, then what is likely.
pub(super) fn at(text: &str, claimed: Option<Format>) -> Format {
    let head = &text[..text.floor_char_boundary(LOOKED_AT_BYTES)];
    if head.trim_start().starts_with("WEBVTT") || subtitles::looks_like(head) {
        return Format::Subtitles;
    }
    if is_page(head) {
        return Format::Html;
    }
    if is_letter(head) {
        return Format::Email;
    }
    match claimed {
        Some(Format::Json) if starts_as_json(head) => return Format::Json,
        Some(Format::Csv) if likely_delimiter(head).is_some() => return Format::Csv,
        Some(Format::Html) if has_tags(head) => return Format::Html,
        Some(Format::Markdown) => return Format::Markdown,
        _ => {}
    }
    if starts_as_json(head) && is_json(head, text) {
        return Format::Json;
    }
    if transcript::looks_like(head) {
        return Format::Transcript;
    }
    if claimed != Some(Format::Text) && has_tags(head) && head.trim_start().starts_with('<') {
        return Format::Html;
    }
    if is_markdown(head) {
        return Format::Markdown;
    }
    if claimed.is_none_or(|claimed| claimed != Format::Text) && delimiter(head).is_some_and(|(_, rows)| rows >= 3) {
        return Format::Csv;
    }
    Format::Text
}

fn is_page(head: &str) -> bool {
    let start = head.trim_start();
    let start = start[..start.floor_char_boundary(1024)].to_ascii_lowercase();
    let declared = start
        .strip_prefix("<?xml")
        .map_or(start.as_str(), |rest| rest.split_once("?>").map_or("", |(_, rest)| rest.trim_start()));
    declared.starts_with("<!doctype html")
        || declared.starts_with("<html")
        || (declared.starts_with("<!--") && declared.contains("<html"))
        || ["<head", "<body", "<article", "<main", "<div"].iter().any(|tag| declared.starts_with(tag))
}

/// Whether tags of pages come and go.
fn has_tags(head: &str) -> bool {
    let lower = head.to_ascii_lowercase();
    ["</p>", "</div>", "</a>", "</td>", "</span>", "</li>", "</h1>", "</h2>", "</body>", "<br"]
        .iter()
        .any(|tag| lower.contains(tag))
}

/// A letter begins with headers, of which some must be there.
fn is_letter(head: &str) -> bool {
    const KNOWN: &[&str] = &[
        "from",
        "to",
        "subject",
        "date",
        "received",
        "return-path",
        "message-id",
        "mime-version",
        "delivered-to",
        "content-type",
        "reply-to",
        "dkim-signature",
    ];
    let mut known = 0;
    let mut telling = false;
    for line in head.lines().take(200) {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        let name = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        known += usize::from(KNOWN.contains(&name.as_str()));
        telling |=
            matches!(name.as_str(), "received" | "return-path" | "message-id" | "mime-version" | "delivered-to" | "date");
    }
    known >= 3 && telling
}

fn starts_as_json(head: &str) -> bool {
    head.trim_start().starts_with(['{', '['])
}

/// Whether it is JSON as a whole or in its first line, or at least begins with a name or value in quotes.
fn is_json(head: &str, text: &str) -> bool {
    let start = head.trim_start();
    let parses = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let inner = start.trim_start_matches(['{', '[', ' ', '\n', '\r', '\t']);
    parses(text) || start.lines().next().is_some_and(parses) || (inner.starts_with('"') && start.contains("\":"))
}

fn is_markdown(head: &str) -> bool {
    let lines = || head.lines().map(str::trim_end);
    let heading = |line: &str| {
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        (1..=6).contains(&level) && line[level..].starts_with(' ')
    };
    let headings = lines().filter(|line| heading(line)).count();
    let fences = lines().filter(|line| line.starts_with("```")).count();
    let links = head.matches("](").count();
    let rules = lines().filter(|line| line.starts_with("|") && line.contains("---")).count();
    headings + fences / 2 + links + 2 * rules >= 2
}

/// What sets the cells apart, and in how many of the first rows there are equally many.
fn delimiter(head: &str) -> Option<(u8, usize)> {
    let rows: Vec<&str> = head.lines().filter(|line| !line.trim().is_empty()).take(ROWS_LOOKED_AT).collect();
    let best = [b',', b';', b'\t', b'|']
        .into_iter()
        .map(|delimiter| (delimiter, agreeing(&rows, delimiter)))
        .max_by_key(|(_, n)| *n)?;
    // One row alone says nothing about the next; running text has commas too.
    (best.1 >= 2 && best.1 * 10 >= rows.len() * 7).then_some(best)
}

/// What sets the cells apart in rows that are said to be such: as above, or else what is in most of them.
pub(crate) fn likely_delimiter(head: &str) -> Option<u8> {
    if let Some((delimiter, _)) = delimiter(head) {
        return Some(delimiter);
    }
    let rows: Vec<&str> = head.lines().filter(|line| !line.trim().is_empty()).take(ROWS_LOOKED_AT).collect();
    let within = |delimiter: u8| rows.iter().filter(|row| outside_quotes(row, delimiter) > 0).count();
    let best = [b',', b';', b'\t', b'|'].into_iter().max_by_key(|delimiter| within(*delimiter))?;
    (within(best) >= 2 && within(best) * 2 >= rows.len()).then_some(best)
}

fn agreeing(rows: &[&str], delimiter: u8) -> usize {
    let counts: Vec<usize> = rows.iter().map(|row| outside_quotes(row, delimiter)).collect();
    let most =
        counts.iter().filter(|count| **count > 0).max_by_key(|count| counts.iter().filter(|other| other == count).count());
    most.map_or(0, |most| counts.iter().filter(|count| *count == most).count())
}

fn outside_quotes(row: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for byte in row.bytes() {
        quoted ^= byte == b'"';
        count += usize::from(byte == delimiter && !quoted);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_tell_what_they_are() {
        let cases = [
            ("WEBVTT\n\n00:01.000 --> 00:02.000\nHi", Format::Subtitles),
            ("1\n00:00:01,000 --> 00:00:02,000\nHi\n", Format::Subtitles),
            ("<!DOCTYPE html><p>Hi", Format::Html),
            ("\n<?xml version=\"1.0\"?>\n<html><body>", Format::Html),
            ("From: a@b.example\nTo: c@d.example\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: Hi\n\nText", Format::Email),
            ("{\"a\": [1, 2]}", Format::Json),
            ("{\"a\": [1, 2", Format::Json),
            ("# Title\n\nText\n\n## Part\n", Format::Markdown),
            ("name;age;city\nAda;36;London\nAlan;41;Wilmslow\nGrace;85;New York", Format::Csv),
            ("Ada: Hello all.\nAlan: Hello.\nAda: Shall we begin?\nAlan: Yes.", Format::Transcript),
            ("Dear all,\nfrom now on, we meet at noon, not at one.\nYours, Ada", Format::Text),
            ("[1] This is a footnote.\n", Format::Text),
            ("Note: this is one.\nFrom: here\n", Format::Text),
        ];
        for (text, format) in cases {
            assert_eq!(at(text, None), format, "{text}");
        }
    }

    #[test]
    fn a_claim_decides_where_both_are_possible() {
        assert_eq!(at("a,b\n1,2", Some(Format::Csv)), Format::Csv);
        assert_eq!(at("just words", Some(Format::Markdown)), Format::Markdown);
        assert_eq!(at("just words", Some(Format::Html)), Format::Text);
        assert_eq!(at("just words", Some(Format::Json)), Format::Text);
        assert_eq!(at("a,b\n1,2\n3,4", Some(Format::Text)), Format::Text);
    }
}
