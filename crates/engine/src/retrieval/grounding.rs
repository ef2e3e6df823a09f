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
                let mut open: Vec<u64> = self.choices.keys().copied().filter(|choice| !self.finished.contains(choice)).collect();
                open.sort_unstable();
                open.into_iter().for_each(|choice| self.finish(choice, into));
                into.push(event);
            }
            event => into.push(event),
        }
    }
}
