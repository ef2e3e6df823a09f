//! An answer on its way to its caller, held to what was found: citations are checked, and calls of tools taken out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use insula_model::chat::{Event, Finish, Grounding};
use insula_providers::{Edit, WrongCitation};

use super::{
    Grounds,
    marks::{Mark, Piece, Reader},
};

/// Holds one answer to what was found.
#[derive(Debug)]
pub(super) struct Ground {
    grounds: Arc<Grounds>,
    choices: HashMap<u64, Choice>,
    /// Those that are at their end.
    finished: HashSet<u64>,
}

/// One of the answers.
#[derive(Debug)]
struct Choice {
    reader: Reader,
    /// Characters that went on.
    said: usize,
    grounding: Grounding,
    /// Calls whose arguments are taken out too.
    removed: HashSet<u64>,
}

impl Ground {
    pub fn new(grounds: Arc<Grounds>) -> Self {
        Self { grounds, choices: HashMap::new(), finished: HashSet::new() }
    }

    fn choice(&mut self, number: u64) -> &mut Choice {
        let sources = self.grounds.hits().len() as u64;
        self.choices.entry(number).or_insert_with(|| Choice {
            reader: Reader::new(sources),
            said: 0,
            grounding: Grounding::default(),
            removed: HashSet::new(),
        })
    }

    /// Text of an answer; at the end of a text, `None`.
    fn say(&mut self, number: u64, text: Option<&str>, into: &mut Vec<Event>) {
        if !self.grounds.reads_marks {
            into.extend(text.map(|text| Event::Text { choice: number, text: text.to_owned() }));
            return;
        }
        let grounds = self.grounds.clone();
        let choice = self.choice(number);
        let mut reader = std::mem::take(&mut choice.reader);
        let mut each = |piece| match piece {
            Piece::Text(text) => {
                choice.said += text.chars().count();
                into.push(Event::Text { choice: number, text });
            }
            Piece::Mark(mark) => choice.mark(&grounds, number, &mark, into),
        };
        match text {
            Some(text) => reader.read(text, &mut each),
            None => reader.end(&mut each),
        }
        choice.reader = if text.is_some() { reader } else { Reader::new(grounds.hits().len() as u64) };
    }

    /// An answer is at its end.
    fn finish(&mut self, number: u64, into: &mut Vec<Event>) {
        if !self.finished.insert(number) {
            return;
        }
        self.say(number, None, into);
        let grounding = std::mem::take(&mut self.choice(number).grounding);
        self.grounds.note(&grounding);
        into.push(Event::Grounded { choice: number, grounding });
    }
}

impl Choice {
    /// A mark: what goes on in its place is a plain one, or nothing.
    fn mark(&mut self, grounds: &Grounds, choice: u64, mark: &Mark, into: &mut Vec<Event>) {
        let checked = mark.quote.as_deref().and_then(|quote| grounds.check(mark.number, quote));
        let is_right = checked.as_ref().is_some_and(|(number, _)| Some(*number) == mark.number);
        let Some((number, mut cited)) = checked.filter(|_| is_right || grounds.citations == WrongCitation::Repair) else {
            self.grounding.dropped += 1;
            return;
        };
        self.grounding.repaired += u64::from(!is_right);
        let space = if mark.is_spaced { " " } else { "" };
        let text = format!("{space}[{number}]");
        cited.at = self.said + space.len();
        self.said += text.len();
        self.grounding.cited.push(cited.clone());
        into.push(Event::Text { choice, text });
        into.push(Event::Cited { choice, cited });
    }
}

impl Edit for Ground {
    fn take(&mut self, event: Event, into: &mut Vec<Event>) {
        match event {
            Event::Began { .. } => {
                into.push(event);
                into.push(Event::Retrieved(self.grounds.told.clone()));
            }
            Event::Text { choice, text } => self.say(choice, Some(&text), into),
            Event::ToolCall { choice, index, .. } if self.grounds.refuses_calls => {
                let choice = self.choice(choice);
                if choice.removed.insert(index) {
                    choice.grounding.calls_removed += 1;
                }
            }
            Event::ToolCall { choice, .. } => {
                self.say(choice, None, into);
                into.push(event);
            }
            Event::Arguments { .. } if self.grounds.refuses_calls => {}
            Event::Finished { choice, reason } => {
                self.finish(choice, into);
                let reason = if self.grounds.refuses_calls && reason == Finish::ToolCalls { Finish::Stop } else { reason };
                into.push(Event::Finished { choice, reason });
            }
            Event::Ended => {
                let mut open: Vec<u64> =
                    self.choices.keys().copied().filter(|choice| !self.finished.contains(choice)).collect();
                open.sort_unstable();
                open.into_iter().for_each(|choice| self.finish(choice, into));
                into.push(event);
            }
            event => into.push(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use insula_model::chat::{Cited, Reply};
    use proptest::prelude::*;

    use super::{super::grounds::Terms, *};
    use crate::knowledge::Hit;

    const TEXTS: [&str; 2] = ["The deposit is returned within 30 days.", "Visitors park for free. 押金在两个月内退还。"];

    fn grounds(terms: impl FnOnce(&mut Terms)) -> Arc<Grounds> {
        let mut of = Terms {
            query: "q".to_owned(),
            reader: None,
            epoch: 7,
            profile: None,
            citations: WrongCitation::Repair,
            refuses_calls: true,
            reads_marks: true,
            is_tool: false,
            shows_texts: false,
        };
        terms(&mut of);
        let hits = (1..).zip(TEXTS).map(|(number, text)| Hit::of_text(number, text)).collect();
        Arc::new(Grounds::new(hits, Vec::new(), of))
    }

    /// What becomes of an answer that says this in these pieces: its text, and how it holds.
    fn said(grounds: &Arc<Grounds>, pieces: &[&str]) -> (String, Grounding) {
        let text = |text: &&str| Event::Text { choice: 0, text: (*text).to_owned() };
        let mut events = vec![Event::Began { model: None, fingerprint: None }];
        events.extend(pieces.iter().map(text));
        events.push(Event::Finished { choice: 0, reason: Finish::Stop });
        events.push(Event::Ended);
        let reply = edited(grounds, events);
        let text = reply.choices[0].parts.iter().map(|part| match part {
            insula_model::chat::Part::Text(text) => text.as_str(),
            other => panic!("{other:?}"),
        });
        (text.collect(), reply.choices[0].grounding.clone().unwrap())
    }

    fn edited(grounds: &Arc<Grounds>, events: Vec<Event>) -> Reply {
        let (mut ground, mut into) = (grounds.begin(), Vec::new());
        events.into_iter().for_each(|event| ground.take(event, &mut into));
        Reply::of(into)
    }

    const SAYS: &str = "So [[1: \"returned within 30 days\"]], no [[1: \"within 60 days\"]], 但[[1：“押金在两个月内退还”]] [2] [[2: \"Visitors\"";

    #[test]
    fn what_holds_goes_on_and_all_else_does_not() {
        let grounds = grounds(|_| {});
        let (text, grounding) = said(&grounds, &[SAYS]);
        assert_eq!(text, "So [1], no, 但[2]");
        assert_eq!((grounding.dropped, grounding.repaired), (3, 1));
        let cited: Vec<(u64, &str, usize)> =
            grounding.cited.iter().map(|Cited { number, quote, at, .. }| (*number, quote.as_str(), *at)).collect();
        assert_eq!(cited, [(1, "returned within 30 days", 3), (2, "押金在两个月内退还", 13)]);
        let record = grounds.record();
        assert_eq!((record.cited, record.dropped, record.repaired, record.epoch), (2, 3, 1, 7));
        // Another attempt counts anew.
        said(&grounds, &["Nothing."]);
        assert_eq!(grounds.record().dropped, 0);
    }

    #[test]
    fn a_cut_at_any_place_changes_nothing() {
        let grounds = grounds(|_| {});
        let whole = said(&grounds, &[SAYS]);
        for cut in (0..=SAYS.len()).filter(|cut| SAYS.is_char_boundary(*cut)) {
            let (left, right) = SAYS.split_at(cut);
            assert_eq!(said(&grounds, &[left, right]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn misattributed_is_dropped_where_that_is_wanted() {
        let (text, grounding) =
            said(&grounds(|terms| terms.citations = WrongCitation::Drop), &["A [[2: \"returned within 30 days\"]]"]);
        assert_eq!((text.as_str(), grounding.dropped, grounding.repaired), ("A", 1, 0));
    }

    #[test]
    fn json_is_passed_on_as_it_is() {
        let json = "{\"a\": [[1: \\\"x\\\"]], \"b\": [1]}";
        assert_eq!(said(&grounds(|terms| terms.reads_marks = false), &[json]).0, json);
    }

    #[test]
    fn calls_are_taken_out() {
        let call = || {
            let (id, name) = ("c".to_owned(), "f".to_owned());
            vec![
                Event::Began { model: None, fingerprint: None },
                Event::ToolCall { choice: 0, index: 0, id, name },
                Event::Arguments { choice: 0, index: 0, json: "{}".to_owned() },
                Event::Finished { choice: 0, reason: Finish::ToolCalls },
                Event::Ended,
            ]
        };
        let refused = edited(&grounds(|_| {}), call());
        assert_eq!((refused.choices[0].parts.len(), &refused.choices[0].finish), (0, &Some(Finish::Stop)));
        assert_eq!(refused.choices[0].grounding.as_ref().unwrap().calls_removed, 1);
        let allowed = edited(&grounds(|terms| terms.refuses_calls = false), call());
        assert_eq!((allowed.choices[0].parts.len(), &allowed.choices[0].finish), (1, &Some(Finish::ToolCalls)));
    }

    #[test]
    fn who_reads_and_what_is_found_make_another_question() {
        let identity = |terms: fn(&mut Terms)| grounds(terms).identity();
        assert_eq!(identity(|_| {}), identity(|_| {}));
        assert_ne!(identity(|_| {}), identity(|terms| terms.epoch = 8));
        assert_ne!(identity(|_| {}), identity(|terms| terms.profile = Some("p".to_owned())));
        assert_ne!(identity(|_| {}), identity(|terms| terms.reader = Some(String::new())));
        assert_ne!(
            identity(|terms| terms.reader = Some("a".to_owned())),
            identity(|terms| terms.reader = Some("b".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn no_quote_that_is_nowhere_holds(quote in "[a-z]{1,9}( [a-z]{1,9}){1,8}", number in 0_u64..4) {
            let stands = TEXTS.iter().any(|text| text.contains(&quote));
            let (text, grounding) = said(&grounds(|_| {}), &[&format!("So [[{number}: \"{quote}\"]]")]);
            prop_assert!(stands || (text == "So" && grounding.dropped == 1 && grounding.cited.is_empty()));
        }
    }
}
