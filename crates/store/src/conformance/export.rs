//! The ledger row by row: everybody who passes on the cursor reads each row exactly once.

use std::time::{Duration, Instant};

use insula_model::{
    AttemptId, AttemptOutcome, Clock, CredentialOwner, EndUserId, ErrorKind, Money, Overhead, TenantScope, Timestamp,
    TokenCounts,
};
use proptest::prelude::*;

use super::{
    differences::EMBEDDED_CASES,
    samples::{isolation, row, settle},
    world::{Engine, World, usd},
};
use crate::{
    Attribution, End, GroupBy, LedgerCursor, LedgerEntry, LedgerRow, OverheadDifference, TokenDifferences, UsageQuery,
};

/// Where nodes share a database server, somebody else's transaction on it may hold back what is complete.
const COMPLETE_WITHIN: Duration = Duration::from_secs(30);

/// Everything behind `after`, by pages of these sizes in turn; where it goes on.
async fn read(
    world: &World,
    tenant: Option<TenantScope>,
    after: LedgerCursor,
    sizes: &[u32],
) -> (Vec<LedgerEntry>, LedgerCursor) {
    let (mut rows, mut cursor) = (Vec::new(), after);
    for size in sizes.iter().cycle() {
        let page = world.store.control().ledger_page(tenant, cursor, *size).await.unwrap();
        assert!(page.rows.len() <= *size as usize && page.next >= cursor);
        rows.extend(page.rows);
        cursor = page.next;
        if !page.more {
            break;
        }
    }
    (rows, cursor)
}

/// The first `count` rows, once they are complete.
pub(super) async fn read_all(world: &World, tenant: Option<TenantScope>, count: usize) -> Vec<LedgerEntry> {
    let deadline = Instant::now() + COMPLETE_WITHIN;
    loop {
        let (rows, _) = read(world, tenant, LedgerCursor::default(), &[1_000]).await;
        if rows.len() == count {
            return rows;
        }
        assert!(rows.len() < count && Instant::now() < deadline, "{} rows of {count}", rows.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn ids(rows: &[LedgerEntry]) -> Vec<AttemptId> {
    rows.iter().map(|row| row.begin.attempt).collect()
}

fn some_row(world: &World, scope: &TenantScope) -> LedgerRow {
    row(world, scope, world.ids().request([0; 4]), world.clock.now(), usd("1.00"))
}

#[tokio::test]
async fn rows_are_read_as_they_were_written() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let mut lost = some_row(&world, &world.owner);
        lost.begin.attribution = Attribution {
            end_user: Some(EndUserId::from_bytes([3; 16])),
            plan: Some("gold".to_owned()),
            tags: [("team".to_owned(), "=1".to_owned())].into(),
            queued_us: 1_500,
            credential: CredentialOwner::Tenant,
        };
        lost.end = End { outcome: AttemptOutcome::Lost, estimated: true, ..lost.end };
        settle(&world, std::slice::from_ref(&lost)).await;
        let written = read_all(&world, Some(world.owner), 1).await.remove(0);
        assert_eq!((&written.begin, written.is_correction()), (&lost.begin, false));
        assert_eq!((written.cost, written.estimated, written.outcome), (usd("1.00"), 1, AttemptOutcome::Lost));
        let tokens = TokenDifferences { input: 10, cache_read: 4, cache_write: 3, cache_write_1h: 2, output: 20, reasoning: 5 };
        assert_eq!((written.tokens, written.settled_at), (tokens, lost.end.settled_at));
        let apart = TokenDifferences { input: 5, cache_read: 3, cache_write: 2, cache_write_1h: 1, ..Default::default() };
        assert_eq!(written.isolation, OverheadDifference { tokens: apart, cost: isolation(1).cost });
        assert_eq!(apart.input_total(), 11);

        let tokens = TokenCounts { input: 12, output: 1, ..TokenCounts::default() };
        let outcome = AttemptOutcome::Completed;
        let apart = Overhead { tokens: TokenCounts { input: 7, ..TokenCounts::default() }, cost: Money::from_pico(9) };
        let real = End { outcome, tokens, cost: usd("0.40"), estimated: false, isolation: apart, ..lost.end.clone() };
        world.store.control().correct(&lost, &real).await.unwrap();
        let both = read_all(&world, Some(world.owner), 2).await;
        assert_eq!(both[0], written, "a row never changes");
        let correction = &both[1];
        assert!(correction.is_correction() && correction.cursor > written.cursor);
        assert_eq!((correction.begin.attempt, correction.estimated), (lost.begin.attempt, -1));
        assert_eq!(correction.cost, Money::ZERO - usd("0.60"));
        let tokens =
            TokenDifferences { input: 2, cache_read: -4, cache_write: -3, cache_write_1h: -2, output: -19, reasoning: -5 };
        assert_eq!((correction.tokens, correction.outcome), (tokens, outcome));
        let apart = TokenDifferences { input: 2, cache_read: -3, cache_write: -2, cache_write_1h: -1, ..Default::default() };
        let cost = Money::from_pico(9) - isolation(1).cost;
        assert_eq!(correction.isolation, OverheadDifference { tokens: apart, cost });

        let (more, _) = read(&world, Some(world.owner), written.cursor, &[1]).await;
        assert_eq!(more, both[1..], "behind the first");
    }
}

#[tokio::test]
async fn each_sees_its_own_and_goes_on_behind_what_others_wrote() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let rows = [some_row(&world, &world.owner), some_row(&world, &world.stranger), some_row(&world, &world.owner)];
        settle(&world, &rows).await;
        let all = read_all(&world, None, 3).await;
        assert!(all.is_sorted_by_key(|row| row.cursor));
        let (own, next) = read(&world, Some(world.owner), LedgerCursor::default(), &[1]).await;
        assert!(own.len() == 2 && own.iter().all(|row| row.begin.tenant == world.owner.tenant()));
        let (own, _) = read(&world, Some(world.stranger), LedgerCursor::default(), &[1]).await;
        assert_eq!(ids(&own), [rows[1].begin.attempt]);

        // The next reading need not look again at what others wrote meanwhile.
        assert!(next >= all[2].cursor);
        settle(&world, &[some_row(&world, &world.stranger)]).await;
        read_all(&world, None, 4).await;
        let (none, later) = read(&world, Some(world.owner), next, &[10]).await;
        assert!(none.is_empty() && later > next);
        let world = world.reopen().await;
        let last = some_row(&world, &world.owner);
        settle(&world, std::slice::from_ref(&last)).await;
        read_all(&world, None, 5).await;
        let (own, _) = read(&world, Some(world.owner), later, &[10]).await;
        assert_eq!(ids(&own), [last.begin.attempt]);
    }
}

#[tokio::test]
async fn a_cursor_ahead_of_the_ledger_is_told() {
    let (world, earlier) = (World::on(EMBEDDED_CASES).await, World::on(EMBEDDED_CASES).await);
    settle(&world, &[some_row(&world, &world.owner)]).await;
    let (_, ahead) = read(&world, None, LedgerCursor::default(), &[10]).await;
    let refused = earlier.store.control().ledger_page(None, ahead, 10).await.unwrap_err();
    assert_eq!((refused.kind(), refused.param()), (&ErrorKind::Invalid, Some("cursor")));
}

#[test]
fn any_size_of_page_gives_the_same_rows_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for engine in Engine::ALL {
        let (world, all, own) = runtime.block_on(async {
            let world = World::on(engine).await;
            // Several transactions of several rows.
            for count in [1, 7, 3, 12] {
                let scope = |n: usize| if n.is_multiple_of(3) { world.stranger } else { world.owner };
                settle(&world, &(0..count).map(|n| some_row(&world, &scope(n))).collect::<Vec<_>>()).await;
            }
            let all = read_all(&world, None, 23).await;
            let own: Vec<_> = all.iter().filter(|row| row.begin.tenant == world.owner.tenant()).cloned().collect();
            (world, all, own)
        });
        proptest!(ProptestConfig::with_cases(32), |(sizes in prop::collection::vec(1_u32..9, 1..4))| {
            let read = |tenant| runtime.block_on(read(&world, tenant, LedgerCursor::default(), &sizes)).0;
            prop_assert_eq!(read(None), all.clone());
            prop_assert_eq!(read(Some(world.owner)), own.clone());
        });
        runtime.block_on(world.store.close()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_while_others_write_misses_nothing() {
    const ROUNDS: usize = 40;
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let other = world.beside(engine).await;
        let write = async |on: &World| {
            for round in 0..ROUNDS {
                settle(on, &(0..=round % 4).map(|_| some_row(on, &on.owner)).collect::<Vec<_>>()).await;
            }
        };
        let written = ROUNDS / 4 * 10 * if other.is_some() { 2 } else { 1 };
        let read = async {
            let (mut rows, mut cursor, deadline) = (Vec::new(), LedgerCursor::default(), Instant::now() + COMPLETE_WITHIN * 2);
            while rows.len() < written && Instant::now() < deadline {
                let (more, next) = read(&world, Some(world.owner), cursor, &[3]).await;
                rows.extend(more);
                cursor = next;
                tokio::task::yield_now().await;
            }
            rows
        };
        let beside = async {
            if let Some(other) = &other {
                write(other).await;
            }
        };
        let ((), (), rows) = tokio::join!(write(&world), beside, read);
        let mut seen = ids(&rows);
        seen.sort();
        seen.dedup();
        assert_eq!((seen.len(), rows.len()), (written, written), "each once");
        assert_eq!(read_all(&world, Some(world.owner), written).await, rows, "and in the order in which it was read");
    }
}

/// Transactions of nodes are numbered when they begin to write and are seen when they commit.
#[tokio::test]
async fn a_transaction_that_commits_late_is_not_missed() {
    let world = World::on(Engine::Cluster).await;
    let first = some_row(&world, &world.owner);
    settle(&world, std::slice::from_ref(&first)).await;
    let before = read_all(&world, None, 1).await;

    let mut admin = world.place.database().administer().await;
    let late = admin.transaction().await.unwrap();
    let id = AttemptId::from_bytes([7; 16]);
    let columns = "request, tenant, key_id, reserved_at, operation, cause, provider, model, price_row, reserved, \
        input_tokens_max, output_tokens_max, settled_at, outcome, input_tokens, cache_read_tokens, cache_write_tokens, \
        output_tokens, reasoning_tokens, cost, estimated";
    let copy = format!(
        "INSERT INTO insula_control.ledger (attempt, correction, {columns}) SELECT $1, 0, {columns} FROM insula_control.ledger"
    );
    late.execute(&copy, &[&id.as_bytes().as_slice()]).await.unwrap();
    let quick = some_row(&world, &world.owner);
    settle(&world, std::slice::from_ref(&quick)).await;
    assert_eq!(world.store.control().usage(&everything(&world)).await.unwrap()[0].attempts, 2, "it is in the ledger");
    let (none, cursor) = read(&world, None, before[0].cursor, &[10]).await;
    assert!(none.is_empty(), "something older is still being written");

    late.commit().await.unwrap();
    read_all(&world, None, 3).await;
    let (both, _) = read(&world, None, cursor, &[1]).await;
    assert_eq!(ids(&both), [id, quick.begin.attempt]);
}

fn everything(world: &World) -> UsageQuery {
    let from = Timestamp::default();
    let to = world.clock.now().plus(Duration::from_secs(1));
    UsageQuery { tenant: None, from, to, group_by: GroupBy::None }
}
