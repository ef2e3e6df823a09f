//! The ledger, the accounts that it moves, and the sums over it.

use insula_model::{AttemptOutcome, Cause, Clock, ErrorKind, Money, Overhead, Subject, Timestamp, TokenCounts, Window};

use super::{
    differences::EMBEDDED_CASES,
    samples::{KEY, isolation, row, settle},
    world::{Engine, World, at, usd},
};
use crate::{
    Begin, End, GroupBy, HourSpend, LedgerRow, UsageQuery, UsageRow,
    control::{FoldBatch, Position},
};

const NEXT: std::time::Duration = std::time::Duration::from_micros(1);

async fn usage(world: &World, group_by: GroupBy) -> Vec<UsageRow> {
    let query = UsageQuery { tenant: None, from: at("2026-03-01T00:00:00Z"), to: at("2026-05-01T00:00:00Z"), group_by };
    world.store.control().usage(&query).await.unwrap()
}

fn groups(rows: &[UsageRow]) -> Vec<(Option<&str>, String)> {
    rows.iter().map(|row| (row.group.as_deref(), row.cost.to_string())).collect()
}

#[tokio::test]
async fn a_batch_twice_moves_nothing_twice() {
    let world = World::on(EMBEDDED_CASES).await;
    let control = world.store.control();
    let at_hour = at("2026-03-31T23:59:59.999999Z");
    let request = world.ids().request([0; 4]);
    let rows = vec![
        row(&world, &world.owner, request, at_hour, usd("1.00")),
        row(&world, &world.owner, request, at("2026-04-01T00:00:00Z"), usd("2.00")),
    ];
    let carried: Vec<Begin> = vec![row(&world, &world.owner, request, at_hour, usd("5.00")).begin];
    let position = Position { seq: 17, traces_seq: 3 };
    let batch = FoldBatch { rows, carried: carried.clone(), closed: Vec::new(), position, latest_time: at_hour };
    control.apply_fold(&batch).await.unwrap();
    control.apply_fold(&batch).await.unwrap();

    assert_eq!(control.fold_position().await.unwrap(), position);
    assert_eq!(control.open_attempts().await.unwrap(), carried);
    let spend = |hour: &str, money: &str| HourSpend { hour: at(hour), money: usd(money), tokens: 44 };
    let both = [spend("2026-03-31T23:00:00Z", "1.00"), spend("2026-04-01T00:00:00Z", "2.00")];
    let tenant = world.owner.tenant();
    for subject in [Subject::Platform, Subject::Tenant(tenant), Subject::Key(tenant, KEY)] {
        assert_eq!(control.spend_since(&subject, Timestamp::default()).await.unwrap(), both);
        assert_eq!(control.spend_since(&subject, both[1].hour).await.unwrap(), both[1..], "a month begins on the hour");
    }
    assert!(control.spend_since(&Subject::Tenant(world.stranger.tenant()), Timestamp::default()).await.unwrap().is_empty());

    let closed = FoldBatch { closed: vec![carried[0].attempt], ..batch };
    control.apply_fold(&closed).await.unwrap();
    assert!(control.open_attempts().await.unwrap().is_empty());
}

#[tokio::test]
async fn usage_by_everything() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (first, second) = (at("2026-03-31T12:00:00Z"), at("2026-04-01T12:00:00Z"));
        let request = world.ids().request([0; 4]);
        let mut rows = vec![
            row(&world, &world.owner, request, first, usd("1.00")),
            row(&world, &world.owner, request, second, usd("2.00")),
            row(&world, &world.stranger, world.ids().request([0; 4]), second, usd("4.00")),
        ];
        rows[1].begin.key = None;
        rows[1].end.estimated = true;
        rows[2].begin.model = "sim-large".to_owned();
        rows[2].begin.cause = Cause::Retry;
        rows[2].begin.attribution.plan = Some("gold".to_owned());
        settle(&world, &rows).await;

        let total = usage(&world, GroupBy::None).await;
        let tokens = TokenCounts { input: 30, cache_read: 12, cache_write: 9, cache_write_1h: 6, output: 60, reasoning: 15 };
        let (cost, isolation) = (usd("7.00"), isolation(3));
        assert_eq!(total, [UsageRow { group: None, requests: 2, attempts: 3, tokens, cost, estimated: 1, isolation }]);
        let query = UsageQuery { tenant: Some(world.owner), from: first, to: second.plus(NEXT), group_by: GroupBy::None };
        let parts = world.store.control().usage_parts(&query, Default::default()).await.unwrap().remove(0).1;
        assert_eq!(parts.iter().map(|part| part.isolation.cost).sum::<Money>(), super::samples::isolation(2).cost);

        let days = usage(&world, GroupBy::Day).await;
        assert_eq!(groups(&days), [(Some("2026-03-31"), "1.00".to_owned()), (Some("2026-04-01"), "6.00".to_owned())]);
        let key = KEY.to_string();
        assert_eq!(
            groups(&usage(&world, GroupBy::Key).await),
            [(None, "2.00".to_owned()), (Some(key.as_str()), "5.00".to_owned())]
        );
        let models = usage(&world, GroupBy::Model).await;
        assert_eq!(groups(&models), [(Some("sim-large"), "4.00".to_owned()), (Some("sim-small"), "3.00".to_owned())]);
        assert_eq!(groups(&usage(&world, GroupBy::Operation).await), [(Some("chat"), "7.00".to_owned())]);
        let causes = [(Some("base"), "3.00".to_owned()), (Some("retry"), "4.00".to_owned())];
        assert_eq!(groups(&usage(&world, GroupBy::Cause).await), causes);
        let plans = [(None, "3.00".to_owned()), (Some("gold"), "4.00".to_owned())];
        assert_eq!(groups(&usage(&world, GroupBy::Plan).await), plans);
        let (owner, stranger) = (world.owner.tenant().to_string(), world.stranger.tenant().to_string());
        let mut tenants = vec![(Some(owner.as_str()), "3.00".to_owned()), (Some(stranger.as_str()), "4.00".to_owned())];
        tenants.sort();
        assert_eq!(groups(&usage(&world, GroupBy::Tenant).await), tenants);

        // `to` is not part of the span.
        let query = UsageQuery { tenant: None, from: first, to: second, group_by: GroupBy::None };
        assert_eq!(world.store.control().usage(&query).await.unwrap()[0].cost, usd("1.00"));
        let query = UsageQuery { tenant: Some(world.owner), ..query };
        assert_eq!(world.store.control().usage(&query).await.unwrap()[0].attempts, 1);
    }
}

#[tokio::test]
async fn a_correction_replaces_the_estimate() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        let (moment, request) = (at("2026-03-31T12:00:00Z"), world.ids().request([0; 4]));
        let mut rows = vec![
            row(&world, &world.owner, request, moment, usd("4.00")),
            row(&world, &world.owner, request, moment, usd("1.00")),
            row(&world, &world.stranger, world.ids().request([0; 4]), moment, usd("2.00")),
        ];
        for lost in &mut rows[..2] {
            lost.end.outcome = AttemptOutcome::Lost;
            lost.end.estimated = true;
        }
        settle(&world, &rows).await;
        // It cost less than was feared, and more of another kind of token than was thought.
        let tokens = TokenCounts { input: 3, cache_read: 0, cache_write: 9, cache_write_1h: 4, output: 1, reasoning: 0 };
        let apart = TokenCounts { input: 1, cache_write: 9, ..TokenCounts::default() };
        let real = End {
            settled_at: rows[0].end.settled_at.plus(std::time::Duration::from_secs(60)),
            outcome: AttemptOutcome::Completed,
            tokens,
            cost: usd("0.000000000001"),
            estimated: false,
            isolation: Overhead { tokens: apart, cost: usd("0.000000000001") },
            ..rows[0].end.clone()
        };
        control.correct(&rows[0], &real).await.unwrap();

        let attempts = control.attempts(&world.owner, request, moment).await.unwrap();
        assert_eq!(attempts.len(), 2);
        let mut expected = vec![LedgerRow { end: real.clone(), ..rows[0].clone() }, rows[1].clone()];
        expected.sort_by_key(|row| *row.begin.attempt.as_bytes());
        assert_eq!(attempts, expected);
        assert!(control.attempts(&world.stranger, request, moment).await.unwrap().is_empty());

        let total = usage(&world, GroupBy::None).await;
        let tokens = TokenCounts { input: 23, cache_read: 8, cache_write: 15, cache_write_1h: 8, output: 41, reasoning: 10 };
        let cost = usd("3.000000000001");
        let mut isolation = isolation(2);
        isolation += real.isolation;
        assert_eq!(total, [UsageRow { group: None, requests: 2, attempts: 3, tokens, cost, estimated: 1, isolation }]);
        let query = UsageQuery { tenant: Some(world.owner), from: moment, to: moment.plus(NEXT), group_by: GroupBy::Key };
        let of_key = &control.usage(&query).await.unwrap()[0];
        assert_eq!((of_key.requests, of_key.attempts, of_key.estimated), (1, 2, 1));
        assert_eq!(of_key.cost, usd("1.000000000001"));

        let verified = control.verify_ledger().await.unwrap();
        assert_eq!((verified.rows, verified.ledger_total, verified.difference), (4, cost, Money::ZERO));
        assert!(verified.mismatches.is_empty(), "{:?}", verified.mismatches);
    }
}

#[tokio::test]
async fn sums_do_not_overflow() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let request = world.ids().request([0; 4]);
        let hour = |n: u64| Window::Month.span(world.clock.now()).start.plus(std::time::Duration::from_secs(n * 3_600));
        let mut rows: Vec<LedgerRow> =
            (0..10).map(|n| row(&world, &world.owner, request, hour(n), Money::STORABLE_MAX)).collect();
        rows[0].end.tokens.input = u64::MAX;
        settle(&world, &rows).await;
        let total = &usage(&world, GroupBy::None).await[0];
        assert_eq!(total.cost, usd("9000000") + (0..9).map(|_| Money::STORABLE_MAX).sum());
        assert!(world.store.control().verify_ledger().await.unwrap().mismatches.is_empty());
    }
}

#[tokio::test]
async fn the_accounts_follow_from_the_ledger() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        assert_eq!(control.verify_ledger().await.unwrap(), crate::LedgerVerification::default());
        let hour = |n: u64| world.clock.now().plus(std::time::Duration::from_secs(n * 3_600));
        let rows: Vec<LedgerRow> =
            (0..100).map(|n| row(&world, &world.owner, world.ids().request([0; 4]), hour(n), usd("0.01"))).collect();
        settle(&world, &rows).await;

        let sound = control.verify_ledger().await.unwrap();
        assert_eq!((sound.rows, sound.ledger_total, sound.difference), (100, usd("1.00"), Money::ZERO));
        assert!(sound.mismatches.is_empty());

        let mut beyond = vec![
            row(&world, &world.owner, world.ids().request([0; 4]), hour(3), usd("0.01")),
            row(&world, &world.owner, world.ids().request([0; 4]), hour(3), usd("0.01")),
            row(&world, &world.owner, world.ids().request([0; 4]), hour(4), usd("0.01")),
        ];
        beyond[0].end.isolation.cost = usd("0.010000000001");
        beyond[1].end.isolation.tokens.cache_write_1h = 3;
        settle(&world, &beyond).await;
        let told = control.verify_ledger().await.unwrap().mismatches;
        assert!(told.len() == 1 && told[0].contains("of 2 attempts is more than they used"), "{told:?}");
    }
}

#[tokio::test]
async fn stored_time_holds_the_clock() {
    let world = World::on(EMBEDDED_CASES).await;
    let later = world.clock.now().plus(std::time::Duration::from_secs(30 * 60));
    settle(&world, &[row(&world, &world.owner, world.ids().request([0; 4]), later, usd("1.00"))]).await;
    world.store.close().await.unwrap();
    let (place, random, now) = (world.place, world.random, world.clock.now());
    drop(world.store);

    let behind = std::sync::Arc::new(insula_model::ManualClock::at(now));
    let store = place.open(behind.clone(), random.clone()).await.unwrap();
    assert!(behind.now() > later, "never behind what was stored");
    store.close().await.unwrap();
    drop(store);
    let far_behind = std::sync::Arc::new(insula_model::ManualClock::at(at("2025-01-01T00:00:00Z")));
    let refused = place.open(far_behind, random).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Invalid);
    assert!(refused.message().contains("clock"), "{refused}");
}
