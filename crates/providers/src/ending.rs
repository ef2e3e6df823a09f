//! Whether an answer came to a good end, so that it may stand for the next one to the same request.

use serde::Deserialize;

#[derive(Deserialize)]
struct Ended<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    finish_reason: Option<&'a str>,
}

/// Whether every choice of a finished chat ended because nothing was left to say; also at the output limit where `at_limit`
/// counts. What a filter withheld, or what breaks off, does not. A stream is given as its events.
pub fn ends_well(answer: &[u8], is_stream: bool, at_limit: bool) -> bool {
    let is_good = |reason: &str| reason == "stop" || (reason == "length" && at_limit);
    if !is_stream {
        let ended: Option<Ended<'_>> = serde_json::from_slice(answer).ok();
        return ended.is_some_and(|ended| {
            !ended.choices.is_empty() && ended.choices.iter().all(|choice| choice.finish_reason.is_some_and(is_good))
        });
    }
    let Ok(text) = std::str::from_utf8(answer) else { return false };
    let (mut is_done, mut ends) = (false, 0);
    for data in text.lines().filter_map(|line| line.strip_prefix("data:")) {
        if data.trim() == "[DONE]" {
            is_done = true;
            continue;
        }
        let Ok(chunk) = serde_json::from_str::<Ended<'_>>(data) else { return false };
        for reason in chunk.choices.iter().filter_map(|choice| choice.finish_reason) {
            if !is_good(reason) {
                return false;
            }
            ends += 1;
        }
    }
    is_done && ends > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_to_its_end_is_good() {
        let whole = |reason: &str| format!(r#"{{"choices":[{{"index":0,"message":{{}},"finish_reason":{reason}}}]}}"#);
        for (reason, is_good) in [("\"stop\"", true), ("\"length\"", false), ("\"content_filter\"", false), ("null", false)] {
            assert_eq!(ends_well(whole(reason).as_bytes(), false, false), is_good, "{reason}");
        }
        assert!(ends_well(whole("\"length\"").as_bytes(), false, true), "the caller's own limit");
        assert!(!ends_well(br#"{"choices":[]}"#, false, true));
        assert!(!ends_well(b"{", false, true));
    }

    #[test]
    fn a_stream_must_be_whole_too() {
        let said = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":null}]}\n\n";
        let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        let (usage, done) = ("data: {\"choices\":[],\"usage\":{}}\n\n", "data: [DONE]\n\n");
        let good = |parts: &[&str]| ends_well(parts.concat().as_bytes(), true, false);
        assert!(good(&[said, end, usage, done]));
        assert!(!good(&[said, end]), "it broke off");
        assert!(!good(&[said, done]), "nobody said why it ended");
        assert!(!good(&[said, "data: {\"choices\":[{\"finish_reason\":\"length\"}]}\n\n", done]));
        assert!(!good(&["data: {\n\n", end, done]));
    }
}
