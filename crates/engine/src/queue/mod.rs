//! A fair turn, and the provider's pace: the stage between the budget and the send.
//!
//! A request waits here until its tenant's turn comes, a seat is free for it, and the provider's pace lets it go; it holds the seat
//! until its answer, or stream, has ended. While nobody waits, all of it is a few look-ups under one lock.
//!
//! - [`lane`]: who goes next toward one model of one provider, in deficit round robin over tenants, each a [`line`] of its end users;
//! - [`ask`]: what is asked of a lane, and what it answers;
//! - [`seats`]: who may take a seat, of a lane and of the node;
//! - [`pace`]: how evenly requests are let go, and what the provider said of it;
//! - [`adaptive`]: how many a provider bears at once;
//! - [`place`]: how one waits, and holds a seat.
//!
//! Only [`place`] knows of tasks and timers. The others are told what time it is, and tested by properties and simulation.

mod adaptive;
mod ask;
mod lane;
mod line;
mod pace;
mod place;
mod seats;

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use insula_model::{Clock, CredentialId, Error, ErrorKind, Limits, Result};
use insula_providers::{Allowance, ModelCard, Pace, Route};
use insula_store::Cluster;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

pub(crate) use self::{
    adaptive::{Latency, Signal},
    ask::Used,
    place::Slot,
};
use self::{
    ask::{Ask, Grant, Kept},
    lane::Lane,
    line::Size,
    place::Place,
    seats::Seats,
};
use crate::{Call, Engine, EngineSettings, accounts::Hold, credentials::OwnAccount, work::Work};

/// From this many lanes on, idle ones are dropped before a new one is opened.
const LANES_KEPT_MAX: usize = 1_024;
/// All seats of a lane.
const ALL_PERCENT: u32 = 100;
/// When a request that found the queue full may come again.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(1);

/// All lanes of this node.
pub(crate) struct Queue {
    state: Mutex<State>,
    settings: QueueSettings,
    seats_max: u32,
    clock: Arc<dyn Clock>,
    cluster: Option<Cluster>,
}

/// Bounds of the queue; each is a key of the configuration reference.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// Requests of one tenant that wait at once, unless its limits say otherwise.
    pub depth_max: u32,
    /// How long a request waits, unless its tenant's limits say otherwise.
    pub wait_max: Duration,
    /// Requests of all tenants that wait on this node at once; above it callers get 503.
    pub waiting_max: u32,
    /// The most seats of a lane and of the node that one tenant holds, in percent.
    pub seats_share_max: u32,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { depth_max: 100, wait_max: Duration::from_secs(30), waiting_max: 10_000, seats_share_max: 50 }
    }
}

struct State {
    lanes: HashMap<LaneKey, Track>,
    node: Seats,
    waiting: u32,
    tickets: u64,
}

/// A lane with those who wait to hear from it.
struct Track {
    lane: Lane,
    waiters: HashMap<u64, oneshot::Sender<Grant>>,
    /// Wakes the task that lets the next one go at its time.
    bell: Arc<Notify>,
    /// For when that task is set; absent while there is none.
    rings_at: Option<Duration>,
    /// The last ticket that was given out when somebody here was let go.
    last_ticket: u64,
}

/// One model of one provider, by the platform's account there or by one of a tenant's own: what the provider allows the one says
/// nothing of the other.
#[derive(Debug, Clone)]
pub(crate) struct LaneKey {
    card: Arc<ModelCard>,
    account: Option<CredentialId>,
}

impl LaneKey {
    /// The lane of this model, by this account of a tenant's own, or by the platform's.
    pub fn of(card: &Arc<ModelCard>, account: Option<CredentialId>) -> Self {
        Self { card: card.clone(), account }
    }

    /// Whether it is of an account of a tenant's own.
    pub fn is_own(&self) -> bool {
        self.account.is_some()
    }
}

impl PartialEq for LaneKey {
    fn eq(&self, other: &Self) -> bool {
        let (card, other_card) = (&self.card, &other.card);
        let is_same = || card.provider == other_card.provider && card.name == other_card.name;
        self.account == other.account && (Arc::ptr_eq(card, other_card) || is_same())
    }
}

impl Eq for LaneKey {}

impl Hash for LaneKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.card.provider.hash(state);
        self.card.name.hash(state);
        self.account.hash(state);
    }
}

/// Waits for the call's turn, within what its tenant's limits allow.
///
/// # Errors
/// [`ErrorKind::RateLimited`] when too many of its tenant wait already, or its turn does not come in time;
/// [`ErrorKind::Unavailable`] when too many wait on this node.
pub(crate) async fn take(
    engine: &Engine,
    call: &Call,
    work: &Work,
    route: &Route,
    own: Option<&OwnAccount>,
    hold: &Hold,
) -> Result<Slot> {
    let limits = &call.credential.tenant.limits;
    let ask = Ask {
        tenant: call.credential.scope.tenant(),
        weight: limits.weight.unwrap_or(1).max(1),
        mode: limits.mode.unwrap_or_default(),
        end_user: call.end_user.as_ref().map(|user| user.id),
        is_background: call.is_background,
        size: Size {
            input_tokens: work.input_tokens_estimate().min(hold.input_tokens_max),
            output_tokens_max: hold.output_tokens_max,
        },
    };
    engine.queue.take(route, own.map(|own| own.id), ask, limits).await
}

impl Queue {
    /// Nobody is here yet. Among several nodes the limits of a provider are divided by how many of them are alive.
    pub fn new(settings: &EngineSettings, clock: Arc<dyn Clock>, cluster: Option<Cluster>) -> Arc<Self> {
        let node = Seats::new(settings.inflight_max, settings.queue.seats_share_max);
        Arc::new(Self {
            state: Mutex::new(State { lanes: HashMap::new(), node, waiting: 0, tickets: 0 }),
            settings: settings.queue.clone(),
            seats_max: settings.inflight_max,
            clock,
            cluster,
        })
    }

    /// How much of a lane's seats is held or awaited; 0 where nobody is there.
    pub fn load(&self, key: &LaneKey) -> f64 {
        self.state.lock().lanes.get(key).map_or(0.0, |track| track.lane.load())
    }

    /// Whether the provider has asked for nothing more on a lane for now.
    pub fn is_held(&self, key: &LaneKey) -> bool {
        let now = self.clock.elapsed();
        self.state.lock().lanes.get(key).is_some_and(|track| track.lane.held_until() > now)
    }

    async fn take(self: &Arc<Self>, route: &Route, account: Option<CredentialId>, ask: Ask, limits: &Limits) -> Result<Slot> {
        let key = LaneKey::of(&route.card, account);
        let wait_max = limits.queue_wait_ms_max.map_or(self.settings.wait_max, |ms| Duration::from_millis(ms.into()));
        let depth_max = limits.queue_depth_max.unwrap_or(self.settings.depth_max);
        // What nobody waits for leaves half of the line to what somebody does.
        let depth_max = if ask.is_background { depth_max / 2 } else { depth_max };
        let place = {
            let (mut state, now) = (self.state.lock(), self.clock.elapsed());
            let State { lanes, node, waiting, tickets } = &mut *state;
            let track = self.track(lanes, route, &key);
            let kept = match track.lane.arrive(node, &ask, now) {
                Ok(grant) => return Ok(Slot::at_once(self.clone(), key, grant)),
                Err(kept) => kept,
            };
            let held_for = track.lane.held_until().saturating_sub(now);
            if held_for > wait_max {
                return Err(late(wait_max, held_for));
            }
            if node.waiting(ask.tenant) >= depth_max {
                return Err(full(depth_max));
            }
            if *waiting >= self.settings.waiting_max {
                return Err(Engine::unavailable("too many requests wait on this node; try again"));
            }
            *waiting += 1;
            *tickets += 1;
            let (tell, mut outcome) = oneshot::channel();
            let (ticket, tenant) = (*tickets, ask.tenant);
            track.waiters.insert(ticket, tell);
            let position = track.lane.join(node, ask, ticket, now);
            // Also for others: who came is perhaps not who goes.
            self.serve(&mut state, &key);
            if let Ok(grant) = outcome.try_recv() {
                return Ok(Slot::at_once(self.clone(), key, grant));
            }
            Place::new(self.clone(), key, tenant, ticket, outcome, Waited { position, kept, since: now })
        };
        place.wait(wait_max).await
    }

    /// The lane of a route, opened where there is none.
    fn track<'a>(&self, lanes: &'a mut HashMap<LaneKey, Track>, route: &Route, key: &LaneKey) -> &'a mut Track {
        if lanes.len() >= LANES_KEPT_MAX && !lanes.contains_key(key) {
            lanes.retain(|_, track| !track.lane.is_idle());
        }
        let open = || {
            let lane = match key.is_own() {
                false => Lane::new(route.card.pace.or(route.provider.pace()), self.seats_max, self.settings.seats_share_max),
                // What the operator set is the pace of its own account; nobody else has a share of this one.
                true => Lane::new(Pace::default(), self.seats_max, ALL_PERCENT),
            };
            Track { lane, waiters: HashMap::new(), bell: Arc::default(), rings_at: None, last_ticket: 0 }
        };
        let track = lanes.entry(key.clone()).or_insert_with(open);
        if let Some(cluster) = &self.cluster {
            track.lane.share_among(cluster.live_nodes());
        }
        track
    }

    /// Lets go who may go, in this lane and in those that lack only a seat of the node: they take turns for it.
    fn serve(self: &Arc<Self>, state: &mut State, key: &LaneKey) {
        let now = self.clock.elapsed();
        let State { lanes, node, waiting, tickets } = state;
        if lanes.values().any(|track| track.lane.is_kept_by_node()) {
            let is_concerned = |(other, track): &(&LaneKey, &mut Track)| *other == key || track.lane.is_kept_by_node();
            let mut tracks: Vec<_> = lanes.iter_mut().filter(is_concerned).collect();
            loop {
                tracks.sort_unstable_by_key(|(_, track)| track.last_ticket);
                *tickets += 1;
                if !tracks.iter_mut().any(|(_, track)| track.let_one_go(node, now, *tickets)) {
                    break;
                }
                *waiting -= 1;
            }
            tracks.into_iter().for_each(|(key, track)| self.set_bell(track, key));
        } else if let Some(track) = lanes.get_mut(key) {
            while track.let_one_go(node, now, *tickets) {
                *waiting -= 1;
            }
            self.set_bell(track, key);
        }
    }

    /// Sees to it that somebody looks when the next one may go though nothing else happens.
    fn set_bell(self: &Arc<Self>, track: &mut Track, key: &LaneKey) {
        let Some(at) = track.lane.look_at() else { return };
        match track.rings_at.replace(at) {
            Some(before) if before <= at => track.rings_at = Some(before),
            Some(_) => track.bell.notify_one(),
            None => place::ring(self.clone(), key.clone(), track.bell.clone()),
        }
    }

    /// Lets go whose time has come; how long until the next look, if one is needed.
    fn look(self: &Arc<Self>, key: &LaneKey) -> Option<Duration> {
        let mut state = self.state.lock();
        // Set anew below, so that the bell is not started twice.
        if let Some(track) = state.lanes.get_mut(key) {
            track.rings_at = Some(Duration::ZERO);
        }
        self.serve(&mut state, key);
        let track = state.lanes.get_mut(key)?;
        track.rings_at = track.lane.look_at();
        track.rings_at.map(|at| at.saturating_sub(self.clock.elapsed()))
    }

    /// Somebody leaves the line. A grant that crossed the leaving is given back.
    fn leave(self: &Arc<Self>, place: &Place, granted: impl FnOnce() -> Option<Grant>) {
        let (mut state, now) = (self.state.lock(), self.clock.elapsed());
        let State { lanes, node, waiting, .. } = &mut *state;
        let Some(track) = lanes.get_mut(&place.key) else { return };
        if track.waiters.remove(&place.ticket).is_some() {
            *waiting -= 1;
            track.lane.leave(node, place.tenant, place.ticket);
        } else if let Some(grant) = granted() {
            track.lane.give_back(node, &grant, None, now);
        }
        self.serve(&mut state, &place.key);
    }

    /// What was let go is over.
    fn give_back(self: &Arc<Self>, key: &LaneKey, grant: &Grant, used: Option<Used>) {
        let (mut state, now) = (self.state.lock(), self.clock.elapsed());
        let State { lanes, node, .. } = &mut *state;
        let Some(track) = lanes.get_mut(key) else { return };
        track.lane.give_back(node, grant, used, now);
        self.serve(&mut state, key);
    }

    fn hold(&self, key: &LaneKey, wait: Duration) {
        if let Some(track) = self.state.lock().lanes.get_mut(key) {
            track.lane.hold(wait, self.clock.elapsed());
        }
    }

    fn heed(&self, key: &LaneKey, allowance: &Allowance) {
        if let Some(track) = self.state.lock().lanes.get_mut(key) {
            track.lane.heed(allowance, self.clock.elapsed());
        }
    }
}

impl Track {
    /// Lets the next one go, if somebody may.
    fn let_one_go(&mut self, node: &mut Seats, now: Duration, ticket: u64) -> bool {
        let Some((waiter, grant)) = self.lane.next(node, now) else { return false };
        self.last_ticket = ticket;
        // Who leaves says so under the lock that is held here: whoever is on the list listens.
        if let Some(Err(grant)) = self.waiters.remove(&waiter).map(|tell| tell.send(grant)) {
            self.lane.give_back(node, &grant, None, now);
        }
        true
    }
}

/// How a request came to wait.
#[derive(Debug, Clone, Copy)]
struct Waited {
    /// Its place in its tenant's line when it came.
    position: u32,
    kept: Kept,
    since: Duration,
}

fn full(depth_max: u32) -> Error {
    let message = format!(
        "the queue of this tenant is full: {depth_max} requests may wait (queue_depth_max); send fewer at once, or ask your operator \
         for more"
    );
    Error::new(ErrorKind::RateLimited { retry_after: FULL_RETRY_AFTER }, message)
}

fn late(wait_max: Duration, retry_after: Duration) -> Error {
    let message = format!(
        "no turn for this request within {} ms (queue_wait_ms_max); send fewer at once, try again later, or ask your operator for a \
         longer wait",
        wait_max.as_millis()
    );
    Error::new(ErrorKind::RateLimited { retry_after }, message)
}

#[cfg(test)]
mod tests;
