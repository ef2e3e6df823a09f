//! Holding the most that a call can cost, in every budget that applies.

use std::sync::Arc;

use insula_model::{BudgetRefusal, Error, ErrorKind, Result, Subject};
use insula_providers::Route;

use crate::{
    Call, Engine,
    accounts::{Ask, Hold},
    isolation,
    work::Work,
};

/// Reserves for the call, waiting a bounded turn where only others' holds stand in the way. A refusal is noted for those who
/// want to be told; a tenant that is charged by its plan learns from it how much is used, but no amount of what that costs.
pub(crate) async fn hold(engine: &Engine, call: &Call, work: &Arc<Work>, route: &Route) -> Result<Hold> {
    let held = reserve(engine, call, work, route).await;
    let Err(error) = &held else { return held };
    let ErrorKind::BudgetExceeded(refusal) = error.kind() else { return held };
    engine.accounts.note_refusal(&call.subjects(), refusal);
    match refusal.unit == "usd" && engine.directory.sells_to(&call.credential.tenant.record) {
        true => Err(refused_in_percent((**refusal).clone())),
        false => held,
    }
}

/// A refusal for who may not know the amounts.
fn refused_in_percent(refusal: BudgetRefusal) -> Error {
    let BudgetRefusal { level, window, used_percent, resets_at, .. } = &refusal;
    let message = format!(
        "the {} budget of the {} does not cover this request: {used_percent} percent of it are used, and the rest is too little; it resets at \
         {resets_at}",
        window.name(),
        level.name(),
    );
    Error::new(ErrorKind::BudgetExceeded(Box::new(refusal.in_percent())), message)
}

/// Bytes bound the input while the headroom is wide; only when that does not fit is the tokenizer asked.
async fn reserve(engine: &Engine, call: &Call, work: &Arc<Work>, route: &Route) -> Result<Hold> {
    let subjects = call.subjects();
    let capped = engine.accounts.is_capped(&subjects);
    let input = work.input_tokens_max(&route.card);
    let is_free = is_free(engine, work, route, &subjects);
    // What no answer will count is billed as it is held: counted, where that can be and changes anything.
    let is_billed = work.is_uncounted() && (!is_free || has_use_for_tokens(engine, call, &subjects));
    let billed = if is_billed && input.is_ok() { counted(engine, call, work, route).await } else { None };
    let input_tokens_max = match input {
        Ok(bytes) => billed.map_or(bytes, |tokens| tokens.min(bytes)),
        Err(unbounded) if capped && !is_free => return Err(unbounded),
        // Without a hard budget there is nothing to keep: the bytes stand in for what cannot be known.
        Err(_) => work.sent_bytes() as u64,
    };
    let added = work.isolation_tokens_max(isolation::of(&call.credential, &route.provider));
    let input_tokens_max = input_tokens_max.saturating_add(added);
    let mut ask = Ask {
        tenant: call.credential.scope.tenant(),
        subjects,
        input_tokens_max,
        output: work.output_ask(&route.card, capped, &engine.settings),
        price: route.price_row.price,
    };
    if !capped {
        return engine.accounts.reserve(&ask, engine.settings.budget_wait_max).await;
    }
    let by_bytes = engine.accounts.try_reserve(&ask).await;
    if let Ok(Some(hold)) = by_bytes {
        return Ok(hold);
    }
    // Counting is only worth its while once, and where the shortest count that there can be would fit.
    let shortest = Ask { input_tokens_max: input_tokens_max / TOKEN_BYTES_MAX, ..ask.clone() };
    let is_worth_it = !is_billed && !is_free && engine.accounts.could_fit(&shortest);
    let counted = if is_worth_it { counted(engine, call, work, route).await } else { billed };
    match counted {
        Some(tokens) => ask.input_tokens_max = tokens.saturating_add(added).min(input_tokens_max),
        None => by_bytes.map(drop)?,
    }
    engine.accounts.reserve(&ask, engine.settings.budget_wait_max).await
}

/// Whether no budget counts what this costs: its price is nothing, and none caps tokens.
fn is_free(engine: &Engine, work: &Work, route: &Route, subjects: &[Subject]) -> bool {
    work.is_free_at(&route.price_row.price) && !engine.accounts.caps_tokens(subjects)
}

/// Whether something counts tokens that cost nothing at the provider: a budget, or a plan that sells them.
fn has_use_for_tokens(engine: &Engine, call: &Call, subjects: &[Subject]) -> bool {
    engine.accounts.counts_tokens(subjects) || engine.directory.sells_to(&call.credential.tenant.record)
}

/// Bytes of the longest tokens that text is made of; longer ones are runs of blanks.
const TOKEN_BYTES_MAX: u64 = 128;

/// The input counted by the model's own tokenizer; `None` where none is known for it, or too much else is counted.
pub(crate) async fn counted(engine: &Engine, call: &Call, work: &Arc<Work>, route: &Route) -> Option<u64> {
    let (tokenizer, work, card) = (route.card.tokenizer?, work.clone(), route.card.clone());
    let (tenant, bytes) = (call.credential.scope.tenant(), work.sent_bytes());
    engine.tokenizing.count(tenant, bytes, move || work.count_input_tokens(&card, tokenizer)).await
}
