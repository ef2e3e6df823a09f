//! Limits on pace: the cheapest stage, so it comes before anything that costs.

use std::time::Duration;

use insula_model::{Error, ErrorKind, Limits, Result, Subject};
use insula_store::{Charge, RateKind, RateState};

use crate::{Call, Engine, directory::Limited, work::Work};

/// What limits count in.
const MINUTE: Duration = Duration::from_secs(60);

/// How much of a pace limit is left, for the response's headers. The tightest of tenant's and key's is shown.
#[derive(Debug, Clone, Copy)]
pub struct RateView {
    /// What is counted.
    pub kind: RateKind,
    /// How many a minute.
    pub limit: u32,
    /// How many are left now.
    pub remaining: u32,
    /// Until all are back.
    pub reset: Duration,
}

/// Charges the tenant's and the key's pace limits, all or none. Of a request that grows, tokens are only looked at: they are charged together
/// with what it grows by ([`charge_grown`]), because a part that was taken could not be given back when there is no room for the rest.
pub(crate) async fn charge(engine: &Engine, call: &Call, work: &Work) -> Result<Vec<RateView>> {
    let mut charges = charges(call, work);
    if work.grows() {
        look(engine, charges.iter().filter(|charge| charge.kind == RateKind::Tokens).copied()).await?;
        charges.iter_mut().filter(|charge| charge.kind == RateKind::Tokens).for_each(|charge| charge.amount = 0);
    }
    apply(engine, charges).await
}

/// Charges the tokens of a request that has grown: all that goes upstream. What other requests are charged stays as it was told, `rates`.
pub(crate) async fn charge_grown(engine: &Engine, call: &Call, work: &Work, rates: Vec<RateView>) -> Result<Vec<RateView>> {
    if !work.grows() {
        return Ok(rates);
    }
    let mut charges = charges(call, work);
    charges.iter_mut().filter(|charge| charge.kind == RateKind::Requests).for_each(|charge| charge.amount = 0);
    apply(engine, charges).await
}

/// Refuses what could not be taken now. Takes nothing.
async fn look(engine: &Engine, wanted: impl Iterator<Item = Charge>) -> Result<()> {
    let wanted: Vec<Charge> = wanted.collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let nothing: Vec<Charge> = wanted.iter().map(|charge| Charge { amount: 0, ..*charge }).collect();
    let states = engine.coordination.charge(&nothing).await.remaining;
    let missing = |(charge, state): (&Charge, &RateState)| {
        let missing = charge.amount.min(state.limit).saturating_sub(state.remaining);
        (*charge, MINUTE * missing / state.limit.max(1))
    };
    let longest = wanted.iter().zip(&states).map(missing).max_by_key(|(_, wait)| *wait);
    match longest {
        Some((charge, wait)) if !wait.is_zero() => Err(refusal(Some(&charge), wait)),
        _ => Ok(()),
    }
}

fn charges(call: &Call, work: &Work) -> Vec<Charge> {
    let mut charges = Vec::new();
    for (subject, limits) in call.limited_subjects() {
        add(&mut charges, subject, &limits, work);
    }
    charges
}

/// Charges these limits for so many requests that use no tokens.
pub(crate) async fn charge_requests(
    engine: &Engine,
    limited: impl IntoIterator<Item = Limited>,
    amount: u32,
) -> Result<Vec<RateView>> {
    let limited = limited.into_iter().filter_map(|(subject, limits)| Some((subject, limits.requests_per_minute?)));
    let charge = |(subject, per_minute)| Charge { subject, kind: RateKind::Requests, per_minute, amount };
    apply(engine, limited.map(charge).collect()).await
}

async fn apply(engine: &Engine, charges: Vec<Charge>) -> Result<Vec<RateView>> {
    if charges.is_empty() {
        return Ok(Vec::new());
    }
    let decision = engine.coordination.charge(&charges).await;
    if let Some((index, retry_after)) = decision.refused {
        return Err(refusal(charges.get(index), retry_after));
    }
    let seen = charges.iter().zip(&decision.remaining);
    let mut views: Vec<RateView> = seen
        .map(|(charge, state)| RateView {
            kind: charge.kind,
            limit: state.limit,
            remaining: state.remaining,
            reset: state.reset,
        })
        .collect();
    views.sort_by_key(|view| view.remaining);
    Ok(views)
}

fn add(charges: &mut Vec<Charge>, subject: Subject, limits: &Limits, work: &Work) {
    if let Some(per_minute) = limits.requests_per_minute {
        charges.push(Charge { subject, kind: RateKind::Requests, per_minute, amount: 1 });
    }
    if let Some(per_minute) = limits.tokens_per_minute {
        let amount = u32::try_from(work.tokens_estimate()).unwrap_or(u32::MAX);
        charges.push(Charge { subject, kind: RateKind::Tokens, per_minute, amount });
    }
}

fn refusal(charge: Option<&Charge>, retry_after: Duration) -> Error {
    let message = match charge {
        Some(Charge { subject, kind: RateKind::Requests, per_minute, .. }) => {
            format!("rate limit of the {} reached: {per_minute} requests per minute", subject.level().name())
        }
        Some(Charge { subject, kind: RateKind::Tokens, per_minute, amount }) => {
            let level = subject.level().name();
            format!("rate limit of the {level} reached: {per_minute} tokens per minute, and this request counts for {amount}")
        }
        None => "rate limit reached".to_owned(),
    };
    Error::new(ErrorKind::RateLimited { retry_after }, message)
}
