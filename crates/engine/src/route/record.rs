//! The decision about a request's way, as its trace keeps it.

use std::borrow::Cow;

use insula_model::{Complexity, Strategy};
use insula_providers::Route;
use serde::{Deserialize, Serialize};

use super::{filter::Refusal, locks::Mismatch};

/// Where a request could go, and why it went where it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteRecord {
    /// The model that was looked for: the caller's, or what `auto` stood for.
    pub model: String,
    /// How demanding the request was held to be, where `auto` was asked for.
    pub complexity: Option<Cow<'static, str>>,
    /// How the candidates were put in order.
    pub strategy: Cow<'static, str>,
    /// All that serves the model, in configuration order, then all that steps in for it.
    pub candidates: Vec<CandidateRecord>,
    /// Answers of another version than was expected, or than the answer before.
    pub mismatches: Vec<Mismatch>,
}

/// What became of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateRecord {
    /// The provider's configured name.
    pub provider: String,
    /// The model as the price book names it.
    pub model: String,
    /// Where it is processed, as far as the operator says.
    pub region: Option<String>,
    /// When it is tried, from 1; absent for what may not serve the request.
    pub rank: Option<u32>,
    /// Why it may not, or why it stands behind others.
    pub reason: Option<Cow<'static, str>>,
}

impl RouteRecord {
    /// A decision that has looked at no candidate yet.
    pub(super) fn new(model: &str, complexity: Option<Complexity>, strategy: Strategy) -> Self {
        Self {
            model: model.to_owned(),
            complexity: complexity.map(|complexity| Cow::Borrowed(complexity.name())),
            strategy: Cow::Borrowed(strategy.name()),
            candidates: Vec::new(),
            mismatches: Vec::new(),
        }
    }

    /// Notes a candidate's place in the order, and why it is a late one.
    pub(super) fn rank(&mut self, route: &Route, rank: u32, behind: Option<&'static str>) {
        let is_it = |seen: &&mut CandidateRecord| seen.provider == route.card.provider && seen.model == route.card.name;
        if let Some(candidate) = self.candidates.iter_mut().find(is_it) {
            candidate.rank = Some(rank);
            candidate.reason = behind.map(Cow::Borrowed);
        }
    }

    /// The decision in a few words, for the stage.
    pub(crate) fn summary(&self) -> String {
        let first = self.candidates.iter().find(|candidate| candidate.rank == Some(1));
        let kept = self.candidates.iter().filter(|candidate| candidate.rank.is_some()).count();
        let dropped = self.candidates.len() - kept;
        match first {
            Some(CandidateRecord { provider, model, .. }) => {
                format!("{}: {provider}/{model} first of {kept}, {dropped} dropped", self.strategy)
            }
            None => format!("nothing left, {dropped} dropped"),
        }
    }
}

impl CandidateRecord {
    pub(super) fn new(route: &Route, refusal: Option<&Refusal>) -> Self {
        Self {
            provider: route.card.provider.clone(),
            model: route.card.name.clone(),
            region: route.region().map(str::to_owned),
            rank: None,
            reason: refusal.map(|refusal| Cow::Borrowed(refusal.name())),
        }
    }
}
