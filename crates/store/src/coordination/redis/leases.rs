//! Seats that this node holds in Redis: leased for a while, renewed while they are held.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use insula_model::Subject;
use parking_lot::Mutex;
use redis::{Cmd, Value};
use tokio::{
    sync::mpsc,
    time::{self, MissedTickBehavior},
};

use super::{
    link::{Away, Link},
    names::{Names, SubjectNames},
    scripts::Scripts,
};

/// How long a seat outlives its node.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// How often leases are renewed; two renewals may fail.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How long a subject's set is kept; what counts is each seat's own lease.
const KEPT: Duration = Duration::from_secs(30);

/// How many seats one call renews, so that no call holds up Redis for long.
const SEATS_A_CALL_MAX: usize = 500;

/// How many calls go out at once, so that they are answered within the timeout.
const CALLS_AT_ONCE_MAX: usize = 128;

/// All seats that this node holds.
pub(super) struct Leases {
    node: String,
    made: AtomicU64,
    held: Mutex<HashMap<u64, Arc<[Place]>>>,
    released: mpsc::UnboundedSender<Arc<[Place]>>,
}

/// One subject's part of a seat.
#[derive(Debug)]
pub(super) struct Place {
    subject: Subject,
    names: Arc<SubjectNames>,
    member: String,
}

/// A seat in Redis, asked for or held. Given back when this is dropped, whether or not the answer was ever seen; a node that
/// cannot tell Redis loses it when its lease ends.
pub(in crate::coordination) struct Lease {
    leases: Arc<Leases>,
    id: u64,
    places: Arc<[Place]>,
}

impl Lease {
    /// The call that takes the seat, for these numbers of seats.
    pub(super) fn call(&self, scripts: &Scripts, wanted: &[(Subject, u32)]) -> Cmd {
        let mut command = scripts.seat.call(self.places.iter().map(|place| place.names.seats.as_str()));
        command.arg(micros(LEASE)).arg(millis(KEPT));
        for (place, (_, seats)) in self.places.iter().zip(wanted) {
            command.arg(&place.names.tag).arg(*seats).arg(&place.member);
        }
        command
    }

    /// It was taken, or will be with the next renewal.
    pub(super) fn hold(&self) {
        self.leases.held.lock().insert(self.id, self.places.clone());
    }

    /// It was not taken, so there is nothing to give back.
    pub(super) fn forget(mut self) {
        self.places = Arc::new([]);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.places.is_empty() {
            // Out of the table first: what is given back is never renewed again.
            self.leases.held.lock().remove(&self.id);
            // Fails when everything stops, and then leases end by themselves.
            let _ = self.leases.released.send(self.places.clone());
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Leases {
    /// None yet. `node` is this node's own name; what is received goes to [`keep`].
    pub(super) fn new(node: String) -> (Arc<Self>, mpsc::UnboundedReceiver<Arc<[Place]>>) {
        // Not bounded by itself, but by the seats there were; `keep` empties it however Redis is.
        let (released, returns) = mpsc::unbounded_channel();
        (Arc::new(Self { node, made: AtomicU64::new(0), held: Mutex::default(), released }), returns)
    }

    /// A new seat to ask for.
    pub(super) fn ask(self: &Arc<Self>, names: &Names, wanted: &[(Subject, u32)]) -> Lease {
        let id = self.made.fetch_add(1, Ordering::Relaxed);
        let place = |(index, (subject, _)): (usize, &(Subject, u32))| {
            let names = names.of(subject);
            let member = format!("{}:{}:{id}:{index}", names.tag, self.node);
            Place { subject: *subject, names, member }
        };
        Lease { leases: self.clone(), id, places: wanted.iter().enumerate().map(place).collect() }
    }

    /// How many seats are held.
    pub(super) fn len(&self) -> usize {
        self.held.lock().len()
    }

    /// The calls that renew everything that is held, each with the subject it is about.
    fn renewals(&self, scripts: &Scripts) -> Vec<(Subject, Cmd)> {
        let held = self.held.lock();
        let mut places: Vec<&Place> = held.values().flat_map(|places| places.iter()).collect();
        places.sort_unstable_by(|a, b| a.names.seats.cmp(&b.names.seats));
        let of_one_subject = places.chunk_by(|a, b| a.subject == b.subject);
        let call = |places: &[&Place]| {
            let first = places.first()?;
            let mut command = scripts.renew.call(std::iter::once(first.names.seats.as_str()));
            command.arg(micros(LEASE)).arg(millis(KEPT)).arg(&first.names.tag);
            for place in places {
                command.arg(&place.member);
            }
            Some((first.subject, command))
        };
        of_one_subject.flat_map(|places| places.chunks(SEATS_A_CALL_MAX)).filter_map(call).collect()
    }
}

/// Renews leases and gives back seats. One task does both, one after the other, so that no renewal revives a seat that was given
/// back before it.
pub(super) async fn keep(
    leases: Arc<Leases>,
    link: Arc<Link>,
    scripts: Arc<Scripts>,
    mut returns: mpsc::UnboundedReceiver<Arc<[Place]>>,
) {
    let mut lines = link.lines();
    let mut ticks = time::interval(RENEW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut returned = Vec::new();
    loop {
        // `Away` needs no care: leases that were not renewed are renewed once it is back, and the others end.
        tokio::select! {
            _ = returns.recv_many(&mut returned, SEATS_A_CALL_MAX) => {
                let _ = give_back(&link, &mut returned).await;
            }
            _ = ticks.tick() => drop(renew(&leases, &link, &scripts).await),
            // A new connection may lead to a server that has forgotten everything.
            _ = lines.changed() => drop(renew(&leases, &link, &scripts).await),
        }
    }
}

async fn give_back(link: &Link, returned: &mut Vec<Arc<[Place]>>) -> Result<(), Away> {
    let mut removals = redis::pipe();
    for place in std::mem::take(returned).iter().flat_map(|places| places.iter()) {
        removals.cmd("ZREM").arg(&place.names.seats).arg(&place.member).ignore();
    }
    link.ask_all(&removals).await.map(drop)
}

pub(super) async fn renew(leases: &Leases, link: &Link, scripts: &Scripts) -> Result<(), Away> {
    let renewals = leases.renewals(scripts);
    if renewals.is_empty() {
        // A connection that broke unseen is found by this, rather than by a request.
        return link.ask(&redis::cmd("PING")).await.map(drop);
    }
    for renewals in renewals.chunks(CALLS_AT_ONCE_MAX) {
        let mut calls = redis::pipe();
        for (_, call) in renewals {
            calls.add_command(call.clone());
        }
        for (answer, (subject, _)) in link.ask_all(&calls).await?.iter().zip(renewals) {
            if *answer != Value::Int(1) {
                super::foreign(Some(subject), "seats");
            }
        }
    }
    Ok(())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
