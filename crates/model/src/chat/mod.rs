//! A chat in no vendor's words: what is asked ([`Request`]), and what is answered, whole ([`Reply`]) or in pieces ([`Event`]).
//!
//! Each vendor's wire form is translated from and to these; where caller and provider speak the same form, nothing is translated and
//! fields that nobody here knows survive. JSON that is only passed on (schemas, arguments of calls) stays text, byte for byte.

mod answer;
mod request;
mod retrieval;

pub use answer::{Choice, Event, Finish, Reply};
pub use request::{Format, Media, Message, Part, Reasoning, Request, Role, Source, Tool, ToolChoice};
pub use retrieval::{Cited, Found, Grounding, Retrieval};
