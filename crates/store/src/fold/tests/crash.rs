//! Whatever the process is doing when it dies: each attempt gets one row, and it is the right one.

use std::collections::BTreeMap;

use insula_model::{AttemptOutcome, Random, SeededRandom};
use proptest::prelude::*;

use super::{Run, TestDisk, TestTarget, samples, start};
use crate::records::{Begin, End};

#[derive(Debug, Clone)]
enum Step {
    Begin,
    /// Ends one of the open attempts, with a trace of so many bytes.
    End(usize, Option<usize>),
    Release(usize),
    Sync,
    Flush,
    FoldTenant(u64),
}

#[derive(Debug, Clone)]
struct Life {
    steps: Vec<Step>,
    /// The ledger and the tenants' files die after so many writes.
    writes_left: Option<u32>,
    /// Power is lost rather than the process killed; what survives is drawn from this.
    power: Option<u64>,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Begin),
        8 => (any::<usize>(), proptest::option::weighted(0.9, 0..4_000usize)).prop_map(|(a, t)| Step::End(a, t)),
        1 => any::<usize>().prop_map(Step::Release),
        1 => Just(Step::Sync),
        1 => Just(Step::Flush),
        1 => (0..3u64).prop_map(Step::FoldTenant),
    ]
}

fn life() -> impl Strategy<Value = Life> {
    let writes = proptest::option::of(0..8u32);
    let power = proptest::option::of(any::<u64>());
    (proptest::collection::vec(step(), 0..150), writes, power).prop_map(|(steps, writes_left, power)| Life {
        steps,
        writes_left,
        power,
    })
}

/// What was told to the journal of one attempt, and with which record.
#[derive(Default)]
struct Told {
    begun: u64,
    ended: Option<(u64, End, bool)>,
    released: Option<u64>,
}

/// Everything that was told in all lives.
#[derive(Default)]
struct Story {
    attempts: BTreeMap<u64, Told>,
    open: Vec<u64>,
    next: u64,
}

impl Story {
    async fn live(&mut self, run: &Run, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Begin => {
                    if let Ok(seq) = run.journal.begin(&samples::begin(self.next)) {
                        self.attempts.insert(self.next, Told { begun: seq.get(), ..Told::default() });
                        self.open.push(self.next);
                    }
                    self.next += 1;
                }
                Step::End(which, trace) => self.end(run, *which, *trace),
                Step::Release(which) => {
                    if let Some((n, told)) = self.take_open(*which) {
                        told.released = Some(run.journal.release(samples::attempt(n)).get());
                    }
                }
                Step::Sync => run.journal.synced(run.journal.written()).await,
                // Both may fail: the target may have died.
                Step::Flush => drop(run.fold.flush().await),
                Step::FoldTenant(n) => drop(run.fold.fold_tenant(samples::tenant(*n)).await),
            }
        }
    }

    fn end(&mut self, run: &Run, which: usize, trace: Option<usize>) {
        let Some((n, told)) = self.take_open(which) else { return };
        let end = samples::end(n);
        let seq = run.journal.end(&end, trace.map(|content| samples::trace(n, content)).as_ref());
        told.ended = Some((seq.get(), end, trace.is_some()));
    }

    fn take_open(&mut self, which: usize) -> Option<(u64, &mut Told)> {
        if self.open.is_empty() {
            return None;
        }
        let n = self.open.swap_remove(which % self.open.len());
        Some((n, self.attempts.get_mut(&n)?))
    }

    /// The process died: records up to `promised` must have survived.
    fn die(&mut self, promised: u64) {
        self.open.clear();
        // What came later may or may not be there: nothing is asserted of it.
        self.attempts.retain(|_, told| told.begun <= promised);
    }

    fn check(&self, target: &TestTarget, promised: &BTreeMap<u64, u64>) {
        target.with(|state| {
            for (n, told) in &self.attempts {
                let kept = |seq: u64| promised.get(n).is_some_and(|promised| seq <= *promised);
                let row = state.rows.get(&samples::attempt(*n));
                match told {
                    Told { released: Some(seq), .. } if kept(*seq) => assert!(row.is_none(), "{n} was released"),
                    Told { ended: Some((seq, end, traced)), .. } if kept(*seq) => {
                        let row = row.unwrap_or_else(|| panic!("{n} ended and has no row"));
                        assert_eq!((&row.begin, &row.end), (&samples::begin(*n), end));
                        let trace = state.traces.get(&samples::request(*n));
                        if *traced {
                            assert_eq!(trace.map(|t| t.status), Some(200), "{n} has no trace");
                        } else if samples::begin(*n).idempotency.is_some() {
                            assert_eq!(trace.map(|t| t.status), Some(0), "{n}'s key could be executed again");
                        }
                    }
                    // Its end was not promised: it may have survived all the same.
                    Told { ended: Some(_), .. } | Told { released: Some(_), .. } => {}
                    Told { .. } => {
                        let row = row.unwrap_or_else(|| panic!("{n} is open and has no row"));
                        assert_lost(*n, &row.begin, &row.end);
                        assert_eq!(state.traces.get(&samples::request(*n)).map(|t| t.status), Some(0));
                    }
                }
            }
            assert!(state.carried.is_empty(), "nothing is open any more");
        });
    }
}

fn assert_lost(n: u64, begin: &Begin, end: &End) {
    assert_eq!(*begin, samples::begin(n));
    assert_eq!((end.outcome, end.cost, end.estimated), (AttemptOutcome::Lost, begin.reserved, true));
    assert_eq!((end.tokens.input, end.tokens.output), (begin.input_tokens_max, begin.output_tokens_max));
}

async fn live_and_die(lives: Vec<Life>) {
    let (mut disk, mut target) = (TestDisk::new(), TestTarget::default());
    let mut story = Story::default();
    // Up to which record each attempt's life kept what it was told.
    let mut promised = BTreeMap::new();
    for (number, life) in lives.into_iter().enumerate() {
        // A start may be cut short too.
        target.with(|t| t.writes_left = life.writes_left);
        let run = start(&disk, &target, number as u64).await;
        let Ok(run) = run else {
            (target, disk) = (target.after_kill(), disk.after_kill());
            continue;
        };
        let first = story.next;
        story.live(&run, &life.steps).await;
        let written = run.journal.written().get();
        let synced = run.journal.synced_seq();
        let kept = if life.power.is_some() { synced } else { written };
        promised.extend((first..story.next).map(|n| (n, kept)));
        target = target.after_kill();
        disk = match life.power {
            Some(seed) => disk.after_power_loss(coin(seed)),
            None => disk.after_kill(),
        };
        story.die(kept);
    }
    // Twice: what a start did must not be done again by the next.
    for number in 1_000..1_002 {
        let run = start(&disk, &target, number).await.unwrap();
        run.fold.flush().await.unwrap();
        story.check(&target, &promised);
        let rows = target.with(|t| t.rows.len());
        run.fold.stop().await.unwrap();
        assert_eq!(target.with(|t| t.rows.len()), rows);
    }
}

/// Draws which pages survive.
fn coin(seed: u64) -> impl FnMut(usize) -> bool {
    let random = SeededRandom::new(seed);
    move |_| {
        let mut byte = [0u8];
        random.fill(&mut byte);
        byte[0] & 1 == 1
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_attempt_has_one_row(lives in proptest::collection::vec(life(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(live_and_die(lives));
    }
}

/// The ledger has the rows and the process dies before the traces are written: they come with the next start, once.
#[tokio::test]
async fn traces_behind_the_ledger_are_read_again() {
    let (disk, target) = (TestDisk::new(), TestTarget::default());
    let run = start(&disk, &target, 1).await.unwrap();
    for n in 0..30 {
        run.journal.begin(&samples::begin(n)).unwrap();
        run.journal.end(&samples::end(n), Some(&samples::trace(n, 50)));
    }
    run.fold.fold_tenant(samples::tenant(0)).await.unwrap();
    while target.with(|t| t.rows.len()) < 30 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(target.with(|t| t.traces.len()), 10);
    assert!(target.with(|t| t.position.traces_seq < t.position.seq));

    let (target, disk) = (target.after_kill(), disk.after_kill());
    let run = start(&disk, &target, 2).await.unwrap();
    run.fold.flush().await.unwrap();
    target.with(|t| {
        assert_eq!((t.traces.len(), t.rows.len()), (30, 30));
        assert!(t.traces.values().all(|trace| trace.status == 200));
    });
}

/// The disk is full and stays full: what was open is settled all the same, and so it is when that start dies too.
#[tokio::test]
async fn a_start_on_a_full_disk_settles_what_was_open() {
    let (mut disk, mut target) = (TestDisk::new(), TestTarget::default());
    let run = start(&disk, &target, 1).await.unwrap();
    while disk.creates() < 2 {
        tokio::task::yield_now().await;
    }
    disk.fill_up_to(0);
    let mut open = 0;
    while run.journal.begin(&samples::begin(open)).is_ok() {
        open += 1;
    }
    assert!(open > 15, "{open}");
    for number in 2..6 {
        (target, disk) = (target.after_kill(), disk.after_kill());
        // The first starts die while they fold what they settled.
        target.with(|t| t.writes_left = (number < 5).then_some(0));
        let started = start(&disk, &target, number).await;
        assert_eq!(started.is_ok(), number == 5);
        if let Ok(run) = started {
            run.fold.flush().await.unwrap();
        }
    }
    target.with(|t| {
        assert_eq!((t.rows.len() as u64, t.traces.len() as u64), (open, open));
        assert!(t.rows.values().all(|row| row.end.outcome == AttemptOutcome::Lost));
    });
}
