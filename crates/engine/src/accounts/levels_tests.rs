//! The law over all levels at once, beside a plain list of all that happened: whatever comes in whatever order, no hard limit is
//! passed, whoever is named refused indeed, and nothing is left behind.

use std::time::Duration;

use insula_model::{
    BudgetId, BudgetOrigin, BudgetRefusal, Cap, EndUserId, KeyId, Price, Random, SeededRandom, Window, WindowSpan,
};

use super::*;
use crate::accounts::{OutputAsk, account::WINDOWS};

const SEEDS: u64 = 10_000;
const STEPS: u64 = 40;
/// Half an hour before a month ends.
const START: &str = "2026-03-31T23:30:00Z";

/// Chance, the same for the same seed.
struct Dice(SeededRandom);

impl Dice {
    /// A number below `bound`.
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound
    }

    fn one_of<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// What happened to one attempt.
struct Attempt {
    subjects: Vec<Subject>,
    at: Timestamp,
    /// What it holds while it is open, what it used afterwards.
    amounts: Amounts,
    open: Option<Hold>,
}

struct World {
    dice: Dice,
    book: Book,
    now: Timestamp,
    budgets: HashMap<Subject, Vec<Budget>>,
    attempts: Vec<Attempt>,
}

fn price() -> Price {
    Price {
        input_pico: 1_000_000,
        cache_read_pico: 500_000,
        cache_write_pico: 1_250_000,
        cache_write_1h_pico: 1_250_000,
        output_pico: 2_000_000,
    }
}

fn tenant(n: u64) -> TenantId {
    TenantId::from_bytes([n as u8; 16])
}

fn in_unit(cap: Cap, amounts: Amounts) -> i128 {
    match cap {
        Cap::Usd(_) => amounts.money.pico(),
        Cap::Tokens(_) => amounts.tokens.into(),
    }
}

fn limit(cap: Cap) -> i128 {
    match cap {
        Cap::Usd(limit) => limit.pico(),
        Cap::Tokens(limit) => limit.into(),
    }
}

/// The fewest output tokens that an ask is content with.
fn least(ask: &Ask) -> u64 {
    match ask.output {
        OutputAsk::Fixed(tokens) => tokens,
        OutputAsk::Open { floor, most, choices } => floor.min(most) * choices,
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Timestamp::parse(START).expect("a time");
        let dice = Dice(SeededRandom::new(seed));
        Self { dice, book: Book::default(), now, budgets: HashMap::new(), attempts: Vec::new() }
    }

    /// Platform, tenant, perhaps a key, perhaps an end user.
    fn subjects(&self) -> Vec<Subject> {
        let tenant = tenant(1 + self.dice.below(2));
        let mut subjects = vec![Subject::Platform, Subject::Tenant(tenant)];
        let (key, end_user) = (self.dice.below(3) as u8, self.dice.below(3) as u8);
        subjects.extend((key > 0).then(|| Subject::Key(tenant, KeyId::from_bytes([key; 16]))));
        subjects.extend((end_user > 0).then(|| Subject::EndUser(tenant, EndUserId::from_bytes([end_user; 16]))));
        subjects
    }

    /// What is settled and what is held of a subject in a window, by the list.
    fn spent(&self, subject: Subject, span: WindowSpan) -> (Amounts, Amounts) {
        let (mut settled, mut held) = (Amounts::default(), Amounts::default());
        let of = |attempt: &&Attempt| span.contains(attempt.at) && attempt.subjects.contains(&subject);
        for attempt in self.attempts.iter().filter(of) {
            if attempt.open.is_some() { held.add(attempt.amounts) } else { settled.add(attempt.amounts) }
        }
        (settled, held)
    }

    /// Every hard budget over these subjects, with what is settled and held of it in its own unit.
    fn hard(&self, subjects: &[Subject]) -> Vec<(&Budget, i128, i128)> {
        let budgets = subjects.iter().filter_map(|subject| self.budgets.get(subject)).flatten();
        let hard = budgets.filter(|budget| budget.mode == BudgetMode::Hard);
        hard.map(|budget| {
            let (settled, held) = self.spent(budget.subject, budget.window.span(self.now));
            (budget, in_unit(budget.cap, settled), in_unit(budget.cap, held))
        })
        .collect()
    }

    /// Replaces the budgets of somebody.
    fn change_budgets(&mut self) {
        let subjects = self.subjects();
        let subject = self.dice.one_of(&subjects);
        let mut budgets: Vec<Budget> = Vec::new();
        for _ in 0..self.dice.below(3) {
            let (window, amount) = (self.dice.one_of(&WINDOWS), self.dice.below(6_000));
            let usd = Cap::Usd(Money::from_pico(i128::from(amount) * 1_500_000));
            let cap = self.dice.one_of(&[usd, Cap::Tokens(amount)]);
            if budgets
                .iter()
                .any(|other| other.window == window && matches!(other.cap, Cap::Usd(_)) == matches!(cap, Cap::Usd(_)))
            {
                continue;
            }
            let mode = self.dice.one_of(&[BudgetMode::Hard, BudgetMode::Hard, BudgetMode::Hard, BudgetMode::Soft]);
            let origins = [BudgetOrigin::Own, BudgetOrigin::Plan, BudgetOrigin::Segment];
            let origin = if let Subject::Tenant(_) = subject { self.dice.one_of(&origins) } else { BudgetOrigin::Own };
            let id = BudgetId::from_bytes([budgets.len() as u8; 16]);
            budgets.push(Budget { id, subject, window, cap, mode, alert_at: vec![], origin });
        }
        self.budgets.insert(subject, budgets.clone());
        self.book.set_budgets(subject, budgets);
    }

    /// Opens accounts as they are before an ask is decided: with what is settled by then.
    fn open(&mut self, subjects: &[Subject]) {
        for subject in self.book.missing(subjects) {
            let settled = |attempt: &&Attempt| attempt.open.is_none() && attempt.subjects.contains(&subject);
            let spent =
                self.attempts.iter().filter(settled).map(|attempt| (Window::Hour.span(attempt.at).start, attempt.amounts));
            let account = Account::starting_with(self.now, spent);
            if let Subject::EndUser(..) = subject {
                assert!(self.book.begin_opening(subject, self.now));
                assert!(self.book.end_opening(subject, account, self.now, false));
            } else {
                self.book.insert_if_missing(subject, account);
            }
        }
    }

    fn reserve(&mut self) {
        let subjects = self.subjects();
        let most = self.dice.below(1_200);
        let open = OutputAsk::Open { floor: 100, most: most + 1, choices: 1 + self.dice.below(3) };
        let output = self.dice.one_of(&[OutputAsk::Fixed(most), open]);
        let tenant = subjects[1].tenant().expect("a tenant's");
        let ask = Ask { tenant, subjects, input_tokens_max: self.dice.below(500), output, price: price() };
        self.open(&ask.subjects);
        match self.book.reserve(&ask, self.now) {
            Verdict::Granted(hold) => self.granted(&ask, hold),
            Verdict::Refused(refusal) => self.refused(&ask, &refusal.shown),
            Verdict::Wait(account) => self.waits(&ask, account),
            other => panic!("{other:?}"),
        }
    }

    fn granted(&mut self, ask: &Ask, hold: Hold) {
        assert!(hold.output_tokens_max >= least(ask) && hold.output_tokens_max <= ask.output.most());
        let amounts = ask.amounts(hold.output_tokens_max);
        assert_eq!(hold.amounts(), amounts);
        self.attempts.push(Attempt { subjects: ask.subjects.clone(), at: self.now, amounts, open: Some(hold) });
        for (budget, settled, held) in self.hard(&ask.subjects) {
            assert!(settled + held <= limit(budget.cap), "above a limit: {settled} and {held} of {budget:?}");
        }
    }

    /// Whoever is named has too little left for this, whatever comes back.
    fn refused(&self, ask: &Ask, shown: &BudgetRefusal) {
        let needed = ask.amounts(least(ask));
        let refuses = |(budget, settled, _): &(&Budget, i128, i128)| {
            let left = limit(budget.cap) - settled;
            let unit = if let Cap::Usd(_) = budget.cap { "usd" } else { "tokens" };
            let is_named = (budget.level(), budget.window, unit) == (shown.level, shown.window, shown.unit);
            is_named && (left <= 0 || in_unit(budget.cap, needed) > left)
        };
        assert!(self.hard(&ask.subjects).iter().any(refuses), "{shown:?} does not refuse {needed:?}");
    }

    /// It would fit if what is held of this account came back, and so it would everywhere.
    fn waits(&self, ask: &Ask, account: Subject) {
        let needed = ask.amounts(least(ask));
        let hard = self.hard(&ask.subjects);
        let fits = |budget: &Budget, left: i128| left > 0 && in_unit(budget.cap, needed) <= left;
        assert!(hard.iter().all(|(budget, settled, _)| fits(budget, limit(budget.cap) - settled)));
        let is_held_up = |(budget, settled, held): &(&Budget, i128, i128)| {
            budget.subject == account && !fits(budget, limit(budget.cap) - settled - held)
        };
        assert!(hard.iter().any(is_held_up), "{account:?} keeps nobody waiting");
    }

    /// Ends one of the open attempts: what it used is never more than it held.
    fn end(&mut self, is_sent: bool) {
        let open: Vec<_> =
            self.attempts.iter().enumerate().filter(|(_, attempt)| attempt.open.is_some()).map(|(i, _)| i).collect();
        if open.is_empty() {
            return;
        }
        let attempt = &mut self.attempts[self.dice.one_of(&open)];
        let Some(hold) = attempt.open.take() else { return };
        if !is_sent {
            attempt.amounts = Amounts::default();
            self.book.release(&hold);
            return;
        }
        let share = self.dice.below(101);
        let (input, output) = (hold.input_tokens_max, hold.output_tokens_max * share / 100);
        attempt.amounts = Amounts { money: price().bound(input, output), tokens: input + output };
        self.book.settle(&hold, attempt.amounts);
    }

    /// Killed and started again: what was open is settled at what it held.
    fn crash(&mut self) {
        for attempt in &mut self.attempts {
            attempt.open = None;
        }
        self.book = Book::default();
        for (subject, budgets) in &self.budgets {
            self.book.set_budgets(*subject, budgets.clone());
        }
    }

    fn step(&mut self) {
        match self.dice.below(24) {
            0..=10 => self.reserve(),
            11..=15 => self.end(true),
            16 => self.end(false),
            17..=20 => self.change_budgets(),
            21 => self.now = self.now.plus(Duration::from_secs(60 * (1 + self.dice.below(90)))),
            22 => self.now = self.now.plus(Duration::from_secs(3_600 * (1 + self.dice.below(500)))),
            _ if self.dice.below(4) == 0 => self.crash(),
            _ => {}
        }
    }

    /// Once all have ended, every account says what the list says, and nothing is held.
    fn assert_settled(&mut self) {
        while self.attempts.iter().any(|attempt| attempt.open.is_some()) {
            self.end(true);
        }
        let accounts: Vec<_> = self.book.accounts.keys().copied().collect();
        for subject in accounts {
            let is_capped = !self.book.budgets(&subject).is_empty();
            assert!(is_capped || !matches!(subject, Subject::EndUser(..)), "an account that nobody asks for: {subject:?}");
            let account = self.book.accounts.get_mut(&subject).expect("there");
            account.roll(self.now);
            if account.is_partial() {
                continue;
            }
            let tallies = WINDOWS.map(|window| *account.tally(window));
            for tally in tallies {
                assert_eq!((tally.settled, tally.held), (self.spent(subject, tally.span).0, Amounts::default()), "{subject:?}");
            }
        }
    }
}

#[test]
fn no_level_is_passed_whatever_happens() {
    for seed in 0..SEEDS {
        let seeded = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..STEPS {
                world.step();
            }
            world.assert_settled();
        });
        assert!(seeded.is_ok(), "seed {seed}");
    }
}

#[test]
fn end_users_without_a_budget_take_no_room() {
    let mut book = Book::default();
    let now = Timestamp::parse(START).expect("a time");
    let ask = |n: u64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let subjects = vec![Subject::EndUser(tenant(1), EndUserId::from_bytes(id))];
        Ask { tenant: tenant(1), subjects, input_tokens_max: 10, output: OutputAsk::Fixed(10), price: price() }
    };
    for n in 0..10_000 {
        let Verdict::Granted(hold) = book.reserve(&ask(n), now) else { panic!("nothing caps it") };
        assert_eq!(book.accounts.len(), 1);
        book.settle(&hold, hold.amounts());
    }
    assert!(book.accounts.is_empty());
}

/// An end user with 60 tokens under way and, since then, a budget of 100 a day; and what was asked for.
fn budgeted_meanwhile() -> (World, Ask, Hold) {
    let mut world = World::new(1);
    let subject = Subject::EndUser(tenant(1), EndUserId::from_bytes([1; 16]));
    let output = OutputAsk::Fixed(60);
    let ask = Ask { tenant: tenant(1), subjects: vec![subject], input_tokens_max: 0, output, price: price() };
    let Verdict::Granted(under_way) = world.book.reserve(&ask, world.now) else { panic!("nothing caps it") };
    let id = BudgetId::from_bytes([1; 16]);
    let (window, cap, mode) = (Window::Day, Cap::Tokens(100), BudgetMode::Hard);
    world
        .book
        .set_budgets(subject, vec![Budget { id, subject, window, cap, mode, alert_at: vec![], origin: BudgetOrigin::Own }]);
    (world, ask, under_way)
}

#[test]
fn what_is_under_way_for_an_end_user_counts_when_a_budget_comes() {
    let (mut world, ask, under_way) = budgeted_meanwhile();
    world.open(&ask.subjects);
    assert!(matches!(world.book.reserve(&ask, world.now), Verdict::Wait(_)));
    world.book.settle(&under_way, Amounts { tokens: 30, ..Amounts::default() });
    let view = &world.book.view(&ask.subjects[0], world.now)[0];
    assert_eq!((view.used.tokens, view.reserved.tokens), (30, 0));
    assert!(matches!(world.book.reserve(&ask, world.now), Verdict::Granted(_)));
}

#[test]
fn what_settles_while_an_end_users_past_is_read_is_not_missed() {
    let (mut world, ask, under_way) = budgeted_meanwhile();
    let (user, now) = (ask.subjects[0], world.now);
    assert!(world.book.begin_opening(user, now));
    world.book.settle(&under_way, under_way.amounts());
    let nothing = || crate::accounts::nothing_spent(now);
    assert!(!world.book.end_opening(user, nothing(), now, false), "it may have been read or not");
    assert!(world.book.end_opening(user, nothing(), now, true));
    assert_eq!(world.book.view(&user, now)[0].used.tokens, 60);
}
