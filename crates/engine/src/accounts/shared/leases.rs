//! What this node leases of shared windows, and what its attempts hold of that.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use insula_model::{Budget, BudgetMode, Cap, Subject, Timestamp};
use insula_store::{LeaseMove, Unit, WindowKey, WindowState};

use crate::accounts::{
    Amounts,
    law::{Hold, Room},
};

/// A window has plenty while each node could have this many of what is asked.
const PLENTY: i128 = 8;

/// The nodes' slices together are this part of what is free.
const SLICES_SHARE: i128 = 4;

/// How soon the same window is recalled again.
const RECALL_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// All leases of this node.
pub(in crate::accounts) struct LeaseTable {
    /// In which they were leased. A raised epoch takes them all away.
    epoch: u64,
    leases: HashMap<WindowKey, Lease>,
    /// Windows of which something may have to be given back.
    loose: HashSet<WindowKey>,
}

/// What this node leases of one window. Amounts are picodollars or tokens.
#[derive(Debug)]
struct Lease {
    ends_at: Timestamp,
    granted: i64,
    held: i64,
    /// As the window was last seen.
    cap: i64,
    settled: i64,
    /// What the other nodes lease of it, as last seen.
    elsewhere: i64,
    /// What nobody leases: known only while the window is locked, otherwise nothing.
    spare: i64,
    /// No slices: whatever is not held is given back.
    is_tight: bool,
    /// The stored budgets have no hard one here; this node will hear of it.
    is_void: bool,
    recalled_at: Option<Duration>,
}

impl Lease {
    fn free(&self) -> i64 {
        self.granted.saturating_sub(self.held)
    }

    /// Whether what is not held goes back.
    fn is_loose(&self, now: Timestamp) -> bool {
        self.is_tight || self.is_void || now >= self.ends_at
    }
}

/// The most that one call asked of each window in a round: it tells how much is plenty.
#[derive(Default)]
pub(in crate::accounts) struct Demand(HashMap<WindowKey, i64>);

impl Demand {
    /// Somebody asked for up to this much.
    pub fn asked(&mut self, window: WindowKey, amounts: Amounts) {
        let most = self.0.entry(window).or_default();
        *most = (*most).max(amount(amounts, window.unit));
    }
}

impl LeaseTable {
    pub fn new(epoch: u64) -> Self {
        Self { epoch, leases: HashMap::new(), loose: HashSet::new() }
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Everything that was leased is gone, and what is held of it settles to nothing.
    pub fn reset(&mut self, epoch: u64) {
        if epoch != self.epoch {
            *self = Self::new(epoch);
        }
    }

    /// What is free of this node's slice, where nothing has to be asked about the window.
    pub fn slice(&self, window: &WindowKey) -> Option<i128> {
        let lease = self.leases.get(window).filter(|lease| !lease.is_tight && !lease.is_void)?;
        Some(lease.free().into())
    }

    /// What a hard budget leaves this node: all that can be had while the window is locked, otherwise its lease.
    pub fn room<'a>(&self, window: WindowKey, budget: &'a Budget) -> Option<Room<'a>> {
        let lease = self.leases.get(&window).filter(|lease| !lease.is_void)?;
        Some(Room {
            subject: window.subject,
            budget,
            cap: lease.cap.into(),
            settled: lease.settled.into(),
            free: i128::from(lease.free()) + i128::from(lease.spare),
            resets_at: lease.ends_at,
        })
    }

    /// Notes what a hold takes of these windows.
    pub fn hold(&mut self, hold: &mut Hold, windows: BTreeSet<WindowKey>) {
        hold.epoch = self.epoch;
        for window in windows {
            let Some(lease) = self.leases.get_mut(&window).filter(|lease| !lease.is_void) else { continue };
            let amount = amount(hold.amounts, window.unit);
            lease.held = lease.held.saturating_add(amount);
            hold.leased.push((window, amount));
        }
    }

    /// What the end of an attempt moves of its leases: what it used, and what goes back to all at once. Decided once, so that
    /// what storage was told and what [`LeaseTable::settle`] does are the same.
    pub fn moves(&mut self, hold: &Hold, used: Amounts, now: Timestamp) -> Vec<LeaseMove> {
        if hold.epoch != self.epoch {
            return Vec::new();
        }
        let moves = hold.moves.get_or_init(|| {
            let of = |(window, held): &(WindowKey, i64)| {
                let consumed = amount(used, window.unit).min(*held);
                let is_loose = self.leases.get(window).is_none_or(|lease| lease.is_loose(now));
                LeaseMove { key: *window, consumed, returned: if is_loose { held - consumed } else { 0 } }
            };
            let moves = hold.leased.iter().map(of);
            moves.filter(|moved| moved.consumed != 0 || moved.returned != 0).collect()
        });
        moves.clone()
    }

    /// Nothing is held any more for this attempt; what its end moved is no longer leased.
    pub fn settle(&mut self, hold: &Hold) {
        if hold.epoch != self.epoch {
            return;
        }
        for moved in hold.moves.get().into_iter().flatten() {
            if let Some(lease) = self.leases.get_mut(&moved.key) {
                lease.granted = lease.granted.saturating_sub(moved.consumed.saturating_add(moved.returned));
            }
        }
        for (window, held) in &hold.leased {
            let Some(lease) = self.leases.get_mut(window) else { continue };
            debug_assert!(lease.held >= *held, "took back more than was held");
            lease.held = lease.held.saturating_sub(*held);
            if lease.free() > 0 && (lease.is_tight || lease.is_void) {
                self.loose.insert(*window);
            }
        }
    }

    /// The windows are locked and stand so.
    pub fn see(&mut self, windows: &[WindowKey], states: &[Option<WindowState>]) {
        for (window, state) in windows.iter().zip(states) {
            let Some(state) = state else {
                if let Some(lease) = self.leases.get_mut(window) {
                    lease.is_void = true;
                    self.loose.insert(*window);
                }
                continue;
            };
            let lease = self.leases.entry(*window).or_insert_with(|| Lease {
                ends_at: window.window.span(window.starts_at).end,
                granted: 0,
                held: 0,
                cap: state.cap,
                settled: state.settled,
                elsewhere: 0,
                spare: 0,
                is_tight: true,
                is_void: false,
                recalled_at: None,
            });
            (lease.cap, lease.settled, lease.is_void) = (state.cap, state.settled, false);
            lease.elsewhere = state.leased.saturating_sub(lease.granted).max(0);
            lease.spare = state.cap.saturating_sub(state.settled).saturating_sub(state.leased);
        }
    }

    /// How much more to lease of each window that was seen: what is held above the lease, and a slice where there is plenty
    /// for all. The windows are not in view any longer.
    pub fn more(&mut self, windows: &[WindowKey], demand: &Demand, nodes: u32) -> Vec<i64> {
        let nodes = i128::from(nodes.max(1));
        let mut of = |window: &WindowKey| {
            let Some(lease) = self.leases.get_mut(window) else { return 0 };
            let (free, spare) = (lease.free(), std::mem::take(&mut lease.spare));
            let missing = free.saturating_neg().max(0);
            let left = i128::from(free) + i128::from(spare);
            let need = i128::from(demand.0.get(window).copied().unwrap_or(0).max(1));
            lease.is_tight = left < PLENTY * nodes * need;
            if lease.is_tight {
                self.loose.insert(*window);
                return missing;
            }
            let slice = i64::try_from(left / (SLICES_SHARE * nodes)).unwrap_or(i64::MAX);
            // Never more than nobody leases: the locks stand until this is leased.
            missing.saturating_add(slice.saturating_sub(free.max(0)).max(0)).min(spare.max(0))
        };
        windows.iter().map(&mut of).collect()
    }

    /// What was decided is leased.
    pub fn leased(&mut self, windows: &[WindowKey], more: &[i64]) {
        for (window, more) in windows.iter().zip(more) {
            if let Some(lease) = self.leases.get_mut(window) {
                lease.granted = lease.granted.saturating_add(*more);
            }
        }
    }

    /// Of which windows other nodes should give back what they do not hold: those near their end for which somebody asked.
    pub fn take_recallable(&mut self, demand: &Demand, now: Duration) -> Vec<WindowKey> {
        let due = |window: &&WindowKey| {
            let Some(lease) = self.leases.get_mut(*window) else { return false };
            let was_just_now = lease.recalled_at.is_some_and(|at| now < at + RECALL_AGAIN_AFTER);
            let due = lease.is_tight && lease.elsewhere > 0 && !was_just_now;
            if due {
                lease.recalled_at = Some(now);
            }
            due
        };
        demand.0.keys().filter(due).copied().collect()
    }

    /// Another node needs what is not held here.
    pub fn recalled(&mut self, window: &WindowKey) {
        if let Some(lease) = self.leases.get_mut(window) {
            lease.is_tight = true;
            self.loose.insert(*window);
        }
    }

    /// A notice was missed: every window may be needed elsewhere.
    pub fn all_recalled(&mut self) {
        for (window, lease) in &mut self.leases {
            lease.is_tight = true;
            self.loose.insert(*window);
        }
    }

    /// The caps of a subject changed, or went: nothing is decided from memory before its windows were seen again.
    pub fn budgets_changed(&mut self, subject: Subject, budgets: &[Budget]) {
        let hard: HashMap<_, _> = budgets
            .iter()
            .filter(|budget| budget.mode == BudgetMode::Hard)
            .map(|budget| ((budget.window, unit(budget.cap)), stored(budget.cap)))
            .collect();
        for (window, lease) in self.leases.iter_mut().filter(|(window, _)| window.subject == subject) {
            if hard.get(&(window.window, window.unit)) != Some(&lease.cap) {
                lease.is_tight = true;
                self.loose.insert(*window);
            }
        }
    }

    /// Every lease whose window is over, also those that nobody touched since.
    pub fn note_ended(&mut self, now: Timestamp) {
        self.loose.extend(self.leases.iter().filter(|(_, lease)| now >= lease.ends_at).map(|(window, _)| *window));
    }

    pub fn has_loose(&self) -> bool {
        !self.loose.is_empty()
    }

    /// Takes out what is to be given back: what nobody holds of windows near their end, recalled, over, or without a budget.
    pub fn take_loose(&mut self, now: Timestamp) -> Vec<(WindowKey, i64)> {
        let mut taken = Vec::new();
        for window in std::mem::take(&mut self.loose) {
            let Some(lease) = self.leases.get_mut(&window).filter(|lease| lease.is_loose(now)) else { continue };
            let free = lease.free().max(0);
            lease.granted -= free;
            if free > 0 {
                taken.push((window, free));
            }
            if lease.granted == 0 && lease.held == 0 && (lease.is_void || now >= lease.ends_at) {
                self.leases.remove(&window);
            }
        }
        taken
    }

    /// Takes out all that nobody holds.
    pub fn take_all(&mut self, now: Timestamp) -> Vec<(WindowKey, i64)> {
        self.all_recalled();
        self.take_loose(now)
    }
}

/// What a budget of this cap counts.
pub(in crate::accounts) fn unit(cap: Cap) -> Unit {
    match cap {
        Cap::Usd(_) => Unit::Usd,
        Cap::Tokens(_) => Unit::Tokens,
    }
}

/// An amount in the unit of a window.
fn amount(amounts: Amounts, unit: Unit) -> i64 {
    match unit {
        Unit::Usd => i64::try_from(amounts.money.pico()).unwrap_or(i64::MAX),
        Unit::Tokens => i64::try_from(amounts.tokens).unwrap_or(i64::MAX),
    }
}

/// A cap as the windows keep it.
fn stored(cap: Cap) -> i64 {
    match cap {
        Cap::Usd(limit) => i64::try_from(limit.pico()).unwrap_or(i64::MAX),
        Cap::Tokens(limit) => i64::try_from(limit).unwrap_or(i64::MAX),
    }
}
