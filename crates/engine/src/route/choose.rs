//! In which order what may serve a request is tried: by the tenant's strategy, and behind the others what fails more than they do,
//! may be too small, or has asked for nothing more for now.

use std::cmp::Ordering;

use insula_model::{Money, Random, Strategy};
use insula_providers::Route;

use crate::{Engine, directory::TenantEntry, work::Work};

/// Bytes of prose that make a token, on average.
const BYTES_PER_TOKEN: u64 = 4;
/// The share of failures below which nothing goes behind its peers.
const OUTLIER_SHARE_MIN: f64 = 0.2;
/// How many times the share of the best of its peers it must be.
const OUTLIER_TIMES_MIN: f64 = 3.0;

/// The candidates in order, each with why it stands behind others, if it does.
pub(super) fn order(
    engine: &Engine,
    tenant: &TenantEntry,
    work: &Work,
    routes: Vec<Route>,
) -> Vec<(Route, Option<&'static str>)> {
    if routes.len() < 2 {
        return routes.into_iter().map(|route| (route, None)).collect();
    }
    let scores = scores(engine, tenant, work, &routes);
    let shares: Vec<_> = routes
        .iter()
        .map(|route| engine.health.failure_share(&tenant.lane(&route.card), tenant.record.id).unwrap_or(0.0))
        .collect();
    let behind: Vec<_> = routes
        .iter()
        .zip(outliers(&shares))
        .map(|(route, is_outlier)| behind(engine, tenant, work, route, is_outlier))
        .collect();
    let mut order: Vec<_> = routes.into_iter().zip(behind).zip(scores).collect();
    // Stable: what is equal stays in configuration order.
    order.sort_by(|((_, one), score), ((_, other), other_score)| {
        one.is_some().cmp(&other.is_some()).then(score.partial_cmp(other_score).unwrap_or(Ordering::Equal))
    });
    order.into_iter().map(|(route, _)| route).collect()
}

/// Why a candidate stands behind the others, if it does.
fn behind(engine: &Engine, tenant: &TenantEntry, work: &Work, route: &Route, is_outlier: bool) -> Option<&'static str> {
    match (is_tight(work, route), is_outlier) {
        (true, _) => Some("context_tight"),
        (false, true) => Some("outlier"),
        (false, false) => engine.queue.is_held(&tenant.lane(&route.card)).then_some("paced"),
    }
}

/// A number for each: the lowest is tried first.
fn scores(engine: &Engine, tenant: &TenantEntry, work: &Work, routes: &[Route]) -> Vec<f64> {
    let routing = &tenant.routing;
    let by_place = |providers: Option<&Vec<String>>, route: &Route| {
        let providers = providers.map(Vec::as_slice).unwrap_or_default();
        providers.iter().position(|provider| *provider == route.card.provider).unwrap_or(providers.len()) as f64
    };
    let score = |route: &Route| match routing.strategy.unwrap_or_default() {
        Strategy::Configured => 0.0,
        Strategy::Preferred | Strategy::Pinned => by_place(routing.prefer.as_ref(), route),
        Strategy::Cheapest => expected_cost(work, route, engine.settings.output_tokens_floor).pico() as f64,
        Strategy::Weighted => {
            let weight = routing.weights.as_ref().and_then(|weights| weights.get(&route.card.provider)).copied();
            drawn(weight.unwrap_or(0), &*engine.random)
        }
        Strategy::LeastLoaded => engine.queue.load(&tenant.lane(&route.card)),
    };
    routes.iter().map(score).collect()
}

/// What a request is expected to cost: its input at four bytes a token, and the output that it allows, or a short answer.
fn expected_cost(work: &Work, route: &Route, output_tokens: u64) -> Money {
    let output = match work {
        Work::Chat(chat) => chat.max_tokens.unwrap_or(output_tokens).saturating_mul(chat.n),
        Work::Embeddings(_) | Work::Moderations(_) => 0,
    };
    route.price_row.price.bound(work.input_tokens_estimate(), output)
}

/// A moment drawn so that the first of several is each in proportion to its weight; what has none comes last. Source: Efraimidis
/// and Spirakis, "Weighted random sampling with a reservoir" (2006).
fn drawn(weight: u32, random: &dyn Random) -> f64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    // Above 0 and at most 1.
    let chance = ((u64::from_le_bytes(bytes) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    if weight == 0 { f64::MAX } else { -chance.ln() / f64::from(weight) }
}

/// Whether a request may be too long for a model, though it cannot be said for sure.
fn is_tight(work: &Work, route: &Route) -> bool {
    let Work::Chat(chat) = work else { return false };
    let tokens = (chat.input.bytes / BYTES_PER_TOKEN).saturating_add(chat.max_tokens.unwrap_or(0));
    route.card.context_tokens_max.is_some_and(|most| tokens > most)
}

/// Which of these shares of failures stand out beside the best of the others.
fn outliers(shares: &[f64]) -> Vec<bool> {
    let best = shares.iter().copied().fold(f64::MAX, f64::min);
    shares.iter().map(|share| *share >= OUTLIER_SHARE_MIN && *share >= best * OUTLIER_TIMES_MIN).collect()
}

#[cfg(test)]
mod tests {
    use insula_model::SeededRandom;

    use super::*;

    #[test]
    fn what_fails_more_than_its_peers_stands_out() {
        assert_eq!(outliers(&[0.3, 0.01]), [true, false]);
        assert_eq!(outliers(&[0.3, 0.25]), [false, false], "all of them fail: none is better");
        assert_eq!(outliers(&[0.1, 0.0]), [false, false], "too few failures");
        assert_eq!(outliers(&[0.9, 0.0, 0.25]), [true, false, true]);
    }

    #[test]
    fn chance_follows_the_weights() {
        let random = SeededRandom::new(7);
        let first = (0..4_000).filter(|_| drawn(3, &random) < drawn(1, &random)).count();
        assert!((2_850..3_150).contains(&first), "{first} of 4000");
        assert!(drawn(0, &random) > drawn(1, &random));
    }
}
