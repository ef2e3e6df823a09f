//! The envelope that answers and stream chunks share, with the drifts that change it.

use serde::Serialize;

use super::CREATED;
use crate::faults::FaultKind;
use crate::seeded;
use crate::tokens::ChatUsage;
use crate::world::Call;

/// What an unknown member holds under the drift `extra_keys`.
const EXTRA: &str = "a member that the format does not have";

/// What identifies an answer; the same in each of its chunks.
#[derive(Debug)]
pub(crate) struct Stamp {
    id: Option<String>,
    created: Option<u64>,
    model: String,
    system_fingerprint: Option<String>,
    /// For the drift `extra_keys`.
    pub(crate) extra: Option<&'static str>,
}

/// A completion, or a chunk of one, whose choices are `C`.
#[derive(Debug, Serialize)]
pub(crate) struct Envelope<'a, C> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    object: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<&'a str>,
    choices: &'a [C],
    /// Absent, null or there: chunks before the last have a null if the last will have usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<ChatUsage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_sim_extra: Option<&'static str>,
}

impl Stamp {
    /// The stamp of the answer to a call that asked `model` for what `seed` is the hash of.
    pub(crate) fn new(call: &Call, model: &str, seed: u64) -> Stamp {
        let fingerprint = seeded::hash(u64::from(call.meets(FaultKind::ChangedFingerprint)), model.as_bytes()) as u32;
        let whole = !call.meets(FaultKind::MissingFields);
        Stamp {
            id: whole.then(|| format!("chatcmpl-sim-{seed:016x}-{}", call.ordinal)),
            created: whole.then_some(CREATED),
            model: answering_model(call, model),
            system_fingerprint: whole.then(|| format!("fp_sim_{fingerprint:08x}")),
            extra: extra(call),
        }
    }

    /// An envelope around `choices`.
    pub(crate) fn envelope<'a, C>(
        &'a self,
        object: &'static str,
        choices: &'a [C],
        usage: Option<Option<ChatUsage>>,
    ) -> Envelope<'a, C> {
        Envelope {
            id: self.id.as_deref(),
            object,
            created: self.created,
            model: &self.model,
            system_fingerprint: self.system_fingerprint.as_deref(),
            choices,
            usage,
            x_sim_extra: self.extra,
        }
    }
}

/// The model that an answer claims to be from.
pub(crate) fn answering_model(call: &Call, model: &str) -> String {
    if call.meets(FaultKind::ChangedModel) { format!("{model}-drifted") } else { model.to_owned() }
}

/// The unknown member, where the drift asks for one.
pub(crate) fn extra(call: &Call) -> Option<&'static str> {
    call.meets(FaultKind::ExtraKeys).then_some(EXTRA)
}

/// The usage that an answer shows, which is not always the one that it has. `None`: it shows none.
pub(crate) fn shown_usage<U: Default>(call: &Call, usage: U) -> Option<U> {
    match call.fault.map(|fault| fault.kind) {
        Some(FaultKind::MissingUsage) => None,
        Some(FaultKind::ZeroUsage) => Some(U::default()),
        _ => Some(usage),
    }
}
