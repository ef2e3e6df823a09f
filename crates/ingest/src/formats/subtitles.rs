//! Subtitles: SRT and WebVTT.

use std::sync::Arc;

use super::transcript::time;
use crate::{BlockKind, Carrier, DefectKind, Place, draft::Draft};

/// An utterance goes on over cues of the same speaker until a sentence ends, but not for ever.
const UTTERANCE_CHARS_MAX: usize = 600;

/// Whether there is a line of two times with an arrow near the beginning.
pub(crate) fn looks_like(head: &str) -> bool {
    head.lines().filter(|line| !line.trim().is_empty()).take(2).any(|line| times(line).is_some())
}

/// `00:00:01,000 --> 00:00:02,000`, with settings behind it: when it begins.
fn times(line: &str) -> Option<u64> {
    let (from, to) = line.split_once("-->")?;
    time(to.split_whitespace().next()?)?;
    time(from.trim())
}

/// Reads the cues. Sentences that go on in the next cue are put together; each utterance has the time of its beginning.
pub(crate) fn read(text: &str, draft: &mut Draft<'_>) {
    let mut current: Option<(Place, String)> = None;
    let mut strays = 0;
    for cue in paragraphs(text) {
        if draft.is_full() {
            return;
        }
        let Some(at) = cue.iter().position(|line| times(line).is_some()) else {
            match cue.first() {
                Some(line) if line.starts_with("WEBVTT") || line.trim_start_matches('\u{feff}').starts_with("WEBVTT") => {}
                Some(line) if line.starts_with("NOTE") => draft.hide(Carrier::Comment, &Place::default(), &cue.join("\n")),
                Some(line) if line.starts_with("STYLE") || line.starts_with("REGION") => {}
                _ => {
                    strays += 1;
                    let words: String = cue.iter().map(|line| plain(line).1 + "\n").collect();
                    end(current.take(), draft);
                    draft.add(BlockKind::Utterance, &Place::default(), &words);
                }
            }
            continue;
        };
        let time_ms = times(cue[at]);
        for line in &cue[at + 1..] {
            let (speaker, words) = plain(line);
            say(&mut current, speaker, time_ms, &words, draft);
        }
    }
    end(current, draft);
    if strays > 0 {
        draft.defect(crate::Defect::new(DefectKind::Malformed, "cues without times").times(strays));
    }
}

fn paragraphs(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let mut cue = Vec::new();
        for line in lines.by_ref() {
            if !line.trim().is_empty() {
                cue.push(line.trim());
            } else if !cue.is_empty() {
                return Some(cue);
            }
        }
        (!cue.is_empty()).then_some(cue)
    })
}

fn say(
    current: &mut Option<(Place, String)>,
    speaker: Option<String>,
    time_ms: Option<u64>,
    words: &str,
    draft: &mut Draft<'_>,
) {
    if words.trim().is_empty() {
        return;
    }
    let goes_on = current.as_ref().is_some_and(|(place, said)| {
        let same = speaker.is_none() || place.speaker.as_deref() == speaker.as_deref();
        same && !said.trim_end().ends_with(['.', '!', '?', '…', '。', '！', '？']) && said.len() < UTTERANCE_CHARS_MAX
    });
    match current {
        Some((_, said)) if goes_on => {
            said.push('\n');
            said.push_str(words);
        }
        _ => {
            end(current.take(), draft);
            *current = Some((Place { speaker: speaker.map(Arc::from), time_ms, ..Place::default() }, words.to_owned()));
        }
    }
}

fn end(current: Option<(Place, String)>, draft: &mut Draft<'_>) {
    let Some((place, said)) = current else { return };
    let text = place.speaker.as_ref().map_or(said.clone(), |speaker| format!("{speaker}: {}", said.trim_start()));
    draft.add(BlockKind::Utterance, &place, &text);
}

/// A line without its tags, and who speaks: `<v Ada>so</v>`, `- Ada: so`, `ADA: so`.
fn plain(line: &str) -> (Option<String>, String) {
    let mut speaker = None;
    let mut words = String::new();
    let mut rest = line;
    while let Some((before, tag)) = rest.split_once('<') {
        words.push_str(before);
        let Some((tag, after)) = tag.split_once('>') else {
            words.push('<');
            rest = tag;
            continue;
        };
        if let Some(name) =
            tag.strip_prefix("v ").or_else(|| tag.split_once(' ').filter(|(v, _)| v.starts_with("v.")).map(|(_, name)| name))
        {
            speaker = Some(name.trim().to_owned());
        }
        rest = after;
    }
    words.push_str(rest);
    let words = words.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    if speaker.is_none()
        && let Some((name, said)) = words.trim_start_matches(['-', ' ']).split_once(": ")
        && name.chars().count() <= 30
        && name.chars().next().is_some_and(char::is_uppercase)
        && name.split(' ').count() <= 3
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '\''))
    {
        return (Some(name.to_owned()), said.to_owned());
    }
    (speaker, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Reading, formats::reading_of};

    fn reading(text: &str) -> Reading {
        reading_of(text, Format::Subtitles, read)
    }

    #[test]
    fn sentences_over_cues_come_together() {
        let srt = "1\n00:00:01,000 --> 00:00:02,000\n<i>The lease ends\n\n2\n00:00:02,500 --> 00:00:04,000\nin three months.</i>\n\n3\n00:00:05,000 --> 00:00:06,000\nGood.\n";
        let reading = reading(srt);
        assert_eq!(reading.text, "The lease ends in three months.\n\nGood.");
        assert_eq!(reading.blocks[1].place.time_ms, Some(5_000));
    }

    #[test]
    fn voices_are_speakers_and_notes_are_hidden() {
        let vtt = "WEBVTT\n\nNOTE secret remark\n\n00:01.000 --> 00:02.000 align:start\n<v Ada Byron>Shall we begin?</v>\n\n00:03.000 --> 00:04.000\n- ALAN: Yes &amp; no.\n";
        let reading = reading(vtt);
        assert_eq!(reading.text, "Ada Byron: Shall we begin?\n\nALAN: Yes & no.");
        assert_eq!(reading.blocks[0].place.speaker.as_deref(), Some("Ada Byron"));
        assert_eq!(reading.hidden[0].carrier, Carrier::Comment);
    }
}
