//! Laws of the book: never above a hard limit, nothing left behind.

use insula_model::{BudgetId, Cap, IdGenerator, ManualClock, Price, SeededRandom, Window};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

use super::*;
use crate::accounts::{OutputAsk, nothing_spent};

const START: i64 = 1_790_000_000_000_000;

impl Book {
    fn held(&mut self, subject: &Subject, now: Timestamp) -> Amounts {
        let Some(account) = self.accounts.get_mut(subject) else { return Amounts::default() };
        account.roll(now);
        account.tally(Window::Month).held
    }
}

fn tenant() -> TenantId {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(START)));
    IdGenerator::new(clock, Arc::new(SeededRandom::new(7))).tenant()
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

fn book(caps: &[(Subject, Window, Cap)]) -> Book {
    let mut book = Book::default();
    let mut subjects: HashMap<Subject, Vec<Budget>> = HashMap::new();
    for (i, (subject, window, cap)) in caps.iter().enumerate() {
        let id = BudgetId::from_bytes([i as u8; 16]);
        let budget = Budget {
            id,
            subject: *subject,
            window: *window,
            cap: *cap,
            mode: BudgetMode::Hard,
            alert_at: vec![],
            origin: Default::default(),
        };
        subjects.entry(*subject).or_default().push(budget);
    }
    for (subject, budgets) in subjects {
        book.set_budgets(subject, budgets);
    }
    for subject in [Subject::Platform, Subject::Tenant(tenant())] {
        book.insert_if_missing(subject, nothing_spent(Timestamp::from_micros(START)));
    }
    book
}

fn ask(input: u64, output: OutputAsk) -> Ask {
    let subjects = vec![Subject::Platform, Subject::Tenant(tenant())];
    Ask { tenant: tenant(), subjects, input_tokens_max: input, output, price: price() }
}

fn usd(pico: i128) -> Cap {
    Cap::Usd(Money::from_pico(pico))
}

#[test]
fn a_budget_of_nothing_refuses_even_a_free_call() {
    let mut book = book(&[(Subject::Tenant(tenant()), Window::Month, usd(0))]);
    assert!(matches!(book.reserve(&ask(0, OutputAsk::Fixed(0)), Timestamp::from_micros(START)), Verdict::Refused(_)));
}

#[test]
fn waits_only_for_what_others_hold() {
    // Covers 1,000 output tokens and no more.
    let mut book = book(&[(Subject::Tenant(tenant()), Window::Day, usd(2_000_000_000))]);
    let now = Timestamp::from_micros(START);
    let Verdict::Granted(first) = book.reserve(&ask(0, OutputAsk::Fixed(900)), now) else { panic!("the first fits") };
    assert!(matches!(book.reserve(&ask(0, OutputAsk::Fixed(200)), now), Verdict::Wait(_)));
    assert!(matches!(book.reserve(&ask(0, OutputAsk::Fixed(1_001)), now), Verdict::Refused(_)));
    book.settle(&first, Amounts { money: Money::from_pico(200_000_000), tokens: 100 });
    assert!(matches!(book.reserve(&ask(0, OutputAsk::Fixed(200)), now), Verdict::Granted(_)));
}

#[test]
fn an_open_call_leaves_room_for_others_but_never_drops_below_the_floor() {
    let mut book = book(&[(Subject::Tenant(tenant()), Window::Month, Cap::Tokens(8_000))]);
    let now = Timestamp::from_micros(START);
    let open = OutputAsk::Open { floor: 256, most: 4_096, choices: 1 };
    let mut granted = Vec::new();
    while let Verdict::Granted(hold) = book.reserve(&ask(0, open), now) {
        granted.push(hold.output_tokens_max);
    }
    assert_eq!(granted[0], 1_000);
    assert!(granted.iter().all(|tokens| *tokens >= 256) && granted.len() > 12, "{granted:?}");
}

#[test]
fn a_hold_settles_into_the_window_it_was_reserved_in() {
    let mut book = book(&[(Subject::Tenant(tenant()), Window::Hour, Cap::Tokens(1_000))]);
    let now = Timestamp::from_micros(START);
    let Verdict::Granted(hold) = book.reserve(&ask(0, OutputAsk::Fixed(1_000)), now) else { panic!("fits") };
    let later = Window::Hour.span(now).end;
    assert!(matches!(book.reserve(&ask(0, OutputAsk::Fixed(1_000)), later), Verdict::Granted(_)));
    book.settle(&hold, Amounts { money: Money::ZERO, tokens: 1_000 });
    let view = book.view(&Subject::Tenant(tenant()), later);
    assert_eq!((view[0].used.tokens, view[0].reserved.tokens), (0, 1_000));
}

#[derive(Debug, Clone)]
enum Step {
    Reserve { input: u64, output: OutputAsk },
    Settle { which: usize, share: u64 },
    Release { which: usize },
    Pass { minutes: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let fixed = (0u64..3_000).prop_map(OutputAsk::Fixed);
    let open = (1u64..4, 1u64..5_000).prop_map(|(choices, most)| OutputAsk::Open { floor: 256, most, choices });
    prop_oneof![
        4 => (0u64..2_000, prop_oneof![fixed, open]).prop_map(|(input, output)| Step::Reserve { input, output }),
        3 => (any::<usize>(), 0u64..=100).prop_map(|(which, share)| Step::Settle { which, share }),
        1 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => (1u64..90).prop_map(|minutes| Step::Pass { minutes }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn never_above_a_hard_limit_and_nothing_left_behind(
        steps in proptest::collection::vec(step(), 1..120),
        money in 0i128..20_000_000_000,
        tokens in 0u64..20_000,
    ) {
        let caps = [
            (Subject::Platform, Window::Day, usd(money)),
            (Subject::Tenant(tenant()), Window::Hour, Cap::Tokens(tokens)),
            (Subject::Tenant(tenant()), Window::Month, usd(money * 2)),
        ];
        let mut book = book(&caps);
        let clock = ManualClock::at(Timestamp::from_micros(START));
        let mut open: Vec<Hold> = Vec::new();
        use insula_model::Clock as _;
        for step in steps {
            match step {
                Step::Reserve { input, output } => {
                    if let Verdict::Granted(hold) = book.reserve(&ask(input, output), clock.now()) {
                        open.push(hold);
                    }
                }
                Step::Settle { which, share } if !open.is_empty() => {
                    let hold = open.swap_remove(which % open.len());
                    let output = hold.output_tokens_max * share / 100;
                    let used = Amounts { money: price().bound(hold.input_tokens_max, output), tokens: hold.input_tokens_max + output };
                    book.settle(&hold, used);
                }
                Step::Release { which } if !open.is_empty() => {
                    let hold = open.swap_remove(which % open.len());
                    book.release(&hold);
                }
                Step::Pass { minutes } => clock.advance(Duration::from_secs(60 * minutes)),
                _ => {}
            }
            for subject in [Subject::Platform, Subject::Tenant(tenant())] {
                for view in book.view(&subject, clock.now()) {
                    match view.budget.cap {
                        Cap::Usd(limit) => prop_assert!(view.used.money + view.reserved.money <= limit),
                        Cap::Tokens(limit) => prop_assert!(view.used.tokens + view.reserved.tokens <= limit),
                    }
                }
            }
        }
        for hold in open {
            book.release(&hold);
        }
        for subject in [Subject::Platform, Subject::Tenant(tenant())] {
            prop_assert_eq!(book.held(&subject, clock.now()), Amounts::default());
        }
    }
}
