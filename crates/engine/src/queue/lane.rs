//! The lane toward one model of one provider: who goes next, and when.
//!
//! Deficit round robin (Shreedhar and Varghese, 1995) over tenants: each round adds a quantum by weight to what a tenant may have in
//! tokens, and a request goes when that covers what it is expected to take. What an answer really took is corrected when it ends.
//! The quantum is what an average request takes, so that a round is about one request for each unit of weight. It ends when nobody who
//! may go has enough left; who may not, for want of a seat, has its quantum of it later.
//!
//! Nothing here waits or reads a clock: time is passed in, tickets stand for those who wait.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use insula_model::{ReleaseMode, TenantId};
use insula_providers::{Allowance, Pace};

use super::{
    adaptive::{Adaptive, Sent},
    ask::{Ask, Grant, Kept, Used},
    line::{Average, Line, Size, Waiter},
    pace::Pacer,
    seats::Seats,
};

/// What was had beyond expectation, or not had for want of a seat, counts for so many rounds at most.
const DEBT_ROUNDS: i64 = 8;
/// Until the first answers are seen, they are taken to be no longer than this.
const FIRST_OUTPUT_TOKENS: u64 = 1_000;
/// From this many tenants on, those that are not here are forgotten whenever the number has doubled.
const TENANTS_SWEPT_FROM: usize = 1_024;

/// The lane toward one model of one provider.
pub(super) struct Lane {
    seats: Seats,
    pacer: Pacer,
    adaptive: Adaptive,
    /// The most that may be under way, of all nodes together.
    concurrency_max: u32,
    tenants: HashMap<TenantId, Line>,
    sweep_at: usize,
    /// Those who wait, in turn.
    ring: VecDeque<TenantId>,
    round: u64,
    input: Average,
    output: Average,
    look_at: Option<Duration>,
    is_kept_by_node: bool,
}

/// A request on its way out.
struct Going {
    cost: u64,
    joined: Duration,
    is_charged: bool,
}

/// What becomes of the tenant whose turn it is.
enum Verdict {
    Goes,
    /// Not now, and nobody before it.
    Later(Duration),
    /// Others may go first.
    Passed(Option<Duration>),
    /// Its deficit does not cover it yet, and will after so many rounds.
    Short {
        rounds: u64,
    },
}

impl Lane {
    /// A lane with this pace, and of `concurrency_max` seats where it sets none; one tenant holds at most `share_max_percent`.
    pub fn new(pace: Pace, concurrency_max: u32, share_max_percent: u32) -> Self {
        let is_bounded = pace.concurrency.is_some();
        let concurrency_max = pace.concurrency.map_or(concurrency_max, |concurrency| concurrency.get().min(concurrency_max));
        Self {
            seats: Seats::new(concurrency_max, share_max_percent),
            pacer: Pacer::new(pace),
            adaptive: Adaptive::new(concurrency_max, is_bounded),
            concurrency_max,
            tenants: HashMap::new(),
            sweep_at: TENANTS_SWEPT_FROM,
            ring: VecDeque::new(),
            round: 1,
            input: Average::default(),
            output: Average::default(),
            look_at: None,
            is_kept_by_node: false,
        }
    }

    /// So many nodes share the lane's limits.
    pub fn share_among(&mut self, nodes: u32) {
        self.pacer.share_among(nodes);
        self.adaptive.set_max(self.concurrency_max.div_ceil(nodes.max(1)));
        self.seats.resize(self.adaptive.limit());
    }

    /// Whether nobody is under way or waits.
    pub fn is_idle(&self) -> bool {
        self.seats.is_idle()
    }

    /// How much of its seats is held or awaited.
    pub fn load(&self) -> f64 {
        self.seats.load()
    }

    /// When somebody who waits may go though nothing else happens; as of the last [`Lane::next`].
    pub fn look_at(&self) -> Option<Duration> {
        self.look_at
    }

    /// Whether a seat of the node is all that somebody here lacks; as of the last [`Lane::next`].
    pub fn is_kept_by_node(&self) -> bool {
        self.is_kept_by_node
    }

    /// Until when the provider wants nothing.
    pub fn held_until(&self) -> Duration {
        self.pacer.held_until()
    }

    /// Somebody arrives, and goes at once if nobody waits and nothing stands in the way.
    pub fn arrive(&mut self, node: &mut Seats, ask: &Ask, now: Duration) -> Result<Grant, Kept> {
        self.sweep();
        let line = self.tenants.entry(ask.tenant).or_default();
        (line.weight, line.mode) = (ask.weight, ask.mode);
        line.arrive(now);
        let spaced_until = line.spacing.next_at();
        if !self.ring.is_empty() {
            return Err(Kept::Turn);
        }
        self.seats.may_take(ask.tenant, ask.weight)?;
        node.may_take(ask.tenant, ask.weight)?;
        if ask.mode == ReleaseMode::Predictable && spaced_until > now {
            return Err(Kept::Spacing);
        }
        if self.pacer.ready_at(ask.mode) > now {
            return Err(Kept::Pace);
        }
        Ok(self.let_go(
            node,
            ask.tenant,
            Going { cost: self.cost_of(ask.tenant, ask.size), joined: now, is_charged: false },
            now,
        ))
    }

    /// Waits under `ticket`; says its place in its tenant's line. [`Lane::next`] lets it go.
    pub fn join(&mut self, node: &mut Seats, ask: Ask, ticket: u64, now: Duration) -> u32 {
        self.input.add(ask.size.input_tokens as f64);
        self.seats.join(ask.tenant, ask.weight);
        node.join(ask.tenant, ask.weight);
        let line = self.tenants.entry(ask.tenant).or_default();
        if line.is_empty() {
            self.ring.push_back(ask.tenant);
            // Its quantum of this round, and of none before.
            line.round = self.round - 1;
        }
        line.join(ask.end_user, ask.is_background, Waiter { ticket, size: ask.size, joined: now });
        self.seats.waiting(ask.tenant)
    }

    /// Somebody who waits has had enough of it.
    pub fn leave(&mut self, node: &mut Seats, tenant: TenantId, ticket: u64) {
        self.seats.leave(tenant);
        node.leave(tenant);
        let Some(line) = self.tenants.get_mut(&tenant) else { return };
        line.leave(ticket);
        if line.is_empty() {
            line.rest();
            self.ring.retain(|waiting| *waiting != tenant);
        }
    }

    /// Lets the next one go, if somebody may go now: its ticket, and its leave. Asked until there is none.
    pub fn next(&mut self, node: &mut Seats, now: Duration) -> Option<(u64, Grant)> {
        (self.look_at, self.is_kept_by_node) = (None, false);
        let (mut passed, mut short_of) = (0, None);
        while !self.seats.is_full() {
            if passed == self.ring.len() {
                // As many rounds at once as the least short of them lacks: it may be a request of millions of tokens.
                self.go_on(short_of.take()?);
                passed = 0;
            }
            let tenant = *self.ring.front()?;
            match self.weigh(node, tenant, now) {
                Verdict::Goes => {
                    let (ticket, going) = self.take(tenant)?;
                    let grant = self.let_go(node, tenant, going, now);
                    self.seats.leave(tenant);
                    node.leave(tenant);
                    return Some((ticket, grant));
                }
                Verdict::Later(at) => {
                    self.look_no_later(at);
                    return None;
                }
                Verdict::Passed(at) => at.into_iter().for_each(|at| self.look_no_later(at)),
                Verdict::Short { rounds } => short_of = Some(short_of.map_or(rounds, |before: u64| before.min(rounds))),
            }
            passed += 1;
            self.ring.rotate_left(1);
        }
        None
    }

    /// Begins the last of so many rounds. Who is short has its quantum of those before it; who was passed over has it later.
    fn go_on(&mut self, rounds: u64) {
        let (quantum, round, missed) = (self.quantum(), self.round, rounds - 1);
        for tenant in &self.ring {
            if let Some(line) = self.tenants.get_mut(tenant).filter(|line| line.round == round) {
                let more = quantum.saturating_mul(i64::from(line.weight)).saturating_mul(signed(missed));
                line.deficit = line.deficit.saturating_add(more);
                line.round = round.saturating_add(missed);
            }
        }
        self.round = round.saturating_add(rounds);
    }

    fn look_no_later(&mut self, at: Duration) {
        self.look_at = Some(self.look_at.map_or(at, |before| before.min(at)));
    }

    fn weigh(&mut self, node: &Seats, tenant: TenantId, now: Duration) -> Verdict {
        let quantum = self.quantum();
        let Some(size) = self.tenants.get(&tenant).and_then(Line::head).map(|head| head.size) else {
            return Verdict::Passed(None);
        };
        let cost = self.cost_of(tenant, size);
        let Some(line) = self.tenants.get_mut(&tenant) else { return Verdict::Passed(None) };
        if self.seats.may_take(tenant, line.weight).is_err() {
            return Verdict::Passed(None);
        }
        if node.may_take(tenant, line.weight).is_err() {
            self.is_kept_by_node = true;
            return Verdict::Passed(None);
        }
        if line.mode == ReleaseMode::Predictable && line.spacing.next_at() > now {
            return Verdict::Passed(Some(line.spacing.next_at()));
        }
        let rounds = i64::try_from(self.round - line.round).unwrap_or(DEBT_ROUNDS).min(DEBT_ROUNDS);
        line.round = self.round;
        let per_round = quantum.saturating_mul(i64::from(line.weight));
        // Also what was left or refunded of larger requests: it would buy a long row of small ones.
        let most = per_round.saturating_mul(DEBT_ROUNDS).max(signed(cost));
        line.deficit = line.deficit.saturating_add(per_round.saturating_mul(rounds)).min(most);
        if line.deficit < signed(cost) {
            let lacking = signed(cost).saturating_sub(line.deficit).unsigned_abs();
            return Verdict::Short { rounds: lacking.div_ceil(per_round.unsigned_abs().max(1)).max(1) };
        }
        // The provider's pace is everybody's: nobody overtakes whose turn it is, else the quick would starve the patient.
        let ready_at = self.pacer.ready_at(line.mode);
        if ready_at > now { Verdict::Later(ready_at) } else { Verdict::Goes }
    }

    /// Takes the head of a tenant's line out and charges it.
    fn take(&mut self, tenant: TenantId) -> Option<(u64, Going)> {
        let size = self.tenants.get(&tenant)?.head()?.size;
        let cost = self.cost_of(tenant, size);
        let line = self.tenants.get_mut(&tenant)?;
        let Waiter { ticket, joined, .. } = line.take()?;
        line.deficit -= signed(cost);
        if line.is_empty() {
            line.rest();
            self.ring.pop_front();
        }
        Some((ticket, Going { cost, joined, is_charged: true }))
    }

    fn let_go(&mut self, node: &mut Seats, tenant: TenantId, going: Going, now: Duration) -> Grant {
        let Going { cost, joined, is_charged } = going;
        if let Some(line) = self.tenants.get_mut(&tenant) {
            self.seats.take(tenant, line.weight);
            node.take(tenant, line.weight);
            // Only who is spaced: what others had beyond it would be held against them later.
            if line.mode == ReleaseMode::Predictable {
                let part = self.seats.part(tenant, line.weight);
                let all = self.pacer.requests_per_second();
                let gap = all.map_or_else(|| line.steady_gap(), |all| Duration::from_secs_f64(1.0 / (all * part)));
                // Whoever had its turn before made it late, and not for good.
                line.spacing.book(now, joined, gap, gap / 2);
            }
        }
        self.pacer.book(now, joined, cost);
        let is_wanted = self.seats.is_full() || (self.seats.is_pressed() && !self.ring.is_empty());
        Grant { tenant, cost, is_charged, sent: Sent { at: now, under_way: self.seats.held(), is_wanted } }
    }

    /// A request that was let go is over. Nothing is known of what it took where it was not sent.
    pub fn give_back(&mut self, node: &mut Seats, grant: &Grant, used: Option<Used>, now: Duration) {
        self.seats.give_back(grant.tenant);
        node.give_back(grant.tenant);
        let tokens = used.map_or(0, |used| used.tokens);
        self.pacer.correct(grant.cost, tokens);
        let bound = self.quantum().saturating_mul(DEBT_ROUNDS);
        if let Some(line) = self.tenants.get_mut(&grant.tenant) {
            if let Some(used) = used {
                line.output.add(used.output_tokens as f64);
            }
            if grant.is_charged {
                let bound = bound.saturating_mul(i64::from(line.weight));
                let corrected = line.deficit + signed(grant.cost) - signed(tokens);
                line.deficit = corrected.clamp((-bound).min(line.deficit), bound.max(line.deficit));
            }
            if line.is_empty() {
                line.rest();
            }
        }
        if let Some(used) = used {
            self.output.add(used.output_tokens as f64);
            if let Some(signal) = used.signal {
                self.adaptive.note(grant.sent, signal, now);
                self.seats.resize(self.adaptive.limit());
            }
        }
    }

    /// The provider wants nothing for so long.
    pub fn hold(&mut self, wait: Duration, now: Duration) {
        self.pacer.hold(now, wait);
    }

    /// The provider said what is left of its allowance.
    pub fn heed(&mut self, allowance: &Allowance, now: Duration) {
        self.pacer.heed(now, allowance);
    }

    /// Its input, and as much output as its tenant's answers have on average, or those of all; never more than it may have.
    fn cost_of(&self, tenant: TenantId, size: Size) -> u64 {
        let known = self.tenants.get(&tenant).and_then(|line| line.output.get()).or(self.output.get());
        let output = known.map_or(FIRST_OUTPUT_TOKENS, |known| known as u64).min(size.output_tokens_max);
        size.input_tokens.saturating_add(output).max(1)
    }

    /// What a round adds for each unit of weight.
    fn quantum(&self) -> i64 {
        let output = self.output.get().unwrap_or(FIRST_OUTPUT_TOKENS as f64);
        ((self.input.get().unwrap_or_default() + output) as i64).max(1)
    }

    /// Forgets tenants that are not here: what they owe, and how long their answers are.
    fn sweep(&mut self) {
        if self.tenants.len() >= self.sweep_at {
            let seats = &self.seats;
            self.tenants.retain(|tenant, _| seats.is_present(*tenant));
            self.sweep_at = TENANTS_SWEPT_FROM.max(self.tenants.len() * 2);
        }
    }
}

fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
