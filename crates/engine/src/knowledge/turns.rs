//! A tenant's searches take turns: so many of them run at once on a node, and a line of others waits.
//!
//! A search is work for processors, and for threads that wait for a disk. By what paces requests alone, one tenant could hold all of
//! them. A search that is asked for by itself counts as a request of its tenant's limits; one before an answer belongs to a request that
//! was counted, and takes its turn only.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use insula_model::{Error, ErrorKind, Limits, Result, TenantId};
use insula_store::Seat;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    Engine, QueueSettings, RateView,
    directory::{Limited, TenantEntry},
    limits, pipeline, turn,
};

/// When a search that found no place may come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The searches that this node makes.
pub(crate) struct Searches {
    per_tenant_max: u32,
    /// A line for each tenant that searches or waits.
    lines: Mutex<HashMap<TenantId, Arc<Line>>>,
}

struct Line {
    places: Arc<Semaphore>,
    waiting: AtomicU32,
}

/// Leave to search; given back when this is dropped.
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    _line: Arc<Line>,
    _seat: Option<Seat>,
}

/// Somebody in the line, until this is dropped.
struct Waiting<'a>(&'a Line);

/// How long a line may be, and how long one waits in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    depth_max: u32,
    wait_max: Duration,
}

impl Patience {
    /// The same as for any request of the tenant's. What nobody waits for leaves half of the line to what somebody does.
    pub fn of(limits: &Limits, settings: &QueueSettings, is_background: bool) -> Self {
        let depth_max = limits.queue_depth_max.unwrap_or(settings.depth_max);
        Self {
            depth_max: if is_background { depth_max / 2 } else { depth_max },
            wait_max: limits.queue_wait_ms_max.map_or(settings.wait_max, |ms| Duration::from_millis(ms.into())),
        }
    }
}

/// Leave for a search that is asked for by itself: so many questions are as many requests of these limits, and all together take one seat
/// of theirs, and one turn.
///
/// # Errors
/// [`ErrorKind::RateLimited`] where a limit is reached, or no turn comes in time.
pub(crate) async fn admit(
    engine: &Engine,
    tenant: &TenantEntry,
    limited: Vec<Limited>,
    questions: u32,
) -> Result<(Turn, Vec<RateView>)> {
    let rates = limits::charge_requests(engine, limited.iter().copied(), questions).await?;
    let seat = turn::take_of(engine, limited).await?;
    let turn = Turn { _seat: Some(seat), ..take(engine, tenant, false).await? };
    Ok((turn, rates))
}

/// A turn for a search that belongs to a request.
///
/// # Errors
/// [`ErrorKind::RateLimited`] where no turn comes in time.
pub(crate) async fn take(engine: &Engine, tenant: &TenantEntry, is_background: bool) -> Result<Turn> {
    let patience = Patience::of(&tenant.limits, &engine.settings.queue, is_background);
    let turn = engine.searches.take(tenant.record.id, patience).await?;
    // Waiting took its time.
    if tenant.is_denied() { Err(pipeline::withdrawn()) } else { Ok(turn) }
}

impl Turn {
    /// Does what the turn is for, in a task that keeps it until that is over: a caller who leaves frees no processor.
    pub async fn hold<T: Send + 'static>(self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let held = tokio::spawn(async move {
            let done = work.await;
            drop(self);
            done
        });
        held.await.map_err(Error::internal)?
    }
}

impl Searches {
    /// So many at once of each tenant.
    pub fn new(per_tenant_max: u32) -> Self {
        Self { per_tenant_max, lines: Mutex::default() }
    }

    async fn take(&self, tenant: TenantId, Patience { depth_max, wait_max }: Patience) -> Result<Turn> {
        let line = self.line(tenant);
        let turn = |permit| Turn { _permit: permit, _line: Arc::clone(&line), _seat: None };
        // Whoever waits is handed a place as it comes free: nobody gets past the line here.
        if let Ok(permit) = Arc::clone(&line.places).try_acquire_owned() {
            return Ok(turn(permit));
        }
        let _waiting = Waiting::join(&line, depth_max).ok_or_else(|| self.full(depth_max))?;
        match timeout(wait_max, Arc::clone(&line.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(turn(permit)),
            Ok(Err(closed)) => Err(Error::internal(closed)),
            Err(_) => Err(self.late(wait_max)),
        }
    }

    fn line(&self, tenant: TenantId) -> Arc<Line> {
        let mut lines = self.lines.lock();
        // Nobody searches there or waits.
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        let places = || Arc::new(Semaphore::new(self.per_tenant_max as usize));
        let line = lines.entry(tenant).or_insert_with(|| Arc::new(Line { places: places(), waiting: AtomicU32::new(0) }));
        Arc::clone(line)
    }

    fn full(&self, depth_max: u32) -> Error {
        let message = format!(
            "{} searches of this tenant are under way (knowledge.searches_per_tenant_max) and {depth_max} wait (queue_depth_max); send \
             fewer at once, or ask your operator for more",
            self.per_tenant_max
        );
        Error::new(ErrorKind::RateLimited { retry_after: RETRY_AFTER }, message)
    }

    fn late(&self, wait_max: Duration) -> Error {
        let message = format!(
            "no turn for this search within {} ms (queue_wait_ms_max): {} of this tenant are under way \
             (knowledge.searches_per_tenant_max); send fewer at once, or try again later",
            wait_max.as_millis(),
            self.per_tenant_max
        );
        Error::new(ErrorKind::RateLimited { retry_after: RETRY_AFTER }, message)
    }
}

impl<'a> Waiting<'a> {
    fn join(line: &'a Line, depth_max: u32) -> Option<Self> {
        let joined = |waiting: u32| (waiting < depth_max).then_some(waiting + 1);
        line.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, joined).ok().map(|_| Self(line))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: Patience = Patience { depth_max: 1, wait_max: Duration::from_secs(30) };

    fn tenant(n: u8) -> TenantId {
        TenantId::from_bytes([n; 16])
    }

    fn assert_limited(turn: Result<Turn>, word: &str) {
        let error = turn.err().expect("no turn");
        assert!(matches!(error.kind(), ErrorKind::RateLimited { retry_after } if *retry_after == RETRY_AFTER), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_tenant_leaves_turns_to_others_and_those_who_wait_are_few() {
        let searches = Arc::new(Searches::new(2));
        let mut held = vec![searches.take(tenant(1), PATIENT).await.unwrap(), searches.take(tenant(1), PATIENT).await.unwrap()];
        let third = tokio::spawn({
            let searches = searches.clone();
            async move { searches.take(tenant(1), PATIENT).await }
        });
        tokio::task::yield_now().await;
        assert_limited(searches.take(tenant(1), PATIENT).await, "queue_depth_max");
        searches.take(tenant(2), PATIENT).await.unwrap();
        assert!(!third.is_finished());
        held.pop();
        held.push(third.await.unwrap().unwrap());
        assert_limited(searches.take(tenant(1), PATIENT).await, "queue_wait_ms_max");
        drop(held);
        searches.take(tenant(1), PATIENT).await.unwrap();
        assert_eq!(searches.lines.lock().len(), 1, "nothing is kept of tenants that do not search");
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_line_makes_room_in_it() {
        let searches = Searches::new(1);
        let held = searches.take(tenant(1), PATIENT).await.unwrap();
        for _ in 0..3 {
            assert!(timeout(Duration::from_secs(1), searches.take(tenant(1), PATIENT)).await.is_err(), "it waited");
        }
        drop(held);
        searches.take(tenant(1), PATIENT).await.unwrap();
    }

    #[tokio::test]
    async fn a_turn_is_kept_while_there_is_work_and_not_only_while_somebody_waits() {
        let searches = Arc::new(Searches::new(1));
        let turn = searches.take(tenant(1), PATIENT).await.unwrap();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel::<()>();
        let caller = tokio::spawn(turn.hold(async move {
            let _ = begin.send(());
            let _ = ended.await;
            Ok(())
        }));
        begun.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        let at_once = Patience { depth_max: 0, wait_max: Duration::ZERO };
        assert_limited(searches.take(tenant(1), at_once).await, "searches_per_tenant_max");
        drop(end);
        searches.take(tenant(1), PATIENT).await.unwrap();
    }

    #[test]
    fn the_tenants_own_limits_say_how_long_the_line_is() {
        let (settings, none) = (QueueSettings::default(), Limits::default());
        let own = Limits { queue_depth_max: Some(7), queue_wait_ms_max: Some(50), ..none };
        let patience = Patience::of(&own, &settings, false);
        assert_eq!((patience.depth_max, patience.wait_max), (7, Duration::from_millis(50)));
        let patience = Patience::of(&none, &settings, true);
        assert_eq!((patience.depth_max, patience.wait_max), (settings.depth_max / 2, settings.wait_max));
    }
}
