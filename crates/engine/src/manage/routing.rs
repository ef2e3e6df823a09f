//! Routing of a tenant: read, replace, and what it comes to for a request.

use insula_model::{Complexity, Error, Result, Routing, Tenant};
use insula_providers::ChatRequest;

use super::defaults::check_model;
use crate::{
    CandidateRecord, Engine, RouteRecord,
    directory::{Caller, ManagedTenant},
    route::{self, Plan, Stated},
    work::Work,
};

/// Providers in one list.
const PROVIDERS_MAX: usize = 64;
/// Characters of a provider's name, a snapshot or a fingerprint.
const NAME_CHARS_MAX: usize = 256;
/// The most that one provider can weigh.
const WEIGHT_MAX: u32 = 1_000_000;
/// Models that have others to step in for them, and models that are locked.
const MODELS_MAX: usize = 100;
/// Models that step in for one.
const FALLBACKS_MAX: usize = 8;

/// A tenant's own routing.
pub fn of_tenant(tenant: &ManagedTenant) -> Routing {
    tenant.entry.record.routing.clone()
}

/// Replaces a tenant's own routing. What it leaves open the tenant inherits. It chooses among what the operator allows: neither the
/// tenant's models nor its region can be widened by it.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] naming the field.
pub async fn replace_of_tenant(engine: &Engine, tenant: &ManagedTenant, routing: Routing) -> Result<Routing> {
    check(&routing)?;
    let change = |now: &Tenant| Ok(Tenant { routing: routing.clone(), ..now.clone() });
    let entry = engine.directory.change_tenant(tenant.scope.tenant(), &engine.accounts, change).await?;
    tracing::info!(tenant = %entry.record.id, by = %tenant.by.key(), "routing replaced");
    Ok(routing)
}

/// Where a request would go, and why.
#[derive(Debug)]
pub struct Explained {
    /// The decision.
    pub route: RouteRecord,
    /// Why nothing may serve it.
    pub refusal: Option<Error>,
}

/// Decides about a chat of this tenant as if it came now. Nothing is sent, held or charged. To operators it also shows models
/// that the tenant cannot see.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] for a body that is no chat completion request.
pub fn explain(engine: &Engine, tenant: &ManagedTenant, body: Vec<u8>, complexity: Option<Complexity>) -> Result<Explained> {
    let work = Work::chat(ChatRequest::parse(body.into())?);
    let Plan { mut record, candidates } = route::plan(engine, &tenant.entry, &work, Stated { complexity, ..Stated::default() });
    if matches!(tenant.by, Caller::Operator(_)) {
        let hidden = hidden(engine, tenant, &record.model);
        record.candidates.extend(hidden);
    }
    Ok(Explained { route: record, refusal: candidates.err() })
}

/// What is called `model` and does not exist for the tenant.
fn hidden(engine: &Engine, tenant: &ManagedTenant, model: &str) -> Vec<CandidateRecord> {
    let asked = [model.to_owned()];
    let served = engine.providers.models(engine.clock.now());
    let hidden = served.iter().filter(|card| card.is_among(Some(&asked)) && !tenant.entry.may_see(card));
    let record = |card: &std::sync::Arc<insula_providers::ModelCard>| {
        let reason = if card.is_among(tenant.entry.models.as_deref()) { "hidden" } else { "not_allowed" };
        CandidateRecord {
            provider: card.provider.clone(),
            model: card.name.clone(),
            region: card.region.clone(),
            rank: None,
            reason: Some(reason.into()),
        }
    };
    hidden.map(record).collect()
}

/// Refuses routing that cannot be, naming the field.
pub(super) fn check(routing: &Routing) -> Result<()> {
    if routing.attempts_max == Some(0) {
        return Err(Error::invalid("at least one attempt is made").at("attempts_max"));
    }
    check_providers(routing)?;
    if let Some(matrix) = &routing.matrix {
        for (model, field) in [(&matrix.simple, "matrix.simple"), (&matrix.complex, "matrix.complex")] {
            check_model(model).map_err(|error| error.at(field))?;
        }
    }
    for (model, others) in routing.fallbacks.iter().flatten() {
        let at = |error: Error| error.at(format!("fallbacks.{model}"));
        check_model(model).map_err(at)?;
        others.iter().try_for_each(|other| check_model(other)).map_err(at)?;
        if others.len() > FALLBACKS_MAX {
            return Err(at(Error::invalid(format!("at most {FALLBACKS_MAX} models step in for one"))));
        }
    }
    let counts = [
        (routing.fallbacks.as_ref().map_or(0, |fallbacks| fallbacks.len()), "fallbacks"),
        (routing.locks.as_ref().map_or(0, Vec::len), "locks"),
    ];
    if let Some((_, field)) = counts.iter().find(|(count, _)| *count > MODELS_MAX) {
        return Err(Error::invalid(format!("at most {MODELS_MAX} models")).at(*field));
    }
    check_locks(routing)
}

fn check_providers(routing: &Routing) -> Result<()> {
    let prefer = routing.prefer.as_deref().unwrap_or_default();
    let weights = routing.weights.iter().flatten();
    if prefer.len() > PROVIDERS_MAX || routing.weights.as_ref().is_some_and(|weights| weights.len() > PROVIDERS_MAX) {
        let field = if prefer.len() > PROVIDERS_MAX { "prefer" } else { "weights" };
        return Err(Error::invalid(format!("at most {PROVIDERS_MAX} providers")).at(field));
    }
    for (i, provider) in prefer.iter().enumerate() {
        check_name(provider).map_err(|error| error.at(format!("prefer[{i}]")))?;
        if prefer[..i].contains(provider) {
            return Err(Error::invalid("this provider is in the list already").at(format!("prefer[{i}]")));
        }
    }
    for (provider, weight) in weights {
        let at = format!("weights.{provider}");
        check_name(provider).map_err(|error| error.at(at.clone()))?;
        if *weight > WEIGHT_MAX {
            return Err(Error::invalid(format!("a weight is 0 to {WEIGHT_MAX}")).at(at));
        }
    }
    Ok(())
}

fn check_locks(routing: &Routing) -> Result<()> {
    for (i, lock) in routing.locks.iter().flatten().enumerate() {
        let at = |field: &str| format!("locks[{i}].{field}");
        check_model(&lock.model).map_err(|error| error.at(at("model")))?;
        if lock.snapshot.is_none() && lock.fingerprint.is_none() {
            return Err(Error::invalid("say which `snapshot` or `fingerprint` is approved").at(format!("locks[{i}]")));
        }
        for (text, field) in [(&lock.snapshot, "snapshot"), (&lock.fingerprint, "fingerprint")] {
            text.as_deref().map_or(Ok(()), check_name).map_err(|error| error.at(at(field)))?;
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    if (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::invalid(format!("a name has 1 to {NAME_CHARS_MAX} characters")))
}

#[cfg(test)]
mod tests {
    use insula_model::{Matrix, OnMismatch, VersionLock};

    use super::*;

    #[test]
    fn what_cannot_be_is_named() {
        let none = Routing::default;
        let lock = |snapshot: Option<&str>| VersionLock {
            model: "m".to_owned(),
            snapshot: snapshot.map(str::to_owned),
            fingerprint: None,
            on_mismatch: OnMismatch::Flag,
        };
        let matrix = Matrix { simple: "a".to_owned(), complex: String::new() };
        let fallbacks = |others: usize| Some([("m".to_owned(), vec!["o".to_owned(); others])].into());
        let cases = [
            (Routing { attempts_max: Some(0), ..none() }, "attempts_max"),
            (Routing { prefer: Some(vec!["a".to_owned(), "a".to_owned()]), ..none() }, "prefer[1]"),
            (Routing { weights: Some([("a".to_owned(), WEIGHT_MAX + 1)].into()), ..none() }, "weights.a"),
            (Routing { matrix: Some(matrix), ..none() }, "matrix.complex"),
            (Routing { fallbacks: fallbacks(9), ..none() }, "fallbacks.m"),
            (Routing { locks: Some(vec![lock(Some("v1")), lock(None)]), ..none() }, "locks[1]"),
        ];
        for (routing, param) in cases {
            assert_eq!(check(&routing).unwrap_err().param(), Some(param));
        }
        let good = Routing { fallbacks: fallbacks(8), locks: Some(vec![lock(Some("v1"))]), ..none() };
        assert!(check(&good).is_ok());
    }
}
