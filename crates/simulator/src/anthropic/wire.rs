//! The envelope of a message, with the drifts that change it.

use serde_json::{Value, json};

use crate::faults::FaultKind;
use crate::openai::wire::{answering_model, extra, shown_usage};
use crate::tokens::MessagesUsage;
use crate::world::Call;

/// What identifies an answer, and the usage that it shows.
#[derive(Debug)]
pub(crate) struct Stamp {
    id: Option<String>,
    model: String,
    pub(crate) usage: Option<MessagesUsage>,
    extra: Option<&'static str>,
}

impl Stamp {
    /// The stamp of the answer to a call that asked `model` for what `seed` is the hash of.
    pub(crate) fn new(call: &Call, model: &str, seed: u64, usage: MessagesUsage) -> Stamp {
        let whole = !call.meets(FaultKind::MissingFields);
        Stamp {
            id: whole.then(|| format!("msg_sim_{seed:016x}_{}", call.ordinal)),
            model: answering_model(call, model),
            usage: shown_usage(call, usage),
            extra: extra(call),
        }
    }

    /// A message with these blocks.
    pub(crate) fn message(&self, content: Vec<Value>, stop_reason: Option<&str>) -> Value {
        let mut message = json!({
            "type": "message", "role": "assistant", "model": self.model, "content": content, "stop_reason": stop_reason,
            "stop_sequence": null,
        });
        let usage = self.usage.map(|usage| json!(usage));
        let members =
            [("id", self.id.clone().map(Value::from)), ("usage", usage), ("x_sim_extra", self.extra.map(Value::from))];
        for (name, value) in members {
            if let Some(value) = value {
                message[name] = value;
            }
        }
        message
    }
}
