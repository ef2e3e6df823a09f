//! A round of negotiation: those who wait get their verdicts under the locks of their windows, and hear them once what was
//! decided is committed.

use std::{
    collections::BTreeSet,
    sync::atomic::Ordering::{Relaxed, SeqCst},
};

use insula_model::{Error, TenantId, Timestamp};
use insula_store::{WindowKey, WindowState};
use tokio::time::Instant;

use super::{leases::Demand, worker::Shared};
use crate::accounts::{Accounts, State, law::Verdict, queue::Waiter};

/// Windows of one round. Further lines come with the next.
const WINDOWS_MAX: usize = 256;

/// A round under way.
#[derive(Default)]
struct Round {
    epoch: u64,
    now: Timestamp,
    tenants: Vec<TenantId>,
    /// In their order.
    windows: Vec<WindowKey>,
    demand: Demand,
    more: Vec<i64>,
    verdicts: Vec<(Waiter, Verdict)>,
}

impl Accounts {
    /// One round, if anybody waits.
    pub(super) async fn negotiate(&self, shared: &Shared) {
        let Some(mut round) = self.gather(shared.broker.epoch()) else { return };
        let (epoch, windows, nodes) = (round.epoch, round.windows.clone(), shared.broker.nodes());
        let asked = if windows.is_empty() {
            self.weigh(&mut round, &[], nodes);
            Ok(())
        } else {
            let decide = Box::new(|states: &[Option<WindowState>]| self.weigh(&mut round, states, nodes));
            shared.broker.negotiate(epoch, &windows, decide).await
        };
        match asked {
            Ok(()) => self.tell(shared, round).await,
            Err(error) => self.undo(shared, round, &error),
        }
    }

    /// Those who wait, least recently weighed first, and the windows that decide about them.
    fn gather(&self, epoch: u64) -> Option<Round> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let State { book, turns, .. } = &mut *state;
        book.leases()?.reset(epoch);
        if turns.is_empty() {
            return None;
        }
        let (mut tenants, mut windows) = (Vec::new(), BTreeSet::new());
        for tenant in turns.by_turn() {
            if windows.len() >= WINDOWS_MAX {
                break;
            }
            windows.extend(turns.asks(tenant).flat_map(|ask| book.windows(ask, now)));
            tenants.push(tenant);
        }
        Some(Round { epoch, now, tenants, windows: windows.into_iter().collect(), ..Round::default() })
    }

    /// The law over the line, with all that is left of the windows in view. Says how much more to lease of each.
    fn weigh(&self, round: &mut Round, states: &[Option<WindowState>], nodes: u32) -> Vec<i64> {
        let mut state = self.state.lock();
        let State { book, turns, .. } = &mut *state;
        let Some(leases) = book.leases().filter(|leases| leases.epoch() == round.epoch) else { return Vec::new() };
        leases.see(&round.windows, states);
        let Round { tenants, windows, demand, verdicts, more, now, .. } = round;
        for tenant in tenants {
            let weighed = turns.weigh(*tenant, Instant::now(), self.waiters_max, |ask| {
                // Whoever came meanwhile and needs another window has its turn in the next round.
                let is_in_view = book.windows(ask, *now).all(|window| windows.binary_search(&window).is_ok());
                is_in_view.then(|| {
                    book.windows(ask, *now).for_each(|window| demand.asked(window, ask.amounts(ask.output.most())));
                    book.reserve(ask, *now)
                })
            });
            verdicts.extend(weighed);
        }
        *more = book.leases().map(|leases| leases.more(windows, demand, nodes)).unwrap_or_default();
        more.clone()
    }

    /// What was decided holds: everybody hears it.
    async fn tell(&self, shared: &Shared, round: Round) {
        shared.failures.store(0, Relaxed);
        let to_recall = {
            let mut state = self.state.lock();
            let State { book, turns, .. } = &mut *state;
            let Some(leases) = book.leases() else { return };
            if leases.epoch() != round.epoch {
                // What was leased is gone already; the next round decides anew.
                turns.rejoin(round.verdicts.into_iter().map(|(waiter, _)| waiter));
                shared.wake();
                return;
            }
            leases.leased(&round.windows, &round.more);
            let to_recall = leases.take_recallable(&round.demand, self.clock.elapsed());
            for (waiter, verdict) in round.verdicts {
                // Whoever left meanwhile gives back what it would have got.
                if let Err(Verdict::Granted(hold)) = waiter.tell.send(verdict) {
                    book.release(&hold);
                }
            }
            to_recall
        };
        if let Err(error) = shared.broker.recall(&to_recall).await {
            tracing::debug!(%error, "other nodes could not be asked to give back; they are asked again");
        }
    }

    /// Nothing of it holds. Once, everybody waits for the next round; then they learn that there is none.
    fn undo(&self, shared: &Shared, round: Round, error: &Error) {
        let is_first = shared.failures.fetch_add(1, Relaxed) == 0;
        let cause = error.private_source().map(ToString::to_string);
        tracing::warn!(%error, cause, is_first, "budgets that are shared could not be negotiated");
        let mut state = self.state.lock();
        let State { book, turns, .. } = &mut *state;
        for verdict in round.verdicts.iter().map(|(_, verdict)| verdict) {
            if let Verdict::Granted(hold) = verdict {
                book.release(hold);
            }
        }
        turns.rejoin(round.verdicts.into_iter().map(|(waiter, _)| waiter));
        if is_first && !shared.closing.load(SeqCst) {
            shared.wake();
            return;
        }
        for tenant in round.tenants {
            turns.send_away(tenant, || Verdict::Failed(Error::new(error.kind().clone(), error.message())));
        }
    }
}
