//! A message as server-sent events: its beginning, its blocks one after another in pieces, why it ends with the usage, and the end.

use bytes::Bytes;
use serde_json::{Value, json};

use super::messages::{Block, Said};
use super::wire::Stamp;
use crate::answer::EventStream;
use crate::errors::ApiError;
use crate::text;

/// Renders the stream. Usage is withheld where the stamp has none.
pub(crate) fn render(stamp: &Stamp, said: &Said, chunks: usize) -> EventStream {
    let mut start = stamp.message(Vec::new(), None);
    if let Some(usage) = start.get_mut("usage") {
        // The sum so far: the first token.
        usage["output_tokens"] = 1.into();
        usage["output_tokens_details"] = Value::Null;
    }
    let mut events = vec![event("message_start", json!({"message": start}))];
    let mut content = Vec::new();
    for (index, block) in said.blocks.iter().enumerate() {
        let (opening, deltas) = block.in_pieces(chunks);
        events.push(event("content_block_start", json!({"index": index, "content_block": opening})));
        if index == 0 {
            events.push(event("ping", json!({})));
        }
        for delta in deltas {
            content.push(events.len());
            events.push(event("content_block_delta", json!({"index": index, "delta": delta})));
        }
        events.push(event("content_block_stop", json!({"index": index})));
    }
    let mut end = json!({"delta": {"stop_reason": said.stop_reason, "stop_sequence": null}});
    if let Some(usage) = stamp.usage {
        end["usage"] = json!(usage);
    }
    events.push(event("message_delta", end));
    let content_from = content.first().copied().unwrap_or(1);
    // What stands between two blocks counts as content: faults strike, and pauses fall, anywhere in between.
    let content_count = content.last().map_or(0, |last| last + 1 - content_from);
    EventStream {
        events,
        content_from,
        content_count,
        terminator: event("message_stop", json!({})),
        error: event("error", ApiError::server_error().to_anthropic()),
    }
}

/// An event; its `type` is its name.
fn event(kind: &str, mut data: Value) -> Bytes {
    data["type"] = kind.into();
    format!("event: {kind}\ndata: {data}\n\n").into()
}

impl Block {
    /// The block at its beginning, and the deltas that fill it.
    fn in_pieces(&self, chunks: usize) -> (Value, Vec<Value>) {
        let pieces = |text, delta: fn(&str) -> Value| text::pieces(text, chunks).into_iter().map(delta).collect::<Vec<_>>();
        match self {
            Block::Thinking { text, signature } => {
                let mut deltas = pieces(text, |piece| json!({"type": "thinking_delta", "thinking": piece}));
                deltas.push(json!({"type": "signature_delta", "signature": signature}));
                (json!({"type": "thinking", "thinking": "", "signature": ""}), deltas)
            }
            Block::Text(text) => {
                let deltas = pieces(text, |piece| json!({"type": "text_delta", "text": piece}));
                (json!({"type": "text", "text": ""}), deltas)
            }
            Block::Call { id, name, arguments } => {
                let deltas = pieces(arguments, |piece| json!({"type": "input_json_delta", "partial_json": piece}));
                (json!({"type": "tool_use", "id": id, "name": name, "input": {}}), deltas)
            }
        }
    }
}
