//! What the simulator is told to do: one flat object, replaced as a whole.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::errors::ApiError;
use crate::faults::Fault;

/// Largest `latency_ms` and `gap_ms`: ten minutes, longer than any timeout under test.
pub const PAUSE_MS_MAX: u64 = 600_000;
/// Largest `chunks`.
pub const CHUNKS_MAX: usize = 4_096;
/// Largest `output_tokens`: an answer is composed in memory.
pub const OUTPUT_TOKENS_MAX: u64 = 32_768;
/// Most entries of `faults`: every request rolls for each.
pub const FAULTS_MAX: usize = 32;
/// Longest `answer`.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Most entries of `models`.
pub const MODELS_MAX: usize = 1_024;

/// How to answer. The default answers at once, in 8 chunks and 64 tokens, without a fault.
///
/// As JSON, a missing field has its default and an unknown one is refused by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Wait before the headers of every answer, faults included. At most [`PAUSE_MS_MAX`].
    pub latency_ms: u64,
    /// Content chunks of a stream, for each choice; fewer when the text has fewer characters. `1..=`[`CHUNKS_MAX`].
    pub chunks: usize,
    /// Wait between content chunks. At most [`PAUSE_MS_MAX`].
    pub gap_ms: u64,
    /// Completion tokens of each choice, unless the request caps them. `1..=`[`OUTPUT_TOKENS_MAX`].
    pub output_tokens: u64,
    /// How many of the prompt's tokens are reported as cached; at most all of them.
    pub cached_tokens: u64,
    /// How many of the rest are reported as written to the cache for five minutes, and for an hour: by `/v1/messages` alone.
    pub cache_write_tokens: u64,
    /// See `cache_write_tokens`.
    pub cache_write_1h_tokens: u64,
    /// How many of the completion's tokens are reported as reasoning; at most all of them.
    pub reasoning_tokens: u64,
    /// What goes wrong. A request meets the first fault whose roll falls below its rate, or none.
    pub faults: Vec<Fault>,
    /// When more than so many model requests are under way at the arrival of one, its answer has half the tokens
    /// (`finish_reason` `length`) and comes after twice the latency and gaps.
    pub degrade_above: Option<u64>,
    /// Decides, with the request's ordinal, who meets which fault. Answers do not depend on it.
    pub seed: u64,
    /// Chats answer with the text of all messages, verbatim, joined by line breaks, without tools or a schema. Usage and
    /// `finish_reason` follow the usual rule, but no cap shortens the text.
    pub echo: bool,
    /// What chats say instead of what they would, unless they call a tool or answer with a schema: scripted answers for tests of what
    /// becomes of them. No cap shortens it. At most [`ANSWER_BYTES_MAX`].
    pub answer: Option<String>,
    /// Chats call a tool that is offered although `tool_choice` says that none may be called.
    pub calls_regardless: bool,
    /// Credentials that end so are refused with 401. At most [`MODELS_MAX`].
    pub refused_credentials: Vec<String>,
    /// Models accepted beside `sim-small`, `sim-large`, `sim-embed` and `sim-moderation`; `*` accepts every name.
    pub models: Vec<String>,
}

impl Default for Scenario {
    fn default() -> Scenario {
        Scenario {
            latency_ms: 0,
            chunks: 8,
            gap_ms: 0,
            output_tokens: 64,
            cached_tokens: 0,
            cache_write_tokens: 0,
            cache_write_1h_tokens: 0,
            reasoning_tokens: 0,
            faults: Vec::new(),
            degrade_above: None,
            seed: 0,
            echo: false,
            answer: None,
            calls_regardless: false,
            refused_credentials: Vec::new(),
            models: Vec::new(),
        }
    }
}

impl Scenario {
    /// Reads and checks a scenario; every refusal is a 400 that names the field.
    pub(crate) fn from_json(body: &[u8]) -> Result<Scenario, ApiError> {
        let object: Map<String, Value> = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
        let scenario = serde_json::from_value(Value::Object(object.clone())).map_err(|error| blame(&object, &error))?;
        check(&scenario)?;
        Ok(scenario)
    }
}

/// Finds the field that serde's message does not name: the first one that is refused on its own as well.
fn blame(object: &Map<String, Value>, error: &serde_json::Error) -> ApiError {
    let refused = object.iter().find_map(|(name, value)| {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        let error = serde_json::from_value::<Scenario>(Value::Object(alone)).err()?;
        Some(ApiError::field(name, format!("`{name}`: {error}")))
    });
    refused.unwrap_or_else(|| ApiError::unreadable(error))
}

fn check(scenario: &Scenario) -> Result<(), ApiError> {
    let within = |name: &str, value: u64, min: u64, max: u64| {
        if (min..=max).contains(&value) {
            Ok(())
        } else {
            Err(ApiError::field(name, format!("`{name}` must be between {min} and {max}, not {value}")))
        }
    };
    within("latency_ms", scenario.latency_ms, 0, PAUSE_MS_MAX)?;
    within("gap_ms", scenario.gap_ms, 0, PAUSE_MS_MAX)?;
    within("chunks", scenario.chunks as u64, 1, CHUNKS_MAX as u64)?;
    within("output_tokens", scenario.output_tokens, 1, OUTPUT_TOKENS_MAX)?;
    within("answer", scenario.answer.as_ref().map_or(0, String::len) as u64, 0, ANSWER_BYTES_MAX as u64)?;
    within("faults", scenario.faults.len() as u64, 0, FAULTS_MAX as u64)?;
    within("refused_credentials", scenario.refused_credentials.len() as u64, 0, MODELS_MAX as u64)?;
    within("models", scenario.models.len() as u64, 0, MODELS_MAX as u64)?;
    for (index, fault) in scenario.faults.iter().enumerate() {
        if !(0.0..=1.0).contains(&fault.rate) {
            let name = format!("faults[{index}].rate");
            return Err(ApiError::field(&name, format!("`{name}` must be between 0 and 1, not {}", fault.rate)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FaultKind;

    fn refused(body: &str) -> (String, String) {
        let error = Scenario::from_json(body.as_bytes()).unwrap_err();
        (error.param.unwrap_or_default(), error.message)
    }

    #[test]
    fn missing_fields_have_their_defaults() {
        assert_eq!(Scenario::from_json(b"{}").unwrap(), Scenario::default());
        let scenario = Scenario::from_json(br#"{"gap_ms":5,"faults":[{"kind":"no_done","rate":0.25}]}"#).unwrap();
        assert_eq!(scenario.faults, [Fault::new(FaultKind::NoDone, 0.25)]);
        assert_eq!((scenario.gap_ms, scenario.chunks), (5, 8));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(refused(r#"{"latencyms":5}"#).0, "latencyms");
        assert_eq!(refused(r#"{"chunks":8,"gap_ms":"fast"}"#).0, "gap_ms");
        assert_eq!(refused(r#"{"chunks":0}"#).0, "chunks");
        assert_eq!(refused(r#"{"faults":[{"kind":"reset","rate":1.5}]}"#).0, "faults[0].rate");
        let (param, message) = refused(r#"{"faults":[{"kind":"earthquake","rate":1}]}"#);
        assert_eq!(param, "faults");
        assert!(message.contains("earthquake"), "{message}");
        let (_, message) = refused(r#"{"faults":[{"kind":"reset","rate":1,"when":3}]}"#);
        assert!(message.contains("when"), "{message}");
    }

    #[test]
    fn a_scenario_reads_back_as_written() {
        let scenario = Scenario { degrade_above: Some(3), models: vec!["*".to_owned()], ..Scenario::default() };
        assert_eq!(Scenario::from_json(&serde_json::to_vec(&scenario).unwrap()).unwrap(), scenario);
    }
}
