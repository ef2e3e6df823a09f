//! The stage: an answer is found, is waited for, or has to be asked for.

use std::{borrow::Cow, sync::Arc, time::Duration};

use insula_model::{CacheRules, Error, ErrorKind, Money, Result};
use insula_store::AnswerKey;
use tokio::{sync::watch, time::Instant};

use super::{
    CacheRecord, CacheView, Fill, Kept,
    fill::Place,
    misses::{Entry, Told},
    question, shared,
};
use crate::{
    Call, Engine,
    idempotency::{self, Claim},
    trace::Trace,
    turn,
    work::Work,
};

/// What the cache has for a call.
pub(crate) enum Found {
    /// An answer, which costs nothing.
    Kept(Arc<Kept>),
    /// None: it is sent, and this is told what came of it.
    Nothing(Fill),
}

/// What a look came to.
enum Looked {
    Kept(Arc<Kept>),
    Miss(Fill),
    /// The cache takes no part; in a word or two, why.
    Bypass(&'static str),
}

/// Looks for an answer to the call, and waits a while where the same request is under way. A tenant that has no cache pays
/// nothing for it but this call.
///
/// # Errors
/// [`ErrorKind::NotCached`] where the caller wants nothing but what is there; those of a limit on concurrency, and of a
/// withdrawn credential, where it waited.
pub(crate) async fn look(engine: &Engine, call: &Call, work: &Work, claim: &Claim, trace: &mut Trace) -> Result<Found> {
    let rules = call.credential.tenant.cache;
    if rules.enabled != Some(true) {
        return if call.cache.only_if_cached { Err(not_cached()) } else { Ok(Found::Nothing(Fill::default())) };
    }
    let begun = engine.clock.elapsed();
    let looked = find(engine, call, work, claim, trace, &rules).await;
    let looked = match looked {
        Ok(Looked::Miss(_) | Looked::Bypass(_)) if call.cache.only_if_cached => Err(not_cached()),
        // Looking may have taken its time.
        Ok(Looked::Kept(kept)) => call.still_admitted().map(|()| Looked::Kept(kept)),
        looked => looked,
    };
    let (outcome, reason) = match &looked {
        Ok(Looked::Kept(_)) => ("hit", None),
        Ok(Looked::Miss(_)) => ("miss", None),
        Ok(Looked::Bypass(why)) => ("bypass", Some(Cow::Borrowed(*why))),
        Err(error) => ("refused", Some(Cow::Borrowed(error.kind().name()))),
    };
    trace.note(engine, "cache", begun, outcome, reason);
    let found = match looked? {
        Looked::Kept(kept) => Found::Kept(kept),
        Looked::Miss(fill) => Found::Nothing(fill),
        Looked::Bypass(_) => Found::Nothing(Fill::bypass()),
    };
    let saved = if let Found::Kept(kept) = &found { kept.made.cost } else { Money::ZERO };
    trace.cache = Some(CacheRecord { status: Cow::Borrowed(outcome), saved });
    Ok(found)
}

async fn find(engine: &Engine, call: &Call, work: &Work, claim: &Claim, trace: &Trace, rules: &CacheRules) -> Result<Looked> {
    if call.cache.no_store {
        return Ok(Looked::Bypass("no-store"));
    }
    let key = match question::key(engine, call, work, rules, &trace.seals) {
        Ok(key) => key,
        Err(why) => return Ok(Looked::Bypass(why)),
    };
    // Its twin's answer is the only one that it may get.
    if idempotency::is_under_way_elsewhere(engine, call, claim).await? {
        return Ok(Looked::Bypass("Idempotency-Key"));
    }
    let look = Look { engine, call, trace, key, ttl: Duration::from_secs(rules.ttl_seconds.unwrap_or_default().into()) };
    if call.cache.no_cache {
        return Ok(Looked::Miss(look.alone()));
    }
    look.find().await
}

/// One look.
struct Look<'a> {
    engine: &'a Engine,
    call: &'a Call,
    trace: &'a Trace,
    key: AnswerKey,
    ttl: Duration,
}

impl Look<'_> {
    async fn find(&self) -> Result<Looked> {
        let cache = &self.engine.answers;
        let wait_until = Instant::now() + cache.settings.wait_max;
        loop {
            if let Some(kept) = self.in_memory() {
                return Ok(Looked::Kept(kept));
            }
            let lead = match cache.misses.enter(self.key, cache.settings.waiters_max) {
                Entry::First(lead) => lead,
                // Who wants nothing but what is there does not wait for it to come.
                Entry::Full | Entry::Later(_) if self.call.cache.only_if_cached => return Err(not_cached()),
                Entry::Full => return Ok(Looked::Miss(self.alone())),
                Entry::Later(told) => match self.wait(told, wait_until).await? {
                    Some(Told::Answer(kept)) => return Ok(Looked::Kept(kept)),
                    Some(Told::Failed) => continue,
                    Some(Told::NotShared) | None => return Ok(Looked::Miss(self.alone())),
                },
            };
            // The one before it may have ended between the two looks.
            if let Some(kept) = self.in_memory() {
                lead.tell(Told::Answer(kept.clone()));
                return Ok(Looked::Kept(kept));
            }
            if let Some(kept) = shared::find(self.engine, &self.trace.seals, &self.key).await.filter(|kept| self.suits(kept)) {
                cache.put(&self.call.credential, self.key, kept.clone());
                lead.tell(Told::Answer(kept.clone()));
                return Ok(Looked::Kept(kept));
            }
            return Ok(Looked::Miss(Fill::of(CacheView::Miss, Place { key: self.key, ttl: self.ttl, lead: Some(lead) })));
        }
    }

    /// Waits for the first to end; `None` where that takes too long. Whoever waits has a seat as if it were sent.
    async fn wait(&self, mut told: watch::Receiver<Option<Told>>, wait_until: Instant) -> Result<Option<Told>> {
        let _seat = turn::take(self.engine, self.call).await?;
        // Cloned at once: what the channel lends must not be held over the next await.
        let ended = async { told.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone()) };
        let ended = tokio::time::timeout_at(wait_until, ended).await;
        self.call.still_admitted()?;
        self.engine.directory.check_current()?;
        Ok(ended.ok().map(|ended| ended.unwrap_or(Told::Failed)))
    }

    fn in_memory(&self) -> Option<Arc<Kept>> {
        let tenant = self.call.credential.scope.tenant();
        let kept = self.engine.answers.memory.lock().find(tenant, &self.key)?;
        self.suits(&kept).then_some(kept)
    }

    /// Whether an answer is young enough for its tenant and for the caller.
    fn suits(&self, kept: &Kept) -> bool {
        let age = kept.age(self.engine.clock.now());
        age < self.ttl && self.call.cache.max_age.is_none_or(|max| age <= max)
    }

    /// To be sent without the others, and kept.
    fn alone(&self) -> Fill {
        Fill::of(CacheView::Miss, Place { key: self.key, ttl: self.ttl, lead: None })
    }
}

fn not_cached() -> Error {
    let message = "no answer to this request is kept, and `cache-control: only-if-cached` asks for no other; leave it out";
    Error::new(ErrorKind::NotCached, message)
}
