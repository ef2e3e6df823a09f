//! `POST /v1/messages`: what to say, and the answer without a stream.

use serde_json::{Value, json};

use super::request::MessagesRequest;
use super::stream;
use super::wire::Stamp;
use crate::answer::{Answer, Form};
use crate::errors::{ApiError, to_json};
use crate::faults::FaultKind;
use crate::openai::chat::{Extent, fenced, structured};
use crate::openai::models;
use crate::seeded;
use crate::tokens::{MessagesUsage, Usage};
use crate::world::Call;
use crate::{schema, text};

/// A block of the answer.
#[derive(Debug)]
pub(crate) enum Block {
    Thinking {
        text: String,
        signature: String,
    },
    Text(String),
    /// A call of a tool; its arguments are JSON, unless they were cut.
    Call {
        id: String,
        name: String,
        arguments: String,
    },
}

/// What is answered, and why it ends.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) blocks: Vec<Block>,
    pub(crate) stop_reason: &'static str,
}

/// Drafts the answer.
pub(crate) fn answer(call: &Call, body: &[u8]) -> Result<Answer, ApiError> {
    let request = MessagesRequest::from_json(body)?;
    models::check(&call.scenario, &request.model)?;

    let extent = Extent::of(Some(request.max_tokens), call);
    let seed = request.seed();
    let said = say(&request, call, &extent, seed)?;
    let usage = MessagesUsage::new(request.prompt_tokens(), extent.tokens, &call.scenario);
    let stamp = Stamp::new(call, &request.model, seed, usage);
    let form = if request.streams() {
        Form::Stream(stream::render(&stamp, &said, call.scenario.chunks))
    } else {
        Form::Json(to_json(&stamp.message(said.blocks.iter().map(Block::to_wire).collect(), Some(said.stop_reason))))
    };
    Ok(Answer { usage: Usage::Messages(usage), form })
}

fn say(request: &MessagesRequest, call: &Call, extent: &Extent, seed: u64) -> Result<Said, ApiError> {
    let reformat = call.meets(FaultKind::ChangedFormat);
    let tools = if call.scenario.echo { Vec::new() } else { request.called()? };
    let ends = if tools.is_empty() { "end_turn" } else { "tool_use" };
    let mut blocks = Vec::new();
    if request.thinks() {
        let signature = format!("sig_sim_{seed:016x}");
        blocks.push(Block::Thinking { text: text::answer("thinking", 8, seed), signature });
    }
    if call.scenario.echo {
        let whole = request.whole_text();
        // Verbatim means beyond any cap too; but a fault that cuts answers cuts this one.
        let is_cut = call.degraded || call.meets(FaultKind::CutOff);
        blocks.push(Block::Text(if is_cut { text::cut(whole, 1, 2) } else { whole }));
    } else if !tools.is_empty() {
        for (number, tool) in tools.into_iter().enumerate() {
            let seed = seeded::hash(seed, &number.to_le_bytes());
            let arguments = extent.share(structured(call, schema::generate(&tool.input_schema, seed)));
            blocks.push(Block::Call { id: format!("toolu_sim_{seed:016x}_{}", call.ordinal), name: tool.name, arguments });
        }
    } else if let Some(schema) = request.schema() {
        let json = structured(call, schema::generate(schema, seed));
        blocks.push(Block::Text(extent.share(if reformat { fenced(&json) } else { json })));
    } else if let Some(answer) = &call.scenario.answer {
        blocks.push(Block::Text(answer.clone()));
    } else {
        let words = text::answer(&request.last_said(), extent.tokens, seed);
        blocks.push(Block::Text(if reformat { format!("# Answer\n\n* {words}\n") } else { words }));
    }
    Ok(Said { blocks, stop_reason: if extent.cut { "max_tokens" } else { ends } })
}

impl Block {
    fn to_wire(&self) -> Value {
        match self {
            Block::Thinking { text, signature } => json!({"type": "thinking", "thinking": text, "signature": signature}),
            Block::Text(text) => json!({"type": "text", "text": text}),
            Block::Call { id, name, arguments } => {
                let input: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
                json!({"type": "tool_use", "id": id, "name": name, "input": input})
            }
        }
    }
}
