//! What a model answers.

use crate::TokenCounts;

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
}

/// One of the answers to a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Texts, calls, thoughts and refusals, in their order.
    pub parts: Vec<crate::chat::Part>,
    /// Why it ended; `None` where the provider did not say.
    pub finish: Option<Finish>,
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
        for (choice, answer) in (0..).zip(&self.choices) {
            answer.add_events(choice, &mut events);
        }
        events.extend(self.usage.map(Event::Used));
        events.push(Event::Ended);
        events
    }

    /// Bytes of output in all of it.
    pub fn output_bytes(&self) -> u64 {
        self.events().iter().map(Event::output_bytes).sum()
    }
}

impl Choice {
    fn add_events(&self, choice: u64, events: &mut Vec<Event>) {
        use crate::chat::Part;
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
        events.extend(self.finish.clone().map(|reason| Event::Finished { choice, reason }));
    }
}
