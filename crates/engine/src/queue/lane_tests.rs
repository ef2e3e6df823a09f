//! The lane under load, in simulated time, and under random interleavings.

use std::{collections::BTreeMap, num::NonZeroU32};

use insula_model::EndUserId;
use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn tenant(number: u8) -> TenantId {
    TenantId::from_bytes([number; 16])
}

fn ask(number: u8, weight: u32) -> Ask {
    Ask {
        tenant: tenant(number),
        weight,
        mode: ReleaseMode::Balanced,
        end_user: None,
        is_background: false,
        size: Size { input_tokens: 100, output_tokens_max: 4_096 },
    }
}

/// How long an answer takes and how many tokens it has: of which tenant, the how manieth.
type Answers = fn(u8, usize) -> (Duration, u64);

/// Always the same.
const STEADY: Answers = |_, _| (MS * 100, 64);

/// A provider that takes its time for each request, and those who send to it.
struct World {
    answers: Answers,
    lane: Lane,
    node: Seats,
    now: Duration,
    tickets: u64,
    /// Until when each that was let go is under way, and what it takes.
    open: Vec<(Duration, Grant, Used)>,
    joined: BTreeMap<u64, Duration>,
    /// Who was let go, when, after how long a wait.
    gone: Vec<(TenantId, Duration, Duration)>,
    tokens: BTreeMap<TenantId, u64>,
}

impl World {
    fn new(pace: Pace, answers: Answers) -> Self {
        Self {
            answers,
            lane: Lane::new(pace, 10_000, 50),
            node: Seats::new(10_000, 50),
            now: Duration::ZERO,
            tickets: 0,
            open: Vec::new(),
            joined: BTreeMap::new(),
            gone: Vec::new(),
            tokens: BTreeMap::new(),
        }
    }

    fn of(concurrency: u32, answers: Answers) -> Self {
        Self::new(Pace { concurrency: NonZeroU32::new(concurrency), ..Pace::default() }, answers)
    }

    fn paced(requests_per_second: u32) -> Self {
        Self::new(Pace { requests_per_second: NonZeroU32::new(requests_per_second), ..Pace::default() }, |_, _| (MS, 64))
    }

    fn arrive(&mut self, ask: Ask) {
        match self.lane.arrive(&mut self.node, &ask, self.now) {
            Ok(grant) => self.begin(grant, Duration::ZERO),
            Err(_) => {
                self.tickets += 1;
                self.joined.insert(self.tickets, self.now);
                self.lane.join(&mut self.node, ask, self.tickets, self.now);
                self.serve();
            }
        }
    }

    fn serve(&mut self) {
        while let Some((ticket, grant)) = self.lane.next(&mut self.node, self.now) {
            let waited = self.now - self.joined.remove(&ticket).unwrap();
            self.begin(grant, waited);
        }
    }

    fn begin(&mut self, grant: Grant, waited: Duration) {
        let (takes, output_tokens) = (self.answers)(grant.tenant.as_bytes()[0], self.gone.len());
        self.gone.push((grant.tenant, self.now, waited));
        let used = Used { tokens: 100 + output_tokens, output_tokens, signal: None };
        *self.tokens.entry(grant.tenant).or_default() += used.tokens;
        self.open.push((self.now + takes, grant, used));
    }

    /// On to the next end of a request, or the next time that the lane wants to look; the tenant whose request ended.
    fn step(&mut self) -> Option<TenantId> {
        let end = self.open.iter().enumerate().min_by_key(|(_, (until, ..))| *until).map(|(at, (until, ..))| (at, *until));
        let look = self.lane.look_at();
        let ended = match (end, look) {
            (Some((_, until)), Some(look)) if look < until => None,
            (Some((at, until)), _) => {
                self.now = until;
                let (_, grant, used) = self.open.swap_remove(at);
                self.lane.give_back(&mut self.node, &grant, Some(used), self.now);
                Some(grant.tenant)
            }
            (None, _) => None,
        };
        if ended.is_none() {
            self.now = self.now.max(look.expect("nothing is under way and nobody is looked after"));
        }
        self.serve();
        ended
    }

    fn share(&self, number: u8) -> f64 {
        self.tokens[&tenant(number)] as f64 / self.tokens.values().sum::<u64>() as f64
    }
}

/// Everybody has so much to do that somebody of theirs always waits.
fn backlogged(weights: &[u32], concurrency: u32, ends: usize, answers: Answers) -> World {
    crowd(weights, 40, concurrency, ends, answers)
}

/// So many callers of each tenant ask again as soon as they are answered.
fn crowd(weights: &[u32], callers: usize, concurrency: u32, ends: usize, answers: Answers) -> World {
    let mut world = World::of(concurrency, answers);
    for _ in 0..callers {
        for (number, weight) in weights.iter().enumerate() {
            world.arrive(ask(number as u8, *weight));
        }
    }
    // The crowd at the beginning is not what is looked at.
    for end in 0..ends {
        if end == ends / 10 {
            world.tokens.clear();
        }
        if let Some(who) = world.step() {
            let number = who.as_bytes()[0];
            world.arrive(ask(number, weights[usize::from(number)]));
        }
    }
    world
}

/// Answers differ in length, and take as long as they are.
const MIXED: Answers = |_, turn| {
    let output_tokens = 16 + (turn as u64 * 7_919) % 200;
    (MS * (32 + output_tokens as u32), output_tokens)
};

#[test]
fn weights_are_respected() {
    for (concurrency, answers) in [(16, MIXED), (7, MIXED), (64, MIXED), (16, STEADY), (20, STEADY)] {
        let world = backlogged(&[1, 2, 4], concurrency, 20_000, answers);
        for (number, wanted) in [(0, 1.0 / 7.0), (1, 2.0 / 7.0), (2, 4.0 / 7.0)] {
            let got: f64 = world.share(number) / wanted;
            assert!((0.95..=1.05).contains(&got), "{number} got {got} of its share of {concurrency} seats");
        }
    }
}

#[test]
fn equals_get_equally_much() {
    for (callers, ends) in [(40, 20_000), (4, 2_000), (2, 2_000)] {
        let world = crowd(&[1; 20], callers, 16, ends, MIXED);
        let shares: Vec<f64> = (0..20).map(|number| world.share(number)).collect();
        let jain = shares.iter().sum::<f64>().powi(2) / (20.0 * shares.iter().map(|share| share * share).sum::<f64>());
        assert!(jain >= 0.98, "{jain} with {callers} callers each");
    }
}

#[test]
fn long_answers_count_for_what_they_are() {
    let answers: Answers = |number, _| if number == 0 { (MS * 1_000, 900) } else { (MS * 200, 100) };
    let world = backlogged(&[1; 4], 16, 40_000, answers);
    for number in 0..4 {
        let got = world.share(number) * 4.0;
        assert!((0.95..=1.05).contains(&got), "{number} got {got} of its share");
    }
}

#[test]
fn a_noisy_neighbour_keeps_nobody_waiting() {
    let quiet_p99 = |noise: usize| {
        let mut world = World::of(16, STEADY);
        (0..noise).for_each(|_| world.arrive(ask(99, 1)));
        let mut next_quiet = Duration::ZERO;
        for turn in 0u32..20_000 {
            // Twenty quiet tenants send in turn, together 40 a second: a quarter of what the provider bears.
            while next_quiet <= world.now {
                world.arrive(ask((turn % 20) as u8, 1));
                next_quiet += MS * 25;
            }
            if world.open.is_empty() {
                world.now = next_quiet;
                continue;
            }
            if world.step() == Some(tenant(99)) {
                world.arrive(ask(99, 1));
            }
        }
        let mut waits: Vec<Duration> =
            world.gone.iter().filter(|(who, ..)| *who != tenant(99)).map(|(.., waited)| *waited).collect();
        waits.sort_unstable();
        waits[waits.len() * 99 / 100] + MS * 100
    };
    let (alone, beside) = (quiet_p99(0), quiet_p99(100));
    assert!(beside <= alone.mul_f64(1.5), "{beside:?} beside a noisy neighbour, {alone:?} alone");
}

#[test]
fn a_burst_goes_evenly_spaced_and_nobody_starves() {
    let mut world = World::paced(50);
    for number in 0..500u16 {
        world.arrive(ask(if number < 481 { 0 } else { (number - 480) as u8 }, 1));
    }
    while world.gone.len() < 500 {
        world.step();
    }
    for pair in world.gone.windows(2) {
        let spacing = (pair[1].1 - pair[0].1).as_secs_f64();
        assert!((0.018..=0.022).contains(&spacing), "{spacing}");
    }
    let last_small = world.gone.iter().rposition(|(who, ..)| *who != tenant(0)).unwrap();
    assert!(last_small < 60, "one request of each other tenant goes within the first rounds: {last_small}");
}

#[test]
fn the_predictable_are_spaced_and_others_go_by() {
    let mut world = World::paced(40);
    for _ in 0..100 {
        world.arrive(Ask { mode: ReleaseMode::Predictable, ..ask(0, 1) });
        world.arrive(ask(1, 3));
    }
    while world.gone.len() < 100 {
        world.step();
    }
    let steady: Vec<Duration> = world.gone.iter().filter(|(who, ..)| *who == tenant(0)).map(|(_, at, _)| *at).collect();
    // A quarter of forty a second, but for those of the others who are at their turn when it is time.
    for pair in steady.windows(2).skip(1) {
        assert!((MS * 50..=MS * 150).contains(&(pair[1] - pair[0])), "{:?}", pair[1] - pair[0]);
    }
    let mean = (steady[steady.len() - 1] - steady[0]).as_secs_f64() / (steady.len() - 1) as f64;
    assert!((0.09..=0.13).contains(&mean), "{mean}");
}

#[test]
fn a_held_lane_lets_nobody_go() {
    let mut world = World::of(4, STEADY);
    world.lane.hold(MS * 500, Duration::ZERO);
    world.arrive(Ask { mode: ReleaseMode::Fast, ..ask(0, 1) });
    assert!(world.gone.is_empty());
    world.step();
    assert_eq!(world.gone.last().map(|(_, at, _)| *at), Some(MS * 500));
}

#[test]
fn tenants_that_are_gone_are_forgotten() {
    let mut world = World::of(4, STEADY);
    for number in 0..u32::try_from(TENANTS_SWEPT_FROM).unwrap() + 10 {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let ask = Ask { tenant: TenantId::from_bytes(bytes), ..ask(0, 1) };
        world.arrive(ask);
        world.step();
    }
    assert!(world.lane.tenants.len() <= 20);
    assert!(world.lane.is_idle());
}

#[derive(Debug, Clone)]
enum Move {
    Arrive { who: u8, weight: u32, mode: ReleaseMode, user: Option<u8>, output_max: u64 },
    Leave(usize),
    End { which: usize, output: u64 },
    Fail(usize),
    Wait(u32),
    Hold(u32),
}

fn moves() -> impl Strategy<Value = Move> {
    let mode = prop_oneof![Just(ReleaseMode::Fast), Just(ReleaseMode::Balanced), Just(ReleaseMode::Predictable)];
    prop_oneof![
        6 => (0..6u8, 1..5u32, mode, proptest::option::of(0..3u8), 1..5_000u64)
            .prop_map(|(who, weight, mode, user, output_max)| Move::Arrive { who, weight, mode, user, output_max }),
        1 => (0..50usize).prop_map(Move::Leave),
        4 => ((0..50usize), (0..6_000u64)).prop_map(|(which, output)| Move::End { which, output }),
        1 => (0..50usize).prop_map(Move::Fail),
        2 => (1..200u32).prop_map(Move::Wait),
        1 => (1..50u32).prop_map(Move::Hold),
    ]
}

fn paces() -> impl Strategy<Value = Pace> {
    let limit = |max: u32| proptest::option::of((1..=max).prop_map(|n| NonZeroU32::new(n).unwrap()));
    (limit(200), limit(100_000), limit(12)).prop_map(|(requests_per_second, tokens_per_minute, concurrency)| Pace {
        requests_per_second,
        tokens_per_minute,
        concurrency,
    })
}

/// A lane with all that was let go or waits, checked after each move.
struct Checked {
    lane: Lane,
    node: Seats,
    now: Duration,
    open: Vec<Grant>,
    waiting: Vec<(TenantId, u64)>,
    seats: u32,
}

impl Checked {
    fn make(&mut self, ticket: u64, next: Move) {
        match next {
            Move::Arrive { who, weight, mode, user, output_max } => {
                let end_user = user.map(|user| EndUserId::from_bytes([user; 16]));
                let size = Size { input_tokens: 100, output_tokens_max: output_max };
                let ask = Ask { mode, end_user, size, ..ask(who, weight) };
                match self.lane.arrive(&mut self.node, &ask, self.now) {
                    Ok(grant) => self.open.push(grant),
                    Err(_) => {
                        self.waiting.push((ask.tenant, ticket));
                        self.lane.join(&mut self.node, ask, ticket, self.now);
                    }
                }
            }
            Move::Leave(which) if !self.waiting.is_empty() => {
                let (who, ticket) = self.waiting.swap_remove(which % self.waiting.len());
                self.lane.leave(&mut self.node, who, ticket);
            }
            Move::End { which, output } if !self.open.is_empty() => {
                let grant = self.open.swap_remove(which % self.open.len());
                let used = Used { tokens: output + 100, output_tokens: output, signal: None };
                self.lane.give_back(&mut self.node, &grant, Some(used), self.now);
            }
            Move::Fail(which) if !self.open.is_empty() => {
                let grant = self.open.swap_remove(which % self.open.len());
                self.lane.give_back(&mut self.node, &grant, None, self.now);
            }
            Move::Wait(ms) => self.now += MS * ms,
            Move::Hold(ms) => self.lane.hold(MS * ms, self.now),
            Move::Leave(_) | Move::End { .. } | Move::Fail(_) => {}
        }
        self.serve();
    }

    fn serve(&mut self) {
        while let Some((ticket, grant)) = self.lane.next(&mut self.node, self.now) {
            let at = self.waiting.iter().position(|(_, waiting)| *waiting == ticket).expect("only who waits is let go");
            assert_eq!(self.waiting.swap_remove(at).0, grant.tenant);
            self.open.push(grant);
        }
    }

    fn check(&self) {
        let held = u32::try_from(self.open.len()).unwrap();
        assert_eq!((self.lane.seats.held(), self.node.held()), (held, held));
        assert!(held <= self.seats);
        // Work conserving: who waits has something in its way.
        for (who, _) in &self.waiting {
            let line = &self.lane.tenants[who];
            let has_seat = self.lane.seats.may_take(*who, line.weight).is_ok() && self.node.may_take(*who, line.weight).is_ok();
            assert!(!has_seat || self.lane.look_at().is_some_and(|at| at > self.now), "{who} waits for nothing");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn random_moves_leave_no_residue(pace in paces(), node in 1..20u32, moves in proptest::collection::vec(moves(), 0..300)) {
        let seats = pace.concurrency.map_or(node, |lane| lane.get().min(node));
        let mut checked = Checked {
            lane: Lane::new(pace, 1_000, 50),
            node: Seats::new(node, 50),
            now: Duration::ZERO,
            open: Vec::new(),
            waiting: Vec::new(),
            seats,
        };
        for (ticket, next) in moves.into_iter().enumerate() {
            checked.make(ticket as u64, next);
            checked.check();
        }
        // Everybody is served in the end, if those who are under way come to theirs.
        let mut rounds = 0;
        while !checked.waiting.is_empty() {
            rounds += 1;
            prop_assert!(rounds < 100_000, "{} starve", checked.waiting.len());
            for grant in std::mem::take(&mut checked.open) {
                checked.lane.give_back(&mut checked.node, &grant, None, checked.now);
            }
            checked.now = checked.lane.look_at().unwrap_or_default().max(checked.now + MS * 50);
            checked.serve();
        }
        for grant in std::mem::take(&mut checked.open) {
            checked.lane.give_back(&mut checked.node, &grant, None, checked.now);
        }
        prop_assert!(checked.lane.is_idle() && checked.node.is_idle());
        prop_assert!(checked.lane.ring.is_empty() && checked.lane.tenants.values().all(|line| line.is_empty() && line.deficit <= 0));
    }
}

#[test]
fn a_request_of_millions_among_small_ones_goes_at_once() {
    let (mut node, now) = (Seats::new(10_000, 50), Duration::ZERO);
    let mut lane = Lane::new(Pace { concurrency: NonZeroU32::new(1), ..Pace::default() }, 10_000, 50);
    let sized = |number, input_tokens| Ask { size: Size { input_tokens, output_tokens_max: 0 }, ..ask(number, 1) };
    let first = lane.arrive(&mut node, &sized(1, 1), now).unwrap();
    for ticket in 0..200 {
        // The first of the line is huge, and those behind it make the round's quantum small.
        let input_tokens = if ticket == 0 { 1_000_000_000_000 } else { 1 };
        let next = sized(2, input_tokens);
        assert!(lane.arrive(&mut node, &next, now).is_err(), "the seat is taken");
        lane.join(&mut node, next, ticket, now);
    }
    lane.give_back(&mut node, &first, Some(Used { tokens: 1, output_tokens: 0, signal: None }), now);
    // Round by round this would take minutes.
    assert_eq!(lane.next(&mut node, now).map(|(ticket, _)| ticket), Some(0));
}
