//! What was said in a meeting, as recorders and note takers write it down.

use std::sync::Arc;

use super::text;
use crate::{BlockKind, Place, draft::Draft, normalise::Lines};

/// A longer name is a sentence.
const NAME_CHARS_MAX: usize = 40;
const NAME_WORDS_MAX: usize = 5;
/// So many utterances make a transcript.
const UTTERANCES_MIN: usize = 3;
/// So many of a hundred lines begin one.
const LINES_PERCENT_MIN: usize = 30;

/// The beginning of an utterance: who, when, and the first words.
#[derive(Debug, PartialEq, Eq)]
struct Turn<'a> {
    speaker: Option<&'a str>,
    time_ms: Option<u64>,
    words: &'a str,
}

/// Whether a text looks like a transcript: enough lines begin an utterance, and somebody speaks twice or the time is told.
pub(crate) fn looks_like(head: &str) -> bool {
    let lines: Vec<&str> = head.lines().filter(|line| !line.trim().is_empty()).collect();
    let turns: Vec<Turn<'_>> = lines.iter().filter_map(|line| turn(line)).collect();
    let mut speakers: Vec<&str> = turns.iter().filter_map(|turn| turn.speaker).collect();
    let spoken = speakers.len();
    speakers.sort_unstable();
    speakers.dedup();
    let timed = turns.iter().filter(|turn| turn.time_ms.is_some()).count();
    let conversation = spoken >= UTTERANCES_MIN && speakers.len() < spoken && speakers.len() >= 2;
    turns.len() >= UTTERANCES_MIN
        && turns.len() * 100 >= lines.len() * LINES_PERCENT_MIN
        && (conversation || timed >= UTTERANCES_MIN)
}

/// Reads it, each utterance with its speaker and time.
pub(crate) fn read(text: &str, draft: &mut Draft<'_>) {
    let mut place: Option<Place> = None;
    let mut said: Vec<&str> = Vec::new();
    let mut before: Vec<&str> = Vec::new();
    let mut speakers: Vec<Arc<str>> = Vec::new();
    for line in text.lines() {
        if draft.is_full() {
            return;
        }
        let Some(turn) = turn(line) else {
            if place.is_some() {
                said.push(line)
            } else {
                before.push(line)
            }
            continue;
        };
        match place.take() {
            Some(place) => utterance(&place, &mut said, draft),
            None => text::paragraphs(before.drain(..), &Place::default(), draft),
        }
        let speaker = turn.speaker.map(|name| {
            let known = speakers.iter().find(|known| known.as_ref() == name).cloned();
            known.unwrap_or_else(|| {
                speakers.push(Arc::from(name));
                Arc::from(name)
            })
        });
        place = Some(Place { speaker, time_ms: turn.time_ms, ..Place::default() });
        said.push(turn.words);
    }
    match place {
        Some(place) => utterance(&place, &mut said, draft),
        None => text::paragraphs(before.into_iter(), &Place::default(), draft),
    }
}

/// The speaker stands in front of what was said, so that a search for the name finds it.
fn utterance(place: &Place, said: &mut Vec<&str>, draft: &mut Draft<'_>) {
    let words = std::mem::take(said).join("\n");
    if words.trim().is_empty() {
        return;
    }
    let text = place.speaker.as_ref().map_or(words.clone(), |speaker| format!("{speaker}: {}", words.trim_start()));
    draft.add_lines(BlockKind::Utterance, place, &text, Lines::Flow);
}

/// `Ada: so`, `[00:01:02] Ada: so`, `Ada (00:01:02): so`, `Ada 00:01:02` with the words on the next line, `00:01:02 so`.
fn turn(line: &str) -> Option<Turn<'_>> {
    let line = line.trim();
    if let Some((time_ms, rest)) = leading_time(line) {
        let rest = rest.trim_start_matches([' ', '-', '–', '|', '\t']);
        return Some(match rest.split_once(':') {
            Some((name, words)) if is_name(name) => Turn { speaker: Some(name.trim()), time_ms: Some(time_ms), words },
            _ if is_name(rest)
                && rest.split(' ').count() <= 3
                && !rest.is_empty()
                && rest.ends_with(char::is_alphanumeric)
                && is_capitalised(rest) =>
            {
                Turn { speaker: Some(rest), time_ms: Some(time_ms), words: "" }
            }
            _ => Turn { speaker: None, time_ms: Some(time_ms), words: rest },
        });
    }
    if let Some((name, time_ms)) = trailing_time(line) {
        return is_name(name).then_some(Turn { speaker: Some(name), time_ms: Some(time_ms), words: "" });
    }
    // The time in brackets behind the name may hold colons itself.
    if let Some((head, words)) = line.split_once("):").or_else(|| line.split_once("]:"))
        && let Some((name, time_ms)) = trailing_time(head)
    {
        return is_name(name).then_some(Turn { speaker: Some(name), time_ms: Some(time_ms), words });
    }
    let (name, words) = line.split_once(':')?;
    (is_name(name) && words.starts_with([' ', '\t'])).then_some(Turn { speaker: Some(name.trim()), time_ms: None, words })
}

fn is_capitalised(name: &str) -> bool {
    name.split_whitespace().all(|word| word.chars().next().is_some_and(|c| !c.is_lowercase()))
}

/// Whether this may be a person's name or function: few words, the first of which is no small letter.
fn is_name(name: &str) -> bool {
    let name = name.trim();
    let plain = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '\'' | '’' | '(' | ')' | '_' | '#' | '/' | '&' | ','));
    plain
        && name.chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_lowercase())
        && name.chars().count() <= NAME_CHARS_MAX
        && name.split_whitespace().count() <= NAME_WORDS_MAX
}

fn leading_time(line: &str) -> Option<(u64, &str)> {
    let inner = line.strip_prefix(['[', '(']);
    let text = inner.unwrap_or(line);
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ','))).unwrap_or(text.len());
    let time_ms = time(&text[..end])?;
    let rest = &text[end..];
    let rest = if inner.is_some() { rest.strip_prefix([']', ')'])? } else { rest };
    Some((time_ms, rest))
}

fn trailing_time(line: &str) -> Option<(&str, u64)> {
    let line = line.trim_end_matches([')', ']', ' ']);
    let start = line.rfind(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.')))? + 1;
    let start = if line.is_char_boundary(start) { start } else { return None };
    let time_ms = time(&line[start..])?;
    Some((line[..start].trim_end_matches([' ', '(', '[', '\t', '-', '|']), time_ms))
}

/// `1:02`, `01:02:03`, `01:02:03.456`, in milliseconds.
pub(crate) fn time(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let parts: Vec<&str> = whole.split(':').collect();
    let plain = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(plain) || fraction.len() > 3 {
        return None;
    }
    if parts.last()?.len() != 2 {
        return None;
    }
    let seconds = parts.iter().try_fold(0_u64, |sum, part| Some(sum * 60 + part.parse::<u64>().ok()?))?;
    let ms = if fraction.is_empty() { 0 } else { format!("{fraction:0<3}").parse::<u64>().ok()? };
    Some(seconds * 1000 + ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Format};

    #[test]
    fn turns_are_known_as_recorders_write_them() {
        let some = |speaker: &'static str, time_ms: Option<u64>, words| {
            Some(Turn { speaker: Some(speaker).filter(|name| !name.is_empty()), time_ms, words })
        };
        assert_eq!(turn("Ada: so"), some("Ada", None, " so"));
        assert_eq!(turn("[00:01:02] Ada Byron: so"), some("Ada Byron", Some(62_000), " so"));
        assert_eq!(turn("Ada (00:01:02): so"), some("Ada", Some(62_000), " so"));
        assert_eq!(turn("Ada Byron  01:02"), some("Ada Byron", Some(62_000), ""));
        assert_eq!(turn("00:01:02.500 so it is"), some("", Some(62_500), "so it is"));
        assert_eq!(turn("and then: nothing"), None);
        assert_eq!(turn("See http://a.example"), None);
        assert_eq!(turn(""), None);
    }

    #[test]
    fn speakers_and_times_are_kept() {
        let text = "Weekly meeting\n\nAda Byron 00:01\nShall we\nbegin?\n\nAlan 00:05\nYes.\nAda Byron 00:09\nGood.\n";
        assert!(looks_like(text));
        let bounds = Bounds::default();
        let mut draft = Draft::new(&bounds);
        read(text, &mut draft);
        let reading = draft.finish(Format::Transcript, None, 0);
        let said: Vec<_> =
            reading.blocks.iter().map(|block| (&reading.text[block.span.clone()], block.place.time_ms)).collect();
        assert_eq!(
            said,
            [
                ("Weekly meeting", None),
                ("Ada Byron: Shall we begin?", Some(1_000)),
                ("Alan: Yes.", Some(5_000)),
                ("Ada Byron: Good.", Some(9_000))
            ]
        );
    }
}
