//! What other nodes changed, read again before long; and a node that cannot know what they changed lets nobody in.
//!
//! One task a node looks for changes: when it is told of one, and every [`LOOK_EVERY`] in case it was not. It reads again
//! what changed (`reread.rs`), and acknowledges. From then on every credential is judged by it.
//!
//! Where several nodes serve, this task alone writes what it read into the directory, in the order of the changes. Whoever
//! changes something stores it and then waits until every node has acknowledged it ([`Following::seen_everywhere`]): a node
//! that showed its own change by itself could show it over a later one of another node.
//!
//! The bounds belong together: a change is waited for longer than a node that missed it still lets anybody in.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use insula_model::{Clock, Error, ErrorKind, Result};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Directory, source::ChangeSource};
use crate::accounts::Accounts;

/// How often a node looks without being told.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How soon it looks again after a look that failed.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The longest look; the connection of a longer one is taken for dead.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// How old the last look that succeeded may be: a node that knows less refuses everybody.
pub(super) const CURRENT_MAX: Duration = Duration::from_secs(5);

/// How old it may be before streams that were let in earlier are ended: they ride out a short outage, but a credential that was
/// taken back meanwhile does not outlive a long one.
const LOST_AFTER: Duration = Duration::from_secs(60);

/// At most one look in this time on behalf of credentials that nothing knows.
const EARLY_EVERY: Duration = Duration::from_millis(200);

/// How long such a credential waits for its look.
const EARLY_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long a change waits for all nodes to see it.
const SEEN_WAIT_MAX: Duration = Duration::from_secs(6);

/// How long that wait pauses between two questions, at first and at last.
const SEEN_PAUSE: (Duration, Duration) = (Duration::from_millis(3), Duration::from_millis(50));

/// What a node that is not current tells to wait.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How far this node has followed the changes of all.
pub(super) struct Following {
    source: Box<dyn ChangeSource>,
    clock: Arc<dyn Clock>,
    /// The directory shows every change up to this one.
    shown: AtomicU64,
    /// When the last look that succeeded began, in microseconds of the clock's elapsed time.
    current_at: AtomicU64,
    /// How many looks have begun.
    begun: AtomicU64,
    /// The last look that ended.
    looked: watch::Sender<Look>,
    /// Asks for a look at once.
    at_once: Notify,
    /// Asks for a look on behalf of a credential that nothing knows.
    early: Notify,
    task: OnceLock<Task>,
}

#[derive(Clone, Copy, Default)]
struct Look {
    number: u64,
    succeeded: bool,
}

/// Ends with the directory that it serves.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Following {
    /// Notes where the changes stand. Whatever is read afterwards shows at least that.
    pub(super) async fn begin(source: Box<dyn ChangeSource>, clock: Arc<dyn Clock>) -> Result<Self> {
        let now = clock.elapsed();
        let shown = source.latest().await?;
        Ok(Self {
            source,
            clock,
            shown: AtomicU64::new(shown),
            current_at: AtomicU64::new(micros(now)),
            begun: AtomicU64::default(),
            looked: watch::Sender::default(),
            at_once: Notify::new(),
            early: Notify::new(),
            task: OnceLock::new(),
        })
    }

    /// Refuses when this node may have missed that a credential was taken back.
    pub(super) fn check_current(&self) -> Result<()> {
        let age = micros(self.clock.elapsed()).saturating_sub(self.current_at.load(Ordering::Acquire));
        if age <= micros(CURRENT_MAX) { Ok(()) } else { Err(not_current()) }
    }

    /// Whether this node has known nothing for so long that not even what is under way goes on.
    pub(super) fn is_lost(&self) -> bool {
        let age = micros(self.clock.elapsed()).saturating_sub(self.current_at.load(Ordering::Acquire));
        age > micros(LOST_AFTER)
    }

    /// Waits for a look that begins after this call, so that what was stored before it is known. Many callers share one look.
    pub(super) async fn look_early(&self) -> Result<()> {
        let begun = self.begun.load(Ordering::SeqCst);
        let mut looked = self.looked.subscribe();
        self.early.notify_one();
        let ended = timeout(EARLY_WAIT_MAX, looked.wait_for(|look| look.number > begun)).await;
        match ended {
            Ok(Ok(look)) if look.succeeded => Ok(()),
            _ => Err(not_current()),
        }
    }

    /// Returns once every node shows what was stored before this call. Bounded: a node that has not answered by then has not
    /// looked for so long that it lets nobody in.
    pub(super) async fn seen_everywhere(&self) {
        let told = async {
            self.source.push().await;
            std::future::pending().await
        };
        let waited = timeout(SEEN_WAIT_MAX, async {
            tokio::select! { () = told => {}, () = self.until_seen() => {} }
        });
        if waited.await.is_err() {
            tracing::warn!(
                waited_s = SEEN_WAIT_MAX.as_secs(),
                "a change is stored, but not every node has confirmed that it knows; nodes that do not know by now refuse all callers"
            );
        }
    }

    async fn until_seen(&self) {
        self.at_once.notify_one();
        let (mut pause, pause_max) = SEEN_PAUSE;
        let mut change = None;
        loop {
            match self.is_seen(&mut change).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "cannot ask which nodes know of a change"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(pause_max);
        }
    }

    async fn is_seen(&self, change: &mut Option<u64>) -> Result<bool> {
        let generation = match *change {
            Some(generation) => generation,
            None => *change.insert(self.source.latest().await?),
        };
        Ok(self.shown.load(Ordering::Acquire) >= generation && self.source.all_have_seen(generation).await?)
    }

    /// Waits until there is a reason to look.
    async fn reason(&self, pushes: &mut watch::Receiver<u64>, last: &Last) {
        let early = async {
            self.early.notified().await;
            sleep_until(last.began + EARLY_EVERY).await;
        };
        let pushed = async {
            if pushes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let pause = if last.succeeded { LOOK_EVERY } else { LOOK_AGAIN };
        tokio::select! {
            () = self.at_once.notified() => {}
            () = pushed => {}
            () = early => {}
            () = sleep(pause) => {}
        }
    }
}

/// How the task's last look went.
struct Last {
    began: Instant,
    succeeded: bool,
    /// What was acknowledged, and when. Repeated now and then: a node that was taken for dead is asked anew.
    acknowledged: Option<(u64, Instant)>,
}

impl Directory {
    /// Starts following the changes of all nodes, where there are several. Budgets that changed go to `accounts`.
    pub(crate) fn follow(self: &Arc<Self>, accounts: Arc<Accounts>) {
        let Some(following) = &self.following else { return };
        let task = tokio::spawn(run(Arc::downgrade(self), Arc::clone(following), accounts));
        // A second task would be ended at once: there is one writer.
        drop(following.task.set(Task(task.abort_handle())));
    }

    /// Stops following: for a node that is about to close its store.
    pub fn stop_following(&self) {
        if let Some(task) = self.following.as_ref().and_then(|following| following.task.get()) {
            task.0.abort();
        }
    }

    async fn look(&self, following: &Following, accounts: &Accounts, last: &mut Last) {
        let number = following.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let (was_well, began_at) = (last.succeeded, following.clock.elapsed());
        last.began = Instant::now();
        let looked = timeout(LOOK_MAX, self.catch_up(following, accounts, began_at)).await;
        let looked = looked.unwrap_or_else(|_| Err(Error::internal("the look took too long")));
        last.succeeded = looked.is_ok();
        following.looked.send_replace(Look { number, succeeded: last.succeeded });
        match looked {
            Ok(()) if !was_well => tracing::info!("this node knows again what other nodes changed"),
            Err(error) if was_well => tracing::warn!(%error, "this node cannot look for what other nodes changed"),
            _ => {}
        }
        acknowledge(following, last).await;
    }

    /// Reads again what changed since the last time.
    async fn catch_up(&self, following: &Following, accounts: &Accounts, began_at: Duration) -> Result<()> {
        let changes = following.source.since(following.shown.load(Ordering::Acquire)).await?;
        self.reread(accounts, &changes).await?;
        // Also downwards: a database that was failed over or restored may have lost changes.
        following.shown.store(changes.generation, Ordering::Release);
        following.current_at.store(micros(began_at), Ordering::Release);
        Ok(())
    }
}

async fn run(directory: Weak<Directory>, following: Arc<Following>, accounts: Arc<Accounts>) {
    let mut pushes = following.source.pushes();
    let mut last = Last { began: Instant::now(), succeeded: true, acknowledged: None };
    loop {
        // Held no longer than a look takes: the task must not keep alive what it serves.
        let Some(directory) = directory.upgrade() else { return };
        directory.look(&following, &accounts, &mut last).await;
        drop(directory);
        following.reason(&mut pushes, &last).await;
    }
}

/// Says what this node shows, unless it just said so.
async fn acknowledge(following: &Following, last: &mut Last) {
    let shown = following.shown.load(Ordering::Acquire);
    if last.acknowledged.is_some_and(|(said, at)| said == shown && at.elapsed() < LOOK_EVERY) {
        return;
    }
    match timeout(LOOK_MAX, following.source.acknowledge(shown)).await {
        Ok(Ok(())) => last.acknowledged = Some((shown, Instant::now())),
        Ok(Err(error)) => tracing::debug!(%error, "cannot say which changes this node knows"),
        Err(_) => tracing::debug!("cannot say which changes this node knows in time"),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn not_current() -> Error {
    let message = "this node cannot reach the shared storage and so cannot tell which credentials are still valid; ask again \
                   shortly";
    Error::new(ErrorKind::Unavailable { retry_after: RETRY_AFTER }, message)
}
