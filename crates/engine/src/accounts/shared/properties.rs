//! Laws over several books and one memory, step by step: whatever happens in whatever order, nothing is overspent, and in the
//! end all that was leased is back.

use insula_model::{Budget, BudgetId, BudgetMode, Cap, EndUserId, KeyId, Money, Price, Subject, TenantId, Timestamp, Window};
use insula_store::{Unit, WindowKey, WindowState};
use proptest::prelude::*;

use super::{
    leases::Demand,
    memory::{Memory, MemoryBroker},
};
use crate::accounts::{Amounts, Ask, Hold, OutputAsk, book::Book, law::Verdict};

const NODES: usize = 3;
const START: i64 = 1_790_000_000_000_000;

#[derive(Debug, Clone)]
enum Step {
    Reserve {
        node: usize,
        input: u64,
        output: OutputAsk,
        loses_answer: bool,
    },
    /// The END is written; the book hears of it later.
    End {
        which: usize,
        share: u64,
    },
    /// The book hears of ENDs.
    Settle,
    Release {
        which: usize,
    },
    Recall {
        node: usize,
    },
    GiveBack {
        node: usize,
    },
    Crash {
        node: usize,
    },
    Pass {
        minutes: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let fixed = (0u64..3_000).prop_map(OutputAsk::Fixed);
    let open = (1u64..4, 1u64..5_000).prop_map(|(choices, most)| OutputAsk::Open { floor: 256, most, choices });
    let reserve = (0..NODES, 0u64..2_000, prop_oneof![fixed, open], 0..10u8);
    prop_oneof![
        8 => reserve.prop_map(|(node, input, output, lost)| Step::Reserve { node, input, output, loses_answer: lost == 0 }),
        5 => (any::<usize>(), 0u64..=100).prop_map(|(which, share)| Step::End { which, share }),
        3 => Just(Step::Settle),
        1 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => (0..NODES).prop_map(|node| Step::Recall { node }),
        2 => (0..NODES).prop_map(|node| Step::GiveBack { node }),
        1 => (0..NODES).prop_map(|node| Step::Crash { node }),
        1 => (1u64..90).prop_map(|minutes| Step::Pass { minutes }),
    ]
}

struct Node {
    book: Book,
    broker: std::sync::Arc<MemoryBroker>,
}

struct World {
    memory: Memory,
    nodes: Vec<Node>,
    now: Timestamp,
    open: Vec<(usize, Hold)>,
    /// Ended in storage, not yet in the book.
    ended: Vec<(usize, Hold, Amounts)>,
}

fn tenant() -> TenantId {
    TenantId::from_bytes([1; 16])
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

/// One of every level.
fn subjects() -> [Subject; 4] {
    let (key, user) = (KeyId::from_bytes([2; 16]), EndUserId::from_bytes([3; 16]));
    [Subject::Platform, Subject::Tenant(tenant()), Subject::Key(tenant(), key), Subject::EndUser(tenant(), user)]
}

impl World {
    fn new(money: i128, tokens: u64) -> Self {
        let [platform, tenant, key, user] = subjects();
        let caps = [
            (platform, Window::Day, Cap::Usd(Money::from_pico(money))),
            (tenant, Window::Hour, Cap::Tokens(tokens)),
            (tenant, Window::Month, Cap::Usd(Money::from_pico(money * 2))),
            (key, Window::Day, Cap::Tokens(tokens)),
            (user, Window::Hour, Cap::Usd(Money::from_pico(money / 2))),
        ];
        let budgets = caps.map(|(subject, window, cap)| Budget {
            id: BudgetId::from_bytes([1; 16]),
            subject,
            window,
            cap,
            mode: BudgetMode::Hard,
            alert_at: vec![],
            origin: Default::default(),
        });
        let memory = Memory::of(NODES as u32);
        memory.tables.lock().set_budgets(budgets.to_vec());
        let node = |node| {
            let mut book = Book::among_others(1);
            for subject in subjects() {
                book.set_budgets(subject, budgets.iter().filter(|budget| budget.subject == subject).cloned().collect());
            }
            Node { book, broker: memory.broker(node) }
        };
        let nodes = (0..NODES).map(node).collect();
        Self { memory, nodes, now: Timestamp::from_micros(START), open: Vec::new(), ended: Vec::new() }
    }

    /// At once from the lease, or by a round of its own. What is granted and committed is open.
    fn reserve(&mut self, at: usize, ask: &Ask, loses_answer: bool) {
        let Node { book, broker } = &mut self.nodes[at];
        if let Some(hold) = book.reserve_leased(ask, self.now) {
            self.open.push((at, hold));
            return;
        }
        let mut windows: Vec<_> = book.windows(ask, self.now).collect();
        windows.sort_unstable();
        let (mut verdict, mut more, mut demand) = (None, Vec::new(), Demand::default());
        broker.loses_answers.store(loses_answer, std::sync::atomic::Ordering::SeqCst);
        let decide = |states: &[Option<WindowState>]| {
            if let Some(leases) = book.leases() {
                leases.see(&windows, states);
            }
            windows.iter().for_each(|window| demand.asked(*window, ask.amounts(ask.output.most())));
            verdict = Some(book.reserve(ask, self.now));
            more = book.leases().map(|leases| leases.more(&windows, &demand, NODES as u32)).unwrap_or_default();
            more.clone()
        };
        let epoch = *broker.epochs.borrow();
        let asked = broker.negotiate_now(epoch, &windows, Box::new(decide));
        match (asked, verdict) {
            (Ok(()), Some(verdict)) => {
                if let Some(leases) = book.leases() {
                    leases.leased(&windows, &more);
                }
                if let Verdict::Granted(hold) = verdict {
                    self.open.push((at, hold));
                }
            }
            (Err(_), Some(Verdict::Granted(hold))) => book.release(&hold),
            _ => {}
        }
    }

    fn end(&mut self, which: usize, share: u64) {
        let (at, hold) = self.open.swap_remove(which);
        let output = hold.output_tokens_max * share / 100;
        let used = Amounts { money: price().bound(hold.input_tokens_max, output), tokens: hold.input_tokens_max + output };
        let moves = self.nodes[at].book.leases().map(|leases| leases.moves(&hold, used, self.now)).unwrap_or_default();
        let of = |(window, _): &(WindowKey, i64)| match window.unit {
            Unit::Usd => (*window, used.money.storable().unwrap()),
            Unit::Tokens => (*window, i64::try_from(used.tokens).unwrap()),
        };
        let used_of: Vec<_> = hold.leased.iter().map(of).collect();
        self.memory.tables.lock().end(at, hold.epoch, &moves, &used_of);
        self.ended.push((at, hold, used));
    }

    fn settle(&mut self) {
        for (at, hold, used) in std::mem::take(&mut self.ended) {
            self.nodes[at].book.settle(&hold, used);
        }
    }

    fn give_back(&mut self, at: usize, all: bool) {
        let Node { book, broker } = &mut self.nodes[at];
        let Some(leases) = book.leases() else { return };
        leases.note_ended(self.now);
        let returned = if all { leases.take_all(self.now) } else { leases.take_loose(self.now) };
        broker.give_back_now(leases.epoch(), &returned);
    }

    /// Killed, swept and back; or fenced and back, which is the same to all others.
    fn crash(&mut self, at: usize) {
        let (gone, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open).into_iter().partition(|(node, _)| *node == at);
        self.open = left;
        let held: Vec<_> = gone.into_iter().flat_map(|(_, hold)| hold.leased).collect();
        self.memory.tables.lock().sweep(at, &held);
        let Node { book, broker } = &mut self.nodes[at];
        broker.epochs.send_modify(|epoch| *epoch += 1);
        let epoch = *broker.epochs.borrow();
        if let Some(leases) = book.leases() {
            leases.reset(epoch);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nodes_together_never_overspend_and_leave_nothing_leased(
        steps in proptest::collection::vec(step(), 1..150),
        money in 0i128..60_000_000_000,
        tokens in 0u64..60_000,
    ) {
        let mut world = World::new(money, tokens);
        for step in steps {
            match step {
                Step::Reserve { node, input, output, loses_answer } => {
                    let ask = Ask { tenant: tenant(), subjects: subjects().to_vec(), input_tokens_max: input, output, price: price() };
                    world.reserve(node, &ask, loses_answer);
                }
                Step::End { which, share } if !world.open.is_empty() => world.end(which % world.open.len(), share),
                Step::Settle => world.settle(),
                Step::Release { which } if !world.open.is_empty() => {
                    let which = which % world.open.len();
                    let (at, hold) = world.open.swap_remove(which);
                    world.nodes[at].book.release(&hold);
                }
                Step::Recall { node } => {
                    if let Some(leases) = world.nodes[node].book.leases() {
                        leases.all_recalled();
                    }
                }
                Step::GiveBack { node } => world.give_back(node, false),
                Step::Crash { node } => world.crash(node),
                Step::Pass { minutes } => world.now = world.now.plus(std::time::Duration::from_secs(60 * minutes)),
                _ => {}
            }
            world.memory.tables.lock().check();
        }
        while !world.open.is_empty() {
            world.end(0, 50);
        }
        world.settle();
        (0..NODES).for_each(|node| world.give_back(node, true));
        prop_assert_eq!(world.memory.tables.lock().leased(), 0);
    }

    /// Near the end of a budget several nodes decide as one that is alone would.
    #[test]
    fn a_tight_window_is_decided_as_if_there_were_one_node(
        asks in proptest::collection::vec((0..NODES, 0u64..200, 0u64..1_000, any::<bool>()), 1..40),
        tokens in 0u64..6_000,
    ) {
        let mut world = World::new(1_000_000_000_000, tokens);
        let mut alone = Book::default();
        for subject in subjects() {
            alone.set_budgets(subject, world.nodes[0].book.budgets(&subject).to_vec());
            alone.insert_if_missing(subject, crate::accounts::nothing_spent(world.now));
        }
        for (node, input, most, is_open) in asks {
            // So large that no node gets a slice of the tokens.
            let most = most + 300;
            let output = if is_open { OutputAsk::Open { floor: 256, most, choices: 1 } } else { OutputAsk::Fixed(most) };
            let ask = Ask { tenant: tenant(), subjects: subjects().to_vec(), input_tokens_max: input, output, price: price() };
            let before = world.open.len();
            world.reserve(node, &ask, false);
            let together = (world.open.len() > before).then(|| world.open[before].1.output_tokens_max);
            let on_one = match alone.reserve(&ask, world.now) {
                Verdict::Granted(hold) => Some(hold.output_tokens_max),
                _ => None,
            };
            prop_assert_eq!(together, on_one);
        }
    }
}
