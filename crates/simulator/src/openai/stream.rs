//! A chat completion as server-sent events: a role chunk, content chunks, a finish chunk for each choice, and a usage chunk
//! if it was asked for. The choices take turns.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use super::chat::{Choice, Content};
use super::wire::Stamp;
use crate::answer::EventStream;
use crate::errors::ApiError;
use crate::text;
use crate::tokens::ChatUsage;

/// A chunk of a short answer, with its envelope: room for a few, to save reallocations.
const CHUNK_BYTES: usize = 320;

#[derive(Serialize)]
struct WireChoice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: (),
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_sim_extra: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// Absent, null or a text: the role chunk of a tool call has a null.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolDelta<'a>; 1]>,
    /// Null, in the role chunk only.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<()>,
}

#[derive(Serialize)]
struct ToolDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionDelta<'a>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// Writes events one after another into one buffer and cuts it into them.
struct Writer<'a> {
    stamp: &'a Stamp,
    /// What chunks before the last say of usage: nothing, or null.
    pending_usage: Option<Option<ChatUsage>>,
    buffer: BytesMut,
    events: Vec<Bytes>,
}

/// Renders the stream. `usage` is `None` if it was not asked for, `Some(None)` if it was but a fault withholds it.
pub(crate) fn render(stamp: &Stamp, choices: &[Choice], usage: Option<Option<ChatUsage>>, chunks: usize) -> EventStream {
    let texts: Vec<_> = choices.iter().map(|choice| text::pieces(choice.content.streamed(), chunks)).collect();
    let content_count = texts.iter().map(Vec::len).sum();
    let mut writer = Writer {
        stamp,
        pending_usage: usage.map(|_| None),
        buffer: BytesMut::with_capacity(CHUNK_BYTES * (content_count + 2 * choices.len() + 1)),
        events: Vec::with_capacity(content_count + 2 * choices.len() + 1),
    };
    for (index, choice) in choices.iter().enumerate() {
        writer.choice(index, choice.content.opening(), None);
    }
    for turn in 0..chunks {
        for (index, (choice, pieces)) in choices.iter().zip(&texts).enumerate() {
            if let Some(piece) = pieces.get(turn) {
                writer.choice(index, choice.content.delta(piece), None);
            }
        }
    }
    for (index, choice) in choices.iter().enumerate() {
        for (place, call) in (1..).zip(&choice.further) {
            writer.choice(index, call.whole(place), None);
        }
        writer.choice(index, Delta::default(), Some(choice.finish_reason));
    }
    if let Some(Some(usage)) = usage {
        writer.event::<WireChoice<'_>>(&[], Some(Some(usage)));
    }
    EventStream {
        events: writer.events,
        content_from: choices.len(),
        content_count,
        terminator: Bytes::from_static(b"data: [DONE]\n\n"),
        error: [b"data: ".as_slice(), &ApiError::server_error().to_json(), b"\n\n"].concat().into(),
    }
}

impl Content {
    /// The text that is cut into deltas.
    fn streamed(&self) -> &str {
        match self {
            Content::Text(text) => text,
            Content::Tool { arguments, .. } => arguments,
        }
    }

    /// The delta of the role chunk. A tool call says there whose arguments follow.
    fn opening(&self) -> Delta<'_> {
        let (content, tool_calls) = match self {
            Content::Text(_) => (Some(""), None),
            Content::Tool { id, name, .. } => {
                let function = FunctionDelta { name: Some(name), arguments: "" };
                (None, Some([ToolDelta { index: 0, id: Some(id), r#type: Some("function"), function }]))
            }
        };
        Delta { role: Some("assistant"), content: Some(content), tool_calls, refusal: Some(()) }
    }

    /// A further call in one piece.
    fn whole(&self, index: usize) -> Delta<'_> {
        let Content::Tool { id, name, arguments } = self else { return Delta::default() };
        let function = FunctionDelta { name: Some(name), arguments };
        Delta { tool_calls: Some([ToolDelta { index, id: Some(id), r#type: Some("function"), function }]), ..Delta::default() }
    }

    /// The delta of a content chunk.
    fn delta<'a>(&self, piece: &'a str) -> Delta<'a> {
        match self {
            Content::Text(_) => Delta { content: Some(Some(piece)), ..Delta::default() },
            Content::Tool { .. } => {
                let function = FunctionDelta { name: None, arguments: piece };
                Delta { tool_calls: Some([ToolDelta { index: 0, id: None, r#type: None, function }]), ..Delta::default() }
            }
        }
    }
}

impl Writer<'_> {
    fn choice(&mut self, index: usize, delta: Delta<'_>, finish_reason: Option<&'static str>) {
        let choice = WireChoice { index, delta, logprobs: (), finish_reason, x_sim_extra: self.stamp.extra };
        self.event(&[choice], self.pending_usage);
    }

    fn event<C: Serialize>(&mut self, choices: &[C], usage: Option<Option<ChatUsage>>) {
        self.buffer.extend_from_slice(b"data: ");
        let chunk = self.stamp.envelope("chat.completion.chunk", choices, usage);
        if let Err(error) = serde_json::to_writer((&mut self.buffer).writer(), &chunk) {
            // Neither our types nor a growing buffer can fail, so this is a bug; the client sees a broken event.
            tracing::error!(%error, "chunk could not be serialised");
        }
        self.buffer.extend_from_slice(b"\n\n");
        self.events.push(self.buffer.split().freeze());
    }
}
