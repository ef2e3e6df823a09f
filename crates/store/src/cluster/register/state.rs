//! What the register holds in memory: attempts that are open, and what waits for its lane.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use insula_model::AttemptId;

use crate::{
    cluster::LeaseMove,
    records::{Begin, End},
};

/// Everything but traces, under one lock that is never held while anything waits.
#[derive(Default)]
pub(super) struct State {
    /// The last number that was given.
    pub(super) last: u64,
    /// The last number of an END or RELEASE.
    pub(super) last_end: u64,
    /// No BEGIN is taken any more.
    pub(super) closed: bool,
    open: HashMap<AttemptId, Open>,
    begins: VecDeque<(u64, AttemptId)>,
    ends: VecDeque<Ending>,
    /// ENDs and RELEASEs that are being written.
    pub(super) ending: usize,
    /// BEGINs that were decided against, until their attempt is released.
    refused: HashMap<u64, Refusal>,
}

/// An attempt that was begun here and did not end.
struct Open {
    begin: Arc<Begin>,
    epoch: u64,
    seq: u64,
    stage: Stage,
}

/// How far a BEGIN has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for its lane.
    Queued,
    /// On its way: how it ends is not known yet.
    Sent,
    /// Committed.
    Begun,
    /// Not to be sent to a provider.
    Refused(Refusal),
}

/// Why a BEGIN was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another attempt under the same `Idempotency-Key` is under way.
    Twin,
    /// This node lost its standing; nothing was written.
    NoStanding,
    /// Shared storage did not take it; nothing was written.
    Away,
    /// Shared storage went away while it took it: nobody knows.
    InDoubt,
}

/// A BEGIN on its way.
#[derive(Clone)]
pub(super) struct Beginning {
    pub(super) seq: u64,
    pub(super) begin: Arc<Begin>,
    pub(super) epoch: u64,
}

/// An END or a RELEASE on its way.
pub(super) struct Ending {
    pub(super) seq: u64,
    pub(super) attempt: AttemptId,
    /// What began; absent where nothing did.
    pub(super) begin: Option<Arc<Begin>>,
    pub(super) epoch: u64,
    /// The BEGIN that must be decided first.
    pub(super) begun: u64,
    /// Absent for a RELEASE.
    pub(super) end: Option<End>,
    pub(super) moves: Vec<LeaseMove>,
    /// The trace that must be written first.
    pub(super) behind_trace: u64,
}

impl State {
    /// A new number.
    pub(super) fn number(&mut self, lane: u64) -> u64 {
        self.last = (self.last | super::LANE_MASK) + 1 + lane;
        self.last
    }

    /// How many attempts are open or on their way.
    pub(super) fn held(&self) -> usize {
        self.open.len() + self.ends.len() + self.ending
    }

    /// Notes an attempt that is about to begin.
    pub(super) fn begin(&mut self, begin: &Begin, epoch: u64) -> u64 {
        let seq = self.number(super::BEGINS);
        self.begins.push_back((seq, begin.attempt));
        let open = Open { begin: Arc::new(begin.clone()), epoch, seq, stage: Stage::Queued };
        self.open.insert(begin.attempt, open);
        seq
    }

    /// The next BEGINs, all of one epoch; those that were released meanwhile are passed over. The last number among them, and
    /// nothing while there are none.
    pub(super) fn take_begins(&mut self, max: usize) -> Option<(u64, Vec<Beginning>)> {
        let (mut taken, mut last) = (Vec::<Beginning>::new(), None);
        while taken.len() < max
            && let Some((seq, attempt)) = self.begins.front().copied()
        {
            if let Some(open) = self.open.get_mut(&attempt) {
                if taken.first().is_some_and(|first| first.epoch != open.epoch) {
                    break;
                }
                open.stage = Stage::Sent;
                taken.push(Beginning { seq, begin: open.begin.clone(), epoch: open.epoch });
            }
            self.begins.pop_front();
            last = Some(seq);
        }
        last.map(|last| (last, taken))
    }

    /// Notes what became of BEGINs.
    pub(super) fn decide(&mut self, beginnings: &[Beginning], refusal: impl Fn(&AttemptId) -> Option<Refusal>) {
        for Beginning { seq, begin, .. } in beginnings {
            let refusal = refusal(&begin.attempt);
            if let Some(open) = self.open.get_mut(&begin.attempt) {
                open.stage = refusal.map_or(Stage::Begun, Stage::Refused);
                if let Some(refusal) = refusal {
                    self.refused.insert(*seq, refusal);
                }
            } else if let Some(refusal) = refusal {
                // Released while it was on its way: the RELEASE waits for this.
                self.refused.insert(*seq, refusal);
            }
        }
    }

    /// Why the BEGIN of this number was not taken.
    pub(super) fn refusal(&self, begun: u64) -> Option<Refusal> {
        self.refused.get(&begun).copied()
    }

    /// Forgets why: its RELEASE has been written.
    pub(super) fn forget_refusal(&mut self, begun: u64) {
        self.refused.remove(&begun);
    }

    /// Notes the end of an attempt. `epoch` is for one that never began.
    pub(super) fn end(
        &mut self,
        attempt: AttemptId,
        end: Option<End>,
        moves: &[LeaseMove],
        behind_trace: u64,
        epoch: u64,
    ) -> u64 {
        let seq = self.number(super::ENDS);
        let open = self.open.remove(&attempt);
        // A BEGIN that still waits for its lane is passed over there: as if it never was.
        let sent = open.filter(|open| open.stage != Stage::Queued);
        let ending = match sent {
            Some(open) => Ending {
                seq,
                attempt,
                begin: Some(open.begin),
                epoch: open.epoch,
                begun: open.seq,
                end,
                moves: moves.to_vec(),
                behind_trace,
            },
            None => Ending { seq, attempt, begin: None, epoch, begun: 0, end, moves: moves.to_vec(), behind_trace },
        };
        self.last_end = seq;
        self.ends.push_back(ending);
        seq
    }

    /// The next ENDs and RELEASEs.
    pub(super) fn take_ends(&mut self, max: usize) -> Vec<Ending> {
        let count = self.ends.len().min(max);
        let taken: Vec<Ending> = self.ends.drain(..count).collect();
        self.ending += taken.len();
        taken
    }

    /// How many BEGINs wait.
    pub(super) fn begins_waiting(&self) -> usize {
        self.begins.len()
    }

    /// How many ENDs and RELEASEs are not written.
    pub(super) fn ends_waiting(&self) -> usize {
        self.ends.len() + self.ending
    }

    /// How many attempts are open.
    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }
}
