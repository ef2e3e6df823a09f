//! Who is alive: beats, epochs, and the right to spend.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use insula_model::{Clock, Error, ErrorKind, Random, Result};
use parking_lot::Mutex;
use tokio::{sync::watch, task::AbortHandle};

use super::{BEAT_EVERY, DEAD_AFTER, SPEND_MAX, sweeper};
use crate::postgres::{Access, Mode, PgPool};

/// How soon a beat that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// This node on the list of nodes.
pub(super) struct Membership {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    id: [u8; 16],
    epochs: watch::Sender<u64>,
    /// Nobody else has declared this node dead, as far as it knows.
    stands: AtomicBool,
    /// When the last beat that was confirmed had been sent, microseconds of the clock's elapsed time.
    confirmed: AtomicU64,
    /// When the first beat of the unbroken row of beats was sent.
    steady_since: AtomicU64,
    live_nodes: AtomicU32,
    beating: Mutex<Option<AbortHandle>>,
}

/// What a beat learned.
struct Heard {
    counted: bool,
    live_nodes: u32,
}

impl Membership {
    /// Puts a new node on the list and starts to beat.
    pub(super) async fn join(pool: PgPool, clock: Arc<dyn Clock>, random: &dyn Random) -> Result<Arc<Self>> {
        let mut id = [0; 16];
        random.fill(&mut id);
        let this = Self {
            pool,
            clock,
            id,
            epochs: watch::Sender::new(1),
            stands: AtomicBool::new(false),
            confirmed: AtomicU64::new(0),
            steady_since: AtomicU64::new(0),
            live_nodes: AtomicU32::new(1),
            beating: Mutex::new(None),
        };
        let this = Arc::new(this);
        if !this.enter(1).await? {
            return Err(Error::internal("two nodes have the same id"));
        }
        this.beat().await?;
        let beating = tokio::spawn(run(this.clone()));
        *this.beating.lock() = Some(beating.abort_handle());
        Ok(this)
    }

    pub(super) fn id(&self) -> [u8; 16] {
        self.id
    }

    pub(super) fn epoch(&self) -> u64 {
        *self.epochs.borrow()
    }

    pub(super) fn epochs(&self) -> watch::Receiver<u64> {
        self.epochs.subscribe()
    }

    pub(super) fn live_nodes(&self) -> u32 {
        self.live_nodes.load(SeqCst)
    }

    pub(super) fn steady_for(&self) -> Option<Duration> {
        self.may_spend().ok()?;
        Some(self.since(&self.steady_since))
    }

    pub(super) fn may_spend(&self) -> Result<()> {
        if self.stands.load(SeqCst) && self.since(&self.confirmed) < SPEND_MAX {
            return Ok(());
        }
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(2) };
        Err(Error::new(kind, "this node has lost touch with shared storage and serves nothing until it is back; try again"))
    }

    /// How long ago a moment was.
    fn since(&self, moment: &AtomicU64) -> Duration {
        self.clock.elapsed().saturating_sub(Duration::from_micros(moment.load(SeqCst)))
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Puts this node on the list; false while an earlier epoch of it is still there, being cleared away.
    async fn enter(&self, epoch: u64) -> Result<bool> {
        let tx = self.pool.begin(Access::Control, Mode::Batch).await?;
        // A node that joins has read nothing yet: it must not be taken for one that knows every change.
        let entered = tx
            .run(
                "INSERT INTO nodes (id, epoch, beat_at, generation, started_at, swept_epoch) \
                 VALUES ($1, $2, clock_timestamp(), 0, $3, 0) ON CONFLICT (id) DO NOTHING",
                &[&self.id.as_slice(), &stored(epoch), &self.clock.now().micros()],
            )
            .await?;
        // An earlier try may have entered without hearing of it.
        let known = tx
            .rows(
                "SELECT 1 FROM nodes WHERE id = $1 AND epoch = $2 AND swept_epoch < epoch",
                &[&self.id.as_slice(), &stored(epoch)],
            )
            .await?;
        tx.commit().await?;
        Ok(entered == 1 || !known.is_empty())
    }

    /// One beat.
    async fn beat(&self) -> Result<()> {
        let sent = self.micros();
        let heard = self.tell().await?;
        if !heard.counted {
            self.stands.store(false, SeqCst);
            return Ok(());
        }
        let gap = sent.saturating_sub(self.confirmed.load(SeqCst));
        if !self.stands.load(SeqCst) || Duration::from_micros(gap) >= SPEND_MAX {
            self.steady_since.store(sent, SeqCst);
        }
        self.confirmed.store(sent, SeqCst);
        self.live_nodes.store(heard.live_nodes.max(1), SeqCst);
        self.stands.store(true, SeqCst);
        Ok(())
    }

    async fn tell(&self) -> Result<Heard> {
        let tx = self.pool.begin(Access::Control, Mode::Batch).await?;
        let rows = tx
            .rows(
                "WITH beat AS (UPDATE nodes SET beat_at = clock_timestamp() WHERE id = $1 AND epoch = $2 RETURNING 1) \
                 SELECT (SELECT COUNT(*) FROM beat) AS counted, \
                 (SELECT COUNT(*) FROM nodes WHERE beat_at > clock_timestamp() - make_interval(secs => $3)) AS live",
                &[&self.id.as_slice(), &stored(self.epoch()), &DEAD_AFTER.as_secs_f64()],
            )
            .await?;
        tx.commit().await?;
        let row = rows.first().ok_or_else(|| Error::internal("a beat was not answered"))?;
        let live: i64 = row.get("live");
        Ok(Heard { counted: row.get::<_, i64>("counted") == 1, live_nodes: u32::try_from(live).unwrap_or(u32::MAX) })
    }

    /// This node was declared dead: it starts afresh under a higher epoch, once the others have cleared the old one away.
    async fn join_again(&self) -> Result<()> {
        // The node that fenced this one raised the epoch by one; two more is above anything that was ever written.
        let epoch = self.epoch() + 2;
        if self.enter(epoch).await? {
            tracing::warn!(epoch, "other nodes took this one for dead and settled what it had under way; it starts afresh");
            self.epochs.send_replace(epoch);
            return self.beat().await;
        }
        // Whoever fenced this node may be gone before it cleared up.
        sweeper::clear_up(&self.pool, self.id, &*self.clock).await
    }

    pub(super) async fn leave(&self) -> Result<()> {
        if let Some(beating) = self.beating.lock().take() {
            beating.abort();
        }
        self.stands.store(false, SeqCst);
        let tx = self.pool.begin(Access::Control, Mode::Batch).await?;
        tx.run(
            "DELETE FROM nodes WHERE id = $1 AND epoch = $2 AND NOT EXISTS (SELECT 1 FROM begun_attempts WHERE node = $1) \
             AND NOT EXISTS (SELECT 1 FROM budget_leases WHERE node = $1 AND amount > 0)",
            &[&self.id.as_slice(), &stored(self.epoch())],
        )
        .await?;
        tx.commit().await
    }
}

/// Beats until it is told to stop.
async fn run(this: Arc<Membership>) {
    let mut failing = false;
    loop {
        tokio::time::sleep(if failing || !this.stands.load(SeqCst) { AGAIN_AFTER } else { BEAT_EVERY }).await;
        let done = match this.beat().await {
            Ok(()) if !this.stands.load(SeqCst) => this.join_again().await,
            beaten => beaten,
        };
        match &done {
            Err(error) if !failing => {
                let cause = error.private_source().map(ToString::to_string);
                tracing::warn!(%error, cause, "shared storage does not answer; it is asked again until it does");
            }
            Ok(()) if failing => tracing::info!("shared storage answers again"),
            _ => {}
        }
        failing = done.is_err();
    }
}

fn stored(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}
