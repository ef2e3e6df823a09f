//! Windows in memory, shared by the nodes of a test as storage would share them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use insula_model::{Budget, BudgetMode, Error, ErrorKind, Money, Result, Subject, Timestamp};
use insula_store::{LeaseMove, Recall, WindowKey, WindowState};
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use super::{
    broker::{Answer, Broker, Decide},
    leases::unit,
};

/// What all nodes see.
#[derive(Default)]
pub(super) struct Tables {
    budgets: Vec<Budget>,
    windows: HashMap<WindowKey, WindowState>,
    /// By node and window.
    leases: HashMap<(usize, WindowKey), i64>,
    epochs: HashMap<usize, u64>,
}

impl Tables {
    pub fn set_budgets(&mut self, budgets: Vec<Budget>) {
        for (window, state) in &mut self.windows {
            let new = budgets.iter().find(|budget| budget.subject == window.subject && budget.window == window.window);
            state.cap = new.map_or(state.cap, cap);
        }
        self.budgets = budgets;
    }

    fn capped(&self, window: &WindowKey) -> Option<i64> {
        let mut of_window = self
            .budgets
            .iter()
            .filter(|budget| (budget.subject, budget.window, unit(budget.cap)) == (window.subject, window.window, window.unit));
        of_window.find(|budget| budget.mode == BudgetMode::Hard).map(cap)
    }

    /// An attempt of a node ended: what storage does with its END.
    pub fn end(&mut self, node: usize, epoch: u64, moves: &[LeaseMove], used: &[(WindowKey, i64)]) {
        // Whoever was swept is settled already.
        if self.epochs.get(&node) != Some(&epoch) {
            return;
        }
        for (window, used) in used {
            if let Some(state) = self.windows.get_mut(window) {
                state.settled += used;
            }
        }
        for moved in moves {
            self.take_back(node, moved.key, moved.consumed + moved.returned);
        }
        self.check();
    }

    /// A node is dead: its open attempts are settled at what they held, and everything else goes back.
    pub fn sweep(&mut self, node: usize, held: &[(WindowKey, i64)]) {
        *self.epochs.entry(node).or_default() += 1;
        for (window, held) in held {
            if let Some(state) = self.windows.get_mut(window) {
                state.settled += held;
            }
        }
        let leased: Vec<_> = self.leases.iter().filter(|((of, _), _)| *of == node).map(|((_, key), n)| (*key, *n)).collect();
        for (window, amount) in leased {
            self.take_back(node, window, amount);
        }
        self.check();
    }

    fn take_back(&mut self, node: usize, window: WindowKey, amount: i64) {
        let own = self.leases.entry((node, window)).or_default();
        *own -= amount;
        assert!(*own >= 0, "a node gave back more than it leases");
        if let Some(state) = self.windows.get_mut(&window) {
            state.leased -= amount;
        }
    }

    /// What must always hold.
    pub fn check(&self) {
        for (window, state) in &self.windows {
            assert!(state.leased >= 0);
            assert!(state.settled + state.leased <= state.cap, "overspent: {window:?} {state:?}");
            let shares: i64 = self.leases.iter().filter(|((_, of), _)| of == window).map(|(_, amount)| amount).sum();
            assert_eq!(shares, state.leased, "the shares are not the whole of {window:?}");
        }
    }

    pub fn state(&self, window: &WindowKey) -> Option<WindowState> {
        self.windows.get(window).copied()
    }

    pub fn leased(&self) -> i64 {
        self.windows.values().map(|state| state.leased).sum()
    }
}

fn cap(budget: &Budget) -> i64 {
    match budget.cap {
        insula_model::Cap::Usd(limit) => limit.storable().unwrap(),
        insula_model::Cap::Tokens(limit) => i64::try_from(limit).unwrap(),
    }
}

/// The nodes' common memory.
#[derive(Clone)]
pub(super) struct Memory {
    pub tables: Arc<Mutex<Tables>>,
    recalls: broadcast::Sender<(usize, Vec<WindowKey>)>,
    nodes: u32,
}

impl Memory {
    pub fn of(nodes: u32) -> Self {
        let memory = Self { tables: Arc::default(), recalls: broadcast::Sender::new(1_024), nodes };
        memory.tables.lock().epochs = (0..nodes as usize).map(|node| (node, 1)).collect();
        memory
    }

    pub fn broker(&self, node: usize) -> Arc<MemoryBroker> {
        let recalls = tokio::sync::Mutex::new(self.recalls.subscribe());
        Arc::new(MemoryBroker {
            memory: self.clone(),
            node,
            epochs: watch::Sender::new(1),
            recalls,
            is_away: AtomicBool::new(false),
            loses_answers: AtomicBool::new(false),
            rounds: AtomicU32::new(0),
        })
    }
}

/// One node's access to the memory.
pub(super) struct MemoryBroker {
    memory: Memory,
    node: usize,
    pub epochs: watch::Sender<u64>,
    recalls: tokio::sync::Mutex<broadcast::Receiver<(usize, Vec<WindowKey>)>>,
    /// Nothing is answered.
    pub is_away: AtomicBool,
    /// Commits are refused after everything was decided.
    pub loses_answers: AtomicBool,
    pub rounds: AtomicU32,
}

fn away() -> Error {
    Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(1) }, "away")
}

impl MemoryBroker {
    pub fn negotiate_now(&self, epoch: u64, windows: &[WindowKey], decide: Decide<'_>) -> Result<()> {
        self.rounds.fetch_add(1, SeqCst);
        let mut tables = self.memory.tables.lock();
        if self.is_away.load(SeqCst) || tables.epochs.get(&self.node) != Some(&epoch) {
            return Err(away());
        }
        let state = |tables: &mut Tables, window: &WindowKey| {
            let cap = tables.capped(window)?;
            Some(*tables.windows.entry(*window).or_insert(WindowState { cap, settled: 0, leased: 0 }))
        };
        let states: Vec<_> = windows.iter().map(|window| state(&mut tables, window)).collect();
        let more = decide(&states);
        if self.loses_answers.load(SeqCst) {
            return Err(away());
        }
        for (window, more) in windows.iter().zip(more) {
            assert!(more >= 0);
            if let Some(state) = tables.windows.get_mut(window) {
                state.leased += more;
            }
            *tables.leases.entry((self.node, *window)).or_default() += more;
        }
        tables.check();
        Ok(())
    }

    pub fn give_back_now(&self, epoch: u64, returned: &[(WindowKey, i64)]) {
        let mut tables = self.memory.tables.lock();
        if tables.epochs.get(&self.node) == Some(&epoch) {
            returned.iter().for_each(|(window, amount)| tables.take_back(self.node, *window, *amount));
            tables.check();
        }
    }
}

impl Broker for MemoryBroker {
    fn epoch(&self) -> u64 {
        *self.epochs.borrow()
    }

    fn epochs(&self) -> watch::Receiver<u64> {
        self.epochs.subscribe()
    }

    fn nodes(&self) -> u32 {
        self.memory.nodes
    }

    fn may_spend(&self) -> Result<()> {
        Ok(())
    }

    fn negotiate<'a>(&'a self, epoch: u64, windows: &'a [WindowKey], decide: Decide<'a>) -> Answer<'a, Result<()>> {
        Box::pin(async move {
            // As long as a commit takes.
            tokio::time::sleep(Duration::from_millis(2)).await;
            let asked = self.negotiate_now(epoch, windows, decide);
            tokio::time::sleep(Duration::from_millis(1)).await;
            asked
        })
    }

    fn give_back<'a>(&'a self, epoch: u64, returned: &'a [(WindowKey, i64)]) -> Answer<'a, Result<()>> {
        Box::pin(async move {
            self.give_back_now(epoch, returned);
            Ok(())
        })
    }

    fn recall<'a>(&'a self, windows: &'a [WindowKey]) -> Answer<'a, Result<()>> {
        Box::pin(async move {
            let _ = self.memory.recalls.send((self.node, windows.to_vec()));
            Ok(())
        })
    }

    fn reserved<'a>(&'a self, _: &'a Subject, _: Timestamp) -> Answer<'a, Result<(Money, u64)>> {
        Box::pin(async { Ok((Money::ZERO, 0)) })
    }

    fn recalled(&self) -> Answer<'_, Recall> {
        Box::pin(async {
            loop {
                match self.recalls.lock().await.recv().await {
                    Ok((node, _)) if node == self.node => {}
                    Ok((_, windows)) => return Recall::These(windows),
                    Err(_) => return Recall::All,
                }
            }
        })
    }
}
