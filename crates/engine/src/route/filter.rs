//! What may serve a request at all, each refusal with its reason.

use std::time::Duration;

use insula_model::{Error, ErrorKind, Operation, Result, Strategy, VersionLock};
use insula_providers::{Capability, Route};

use super::{Expected, health::State, locks};
use crate::{
    Engine,
    credentials::{self, Unusable},
    directory::TenantEntry,
    work::Work,
};

/// Why something may not serve a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It lies outside the tenant's region, or nobody says where it lies.
    Residency,
    /// Its provider's API has nothing of the kind.
    Operation(Operation),
    /// It cannot do what the request needs.
    Capability(Capability),
    /// The request does not fit into its context.
    Context,
    /// The request asks for more output than it writes: this many tokens.
    Output(u64),
    /// The tenant has approved another version of it.
    Locked,
    /// The tenant pinned its requests to other providers.
    Pinned,
    /// The tenant's own credential for its provider may not be used.
    Credential(Unusable),
    /// It fails too much; it is tried again after so long.
    CircuitOpen(Duration),
}

impl Refusal {
    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::Residency => "residency",
            Refusal::Operation(_) => "operation",
            Refusal::Capability(capability) => capability.name(),
            Refusal::Context => "context",
            Refusal::Output(_) => "output",
            Refusal::Locked => "version_lock",
            Refusal::Pinned => "pinned",
            Refusal::Credential(unusable) => unusable.name(),
            Refusal::CircuitOpen(_) => "circuit_open",
        }
    }
}

/// What a request asks of whoever serves it.
pub(super) struct Needs<'a> {
    tenant: &'a TenantEntry,
    operation: Operation,
    capabilities: Vec<Capability>,
    /// The least that input and output can have together, in tokens.
    tokens_min: u64,
    output_tokens: u64,
    locks: &'a [VersionLock],
    /// The providers that it is pinned to.
    pinned: Option<&'a [String]>,
}

/// Bytes that one token of prose has at most, on average. A guess that refuses must be on the safe side.
const BYTES_PER_TOKEN_MAX: u64 = 8;

impl<'a> Needs<'a> {
    pub fn of(engine: &Engine, tenant: &'a TenantEntry, work: &Work, found: &[Route]) -> Self {
        // Looked for only where some model says what it can do.
        let is_asked = found.iter().any(|route| route.card.capabilities.is_some());
        let (capabilities, input_bytes, output_tokens) = match work {
            Work::Chat(chat) => {
                let needed = if is_asked { Capability::needed_by(chat) } else { Vec::new() };
                (needed, chat.input.bytes, chat.max_tokens.unwrap_or(0))
            }
            Work::Embeddings(_) => (Vec::new(), 0, 0),
            Work::Moderations(moderations) if moderations.input.images > 0 => (vec![Capability::Images], 0, 0),
            Work::Moderations(_) => (Vec::new(), 0, 0),
        };
        let routing = &tenant.routing;
        let pinned = routing.prefer.as_deref().filter(|_| routing.strategy == Some(Strategy::Pinned));
        let floor = engine.settings.output_tokens_floor.min(output_tokens);
        Self {
            tenant,
            operation: work.operation(),
            capabilities,
            tokens_min: (input_bytes / BYTES_PER_TOKEN_MAX).saturating_add(floor),
            output_tokens,
            locks: routing.locks.as_deref().unwrap_or_default(),
            pinned,
        }
    }

    /// The version of this model that must answer.
    pub fn expected(&self, route: &Route) -> Expected {
        Expected::of(&route.card, locks::of(self.locks, &route.card))
    }
}

/// Why this may not serve the request; `None` where it may. Residency first: nothing else is asked of what lies elsewhere.
pub(super) fn refusal(engine: &Engine, needs: &Needs<'_>, route: &Route) -> Option<Refusal> {
    let card = &route.card;
    if needs.tenant.record.region.as_deref().is_some_and(|region| !lies_within(route.region(), region)) {
        return Some(Refusal::Residency);
    }
    if !route.provider.offers(needs.operation) {
        return Some(Refusal::Operation(needs.operation));
    }
    if needs.pinned.is_some_and(|providers| !providers.contains(&card.provider)) {
        return Some(Refusal::Pinned);
    }
    if let Some(mark) = needs.tenant.own_credential(&card.provider)
        && let Err(unusable) = credentials::usable(mark, &route.provider)
    {
        return Some(Refusal::Credential(unusable));
    }
    if let Some(capability) = card.lacks(&needs.capabilities) {
        return Some(Refusal::Capability(capability));
    }
    if card.context_tokens_max.is_some_and(|tokens| needs.tokens_min > tokens) {
        return Some(Refusal::Context);
    }
    if needs.output_tokens > card.output_tokens_max {
        return Some(Refusal::Output(card.output_tokens_max));
    }
    if locks::of(needs.locks, card).is_some_and(|lock| locks::is_of_another_version(card, lock)) {
        return Some(Refusal::Locked);
    }
    match engine.health.look(&needs.tenant.lane(card), needs.tenant.record.id) {
        State::Open { wait } => Some(Refusal::CircuitOpen(wait)),
        State::Closed | State::HalfOpen => None,
    }
}

/// Whether `region` is `outer` or lies within it, as `eu-central-1` lies within `eu`. What has no region lies nowhere.
fn lies_within(region: Option<&str>, outer: &str) -> bool {
    let inner = |region: &str| region.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    region.is_some_and(inner)
}

/// Refuses a field by which a provider hands the request on, where the tenant may not go everywhere.
pub(super) fn check_hand_over(tenant: &TenantEntry, work: &Work) -> Result<()> {
    let is_bound = tenant.models.is_some() || tenant.record.region.is_some() || tenant.routing.locks.is_some();
    match work {
        Work::Chat(chat) if is_bound && chat.hands_over.is_some() => {
            let field = chat.hands_over.unwrap_or_default();
            let why = format!("`{field}` may hand the request to a model that you may not use; leave it out");
            Err(Error::invalid(why).at(field))
        }
        _ => Ok(()),
    }
}

/// The one clear refusal where nothing is left. It names what stood in the way, and no model that the tenant did not ask for.
pub(super) fn nothing_left(needs: &Needs<'_>, work: &Work, refusals: &[Refusal]) -> Error {
    let longest = refusals.iter().map(|refusal| match refusal {
        Refusal::Output(tokens) => Some(*tokens),
        _ => None,
    });
    if let Some(longest) = longest.collect::<Option<Vec<_>>>().and_then(|tokens| tokens.into_iter().max()) {
        return Error::invalid(format!("the model `{}` writes at most {longest} tokens", work.model())).at("max_tokens");
    }
    let mut why: Vec<String> = Vec::new();
    for refusal in refusals {
        let why_not = told(needs, refusal);
        if !why.contains(&why_not) {
            why.push(why_not);
        }
    }
    let why = why.join("; ");
    let waits = refusals.iter().filter_map(|refusal| match refusal {
        Refusal::CircuitOpen(wait) => Some(*wait),
        _ => None,
    });
    let message = format!("nothing may serve this request for the model `{}`: {why}", work.model());
    match waits.min() {
        // What fails now may be well again in a moment; what is not allowed stays so.
        Some(retry_after) => Error::new(ErrorKind::Unavailable { retry_after }, message),
        None => Error::new(ErrorKind::NoRoute, message).at("model"),
    }
}

fn told(needs: &Needs<'_>, refusal: &Refusal) -> String {
    match refusal {
        Refusal::Residency => {
            let region = needs.tenant.record.region.as_deref().unwrap_or_default();
            format!("it is not served within the region `{region}` (residency)")
        }
        Refusal::Operation(operation) => format!("its provider's API has no {} (operation)", operation.name()),
        Refusal::Capability(capability) => format!("it cannot do what the request needs ({})", capability.name()),
        Refusal::Context => "the request is longer than its context (context)".to_owned(),
        Refusal::Output(tokens) => format!("it writes at most {tokens} tokens (output)"),
        Refusal::Locked => "it is of another version than was approved (version_lock)".to_owned(),
        Refusal::Pinned => "requests are pinned to other providers (pinned)".to_owned(),
        Refusal::Credential(unusable) => unusable.told().to_owned(),
        Refusal::CircuitOpen(_) => "its provider keeps failing, and is tried again in a moment (circuit_open)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_holds_itself_and_what_lies_within() {
        for (region, outer, is_within) in [
            (Some("eu"), "eu", true),
            (Some("eu-central-1"), "eu", true),
            (Some("eu-central-1"), "eu-central-1", true),
            (Some("eu"), "eu-central-1", false),
            (Some("europe"), "eu", false),
            (Some("us-east-1"), "eu", false),
            (None, "eu", false),
        ] {
            assert_eq!(lies_within(region, outer), is_within, "{region:?} in {outer}");
        }
    }
}
