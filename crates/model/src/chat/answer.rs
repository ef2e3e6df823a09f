//! What a model answers.

use std::sync::Arc;

use crate::{
    TokenCounts,
    chat::{Cited, Grounding, Part, Retrieval},
};

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The model that answered, in the provider's words.
    pub model: Option<String>,
    /// The provider's fingerprint of the system that answered.
    pub fingerprint: Option<String>,
    /// The choices, by number.
    pub choices: Vec<Choice>,
    /// What the provider counted; `None` where it said nothing, or nothing consistent.
    pub usage: Option<TokenCounts>,
    /// What was found for the request, where documents were searched for it.
    pub retrieval: Option<Arc<Retrieval>>,
}

/// One of the answers to a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Texts, calls, thoughts and refusals, in their order.
    pub parts: Vec<Part>,
    /// Why it ended; `None` where the provider did not say.
    pub finish: Option<Finish>,
    /// How it holds to what was found, where documents were searched.
    pub grounding: Option<Grounding>,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// It was complete.
    Stop,
    /// One of the caller's stop texts came up; this one where the vendor says.
    StopText(Option<String>),
    /// It reached its limit.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
}

/// A piece of an answer. `choice` counts from 0; tool calls are numbered from 0 within a choice.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer begins: who answers. Once, before all else.
    Began {
        /// In the provider's words.
        model: Option<String>,
        /// Of the system that answers.
        fingerprint: Option<String>,
    },
    /// What was found in documents for the request. Once, before all that is said, where they were searched.
    Retrieved(Arc<Retrieval>),
    /// More text.
    Text {
        /// Of which answer.
        choice: u64,
        /// The text.
        text: String,
    },
    /// More of what the model thinks, where that is shown.
    Reasoning {
        /// Of which answer.
        choice: u64,
        /// The text.
        text: String,
    },
    /// The vendor's seal on what was thought.
    Signature {
        /// Of which answer.
        choice: u64,
        /// The seal.
        signature: String,
    },
    /// More of a refusal.
    Refusal {
        /// Of which answer.
        choice: u64,
        /// The text.
        text: String,
    },
    /// A tool call begins.
    ToolCall {
        /// In which answer.
        choice: u64,
        /// Its number.
        index: u64,
        /// What the result refers to.
        id: String,
        /// The tool.
        name: String,
    },
    /// More of a call's arguments.
    Arguments {
        /// In which answer.
        choice: u64,
        /// Of which call.
        index: u64,
        /// A piece of JSON text.
        json: String,
    },
    /// The text so far ends in the mark of a citation that holds.
    Cited {
        /// In which answer.
        choice: u64,
        /// What is cited.
        cited: Cited,
    },
    /// How an answer holds to what was found. Once for each, behind all that it says.
    Grounded {
        /// Which one.
        choice: u64,
        /// All of it.
        grounding: Grounding,
    },
    /// An answer is complete.
    Finished {
        /// Which one.
        choice: u64,
        /// Why.
        reason: Finish,
    },
    /// What the provider counted, so far: the last one counts.
    Used(TokenCounts),
    /// Nothing comes any more. Once, at the end of a complete answer only.
    Ended,
}

impl Event {
    /// Bytes of output in it: what was seen of an answer whose usage is never told.
    pub fn output_bytes(&self) -> u64 {
        let text = match self {
            Event::Text { text, .. } | Event::Reasoning { text, .. } | Event::Refusal { text, .. } => text,
            Event::ToolCall { name, .. } => name,
            Event::Arguments { json, .. } => json,
            _ => return 0,
        };
        text.len() as u64
    }
}

impl Reply {
    /// The same as it would have streamed in.
    pub fn events(&self) -> Vec<Event> {
        let mut events = vec![Event::Began { model: self.model.clone(), fingerprint: self.fingerprint.clone() }];
        events.extend(self.retrieval.clone().map(Event::Retrieved));
        for (choice, answer) in (0..).zip(&self.choices) {
            answer.add_events(choice, &mut events);
        }
        events.extend(self.usage.map(Event::Used));
        events.push(Event::Ended);
        events
    }

    /// The answer that streamed in as these events.
    pub fn of(events: Vec<Event>) -> Self {
        let mut reply = Self::default();
        for event in events {
            match event {
                Event::Began { model, fingerprint } => (reply.model, reply.fingerprint) = (model, fingerprint),
                Event::Retrieved(retrieval) => reply.retrieval = Some(retrieval),
                Event::Text { choice, text } => reply.choice(choice).add_text(text),
                Event::Refusal { choice, text } => reply.choice(choice).parts.push(Part::Refusal(text)),
                Event::Reasoning { choice, text } => {
                    reply.choice(choice).parts.push(Part::Reasoning { text, signature: None });
                }
                Event::Signature { choice, signature } => reply.choice(choice).sign(signature),
                Event::ToolCall { choice, id, name, .. } => {
                    reply.choice(choice).parts.push(Part::ToolCall { id, name, arguments: String::new() });
                }
                Event::Arguments { choice, index, json } => reply.choice(choice).add_arguments(index, &json),
                // Told once more with all of them.
                Event::Cited { .. } | Event::Ended => {}
                Event::Grounded { choice, grounding } => reply.choice(choice).grounding = Some(grounding),
                Event::Finished { choice, reason } => reply.choice(choice).finish = Some(reason),
                Event::Used(usage) => reply.usage = Some(usage),
            }
        }
        reply
    }

    /// The choice of this number, with those before it.
    fn choice(&mut self, number: u64) -> &mut Choice {
        let place = usize::try_from(number).unwrap_or(usize::MAX).min(CHOICES_MAX - 1);
        if self.choices.len() <= place {
            self.choices.resize_with(place + 1, Choice::default);
        }
        &mut self.choices[place]
    }

    /// Bytes of output in all of it.
    pub fn output_bytes(&self) -> u64 {
        self.events().iter().map(Event::output_bytes).sum()
    }
}

/// No request asks for more answers.
const CHOICES_MAX: usize = 128;

impl Choice {
    fn add_text(&mut self, more: String) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(&more),
            _ => self.parts.push(Part::Text(more)),
        }
    }

    fn sign(&mut self, seal: String) {
        match self.parts.last_mut() {
            Some(Part::Reasoning { signature, .. }) => *signature = Some(seal),
            _ => self.parts.push(Part::Reasoning { text: String::new(), signature: Some(seal) }),
        }
    }

    fn add_arguments(&mut self, index: u64, more: &str) {
        let calls = self.parts.iter_mut().filter_map(|part| match part {
            Part::ToolCall { arguments, .. } => Some(arguments),
            _ => None,
        });
        if let Some((_, arguments)) = (0..).zip(calls).find(|(place, _)| *place == index) {
            arguments.push_str(more);
        }
    }

    fn add_events(&self, choice: u64, events: &mut Vec<Event>) {
        let mut calls = 0;
        for part in self.parts.iter().cloned() {
            match part {
                Part::Text(text) => events.push(Event::Text { choice, text }),
                Part::Refusal(text) => events.push(Event::Refusal { choice, text }),
                Part::Reasoning { text, signature } => {
                    events.push(Event::Reasoning { choice, text });
                    events.extend(signature.map(|signature| Event::Signature { choice, signature }));
                }
                Part::ToolCall { id, name, arguments } => {
                    events.push(Event::ToolCall { choice, index: calls, id, name });
                    events.push(Event::Arguments { choice, index: calls, json: arguments });
                    calls += 1;
                }
                // Models answer with none of these.
                Part::Image(_) | Part::Document(_) | Part::ToolResult { .. } => {}
            }
        }
        if let Some(grounding) = self.grounding.clone() {
            events.extend(grounding.cited.iter().cloned().map(|cited| Event::Cited { choice, cited }));
            events.push(Event::Grounded { choice, grounding });
        }
        events.extend(self.finish.clone().map(|reason| Event::Finished { choice, reason }));
    }
}
