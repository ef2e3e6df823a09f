//! Bills: lines of the ledger, the attempts behind them, and credits.

use std::{collections::BTreeMap, time::Duration};

use insula_model::{
    AttemptId, Cause, Clock, ErrorKind, KeyId, Money, Operation, Overhead, TenantScope, Timestamp, TokenCounts, Window,
    WindowSpan,
};

use super::{
    samples::{KEY, isolation, row, settle},
    world::{Engine, World, at, usd},
};
use crate::{AttemptQuery, ChargeQuery, ChargeRow, Credit, End, GroupBy, LedgerRow, PriceDates, Sums, UsageQuery};

const MARCH: &str = "2026-03-31T23:00:00Z";

fn march() -> WindowSpan {
    Window::Month.span(at(MARCH))
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Six attempts of the owner that differ in one thing each, the last of them in April, and one of the stranger.
async fn furnish(world: &World) -> Vec<LedgerRow> {
    let request = world.ids().request([0; 4]);
    let moment = |n: u64| at(MARCH).plus(Duration::from_secs(n));
    let mut rows: Vec<LedgerRow> = (0..5).map(|n| row(world, &world.owner, request, moment(n), usd("1.00"))).collect();
    rows.push(row(world, &world.owner, request, march().end, usd("32.00")));
    rows.push(row(world, &world.stranger, world.ids().request([0; 4]), moment(0), usd("64.00")));
    rows[1].begin.key = None;
    rows[1].end.cost = usd("2.00");
    rows[2].begin.cause = Cause::Retry;
    rows[2].begin.attribution.plan = Some("pro".to_owned());
    rows[2].end.cost = usd("4.00");
    rows[3].begin.attribution.tags = tags(&[("team", "a\"b"), ("x", "y")]);
    rows[3].end.cost = usd("8.00");
    rows[4].begin.attribution.tags = tags(&[("team", "core")]);
    rows[4].end.cost = usd("16.00");
    settle(world, &rows).await;
    rows
}

type Part = (WindowSpan, Vec<ChargeRow>);

async fn cut(world: &World, scope: TenantScope, span: WindowSpan, dates: &[(&str, Timestamp)]) -> Vec<Part> {
    let query = ChargeQuery { scope, span, dates: dates.iter().copied().collect(), by_tags: false };
    world.store.control().charges(query).await.unwrap()
}

async fn charges(world: &World, scope: TenantScope, span: WindowSpan, by_tags: bool) -> Vec<ChargeRow> {
    let query = ChargeQuery { scope, span, dates: PriceDates::default(), by_tags };
    let (_, mut rows) = world.store.control().charges(query).await.unwrap().remove(0);
    rows.sort_by_key(|row| row.sums.cost);
    rows
}

fn costs(rows: &[ChargeRow]) -> Vec<String> {
    rows.iter().map(|row| row.sums.cost.to_string()).collect()
}

#[tokio::test]
async fn a_month_is_summed_into_lines() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        furnish(&world).await;
        let april = Window::Month.span(march().end);
        let months = [charges(&world, world.owner, march(), false).await, charges(&world, world.owner, april, false).await];
        assert_eq!(costs(&months[0]), ["2.00", "4.00", "25.00"]);
        assert_eq!(costs(&months[1]), ["32.00"], "an attempt belongs to the month in which it was reserved");
        let tokens = |n: u64| TokenCounts {
            input: 10 * n,
            cache_read: 4 * n,
            cache_write: 3 * n,
            cache_write_1h: 2 * n,
            output: 20 * n,
            reasoning: 5 * n,
        };
        let base = ChargeRow {
            model: "sim-small".to_owned(),
            operation: Operation::Chat,
            price_row: "sim/sim-small@2026-01-01".to_owned(),
            cause: Cause::Base,
            plan: None,
            credential: Default::default(),
            key: Some(KEY),
            tags: BTreeMap::new(),
            sums: Sums { attempts: 3, estimated: 0, tokens: tokens(3), cost: usd("25.00"), isolation: isolation(3) },
        };
        assert_eq!(months[0][2], base);
        assert_eq!((months[0][0].key, months[0][1].cause), (None, Cause::Retry));
        assert_eq!(months[0][1].plan.as_deref(), Some("pro"));

        let tagged = charges(&world, world.owner, march(), true).await;
        assert_eq!(costs(&tagged), ["1.00", "2.00", "4.00", "8.00", "16.00"]);
        assert_eq!(tagged[3].tags, tags(&[("team", "a\"b"), ("x", "y")]));
        assert!(tagged[0].tags.is_empty());

        assert_eq!(costs(&charges(&world, world.stranger, march(), true).await), ["64.00"]);
        let control = world.store.control();
        assert_eq!(control.spent_before(&world.owner, march().end).await.unwrap(), usd("31.00"));
        assert_eq!(control.spent_before(&world.owner, march().start).await.unwrap(), Money::ZERO);
        assert_eq!(control.billed_since(&world.owner).await.unwrap(), Some(at(MARCH)));
    }
}

#[tokio::test]
async fn only_prices_of_its_own_plans_cut_a_month() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let rows = furnish(&world).await;
        let begun = rows[2].begin.reserved_at;
        let parts = cut(&world, world.owner, march(), &[("pro", begun), ("free", rows[1].begin.reserved_at)]).await;
        assert_eq!(parts.iter().map(|(span, _)| span.start).collect::<Vec<_>>(), [march().start, begun]);
        let attempts = |part: &Part| part.1.iter().map(|row| row.sums.attempts).sum::<u64>();
        assert_eq!(parts.iter().map(attempts).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(cut(&world, world.stranger, march(), &[("pro", begun)]).await.len(), 1);
    }
}

#[tokio::test]
async fn usage_and_requests_are_told_by_what_prices_them() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let rows = furnish(&world).await;
        let (begun, control) = (rows[2].begin.reserved_at, world.store.control());
        let query = |scope| UsageQuery {
            tenant: Some(scope),
            from: march().start,
            to: march().end,
            group_by: GroupBy::Tag("team".into()),
        };
        let dates: PriceDates = [("pro", begun)].into_iter().collect();
        let found = control.usage_parts(&query(world.owner), dates.clone()).await.unwrap();
        let told = |(row, parts): &(crate::UsageRow, Vec<crate::PricedPart>)| {
            assert_eq!(parts.iter().map(|part| part.cost).sum::<Money>(), row.cost);
            let parts = parts.iter().map(|part| (part.plan.clone(), part.at == begun, part.cost.to_string()));
            (row.group.clone(), parts.collect::<Vec<_>>())
        };
        let part = |plan: Option<&str>, is_later, cost: &str| (plan.map(str::to_owned), is_later, cost.to_owned());
        let mut found: Vec<_> = found.iter().map(told).collect();
        found.iter_mut().for_each(|(_, parts)| parts.sort());
        let none = vec![part(None, false, "3.00"), part(Some("pro"), true, "4.00")];
        let tagged = |team: &str, cost| (Some(team.to_owned()), vec![part(None, true, cost)]);
        assert_eq!(found, [(None, none), tagged("a\"b", "8.00"), tagged("core", "16.00")]);
        assert_eq!(control.usage_parts(&query(world.stranger), dates).await.unwrap().len(), 1);

        let request = rows[0].begin.request;
        let of = async |scope| control.request_parts(&scope, march(), (request, request)).await.unwrap();
        let parts = of(world.owner).await;
        assert!(parts.iter().all(|(of, _)| *of == request));
        assert_eq!(parts.iter().map(|(_, part)| part.cost).sum::<Money>(), usd("31.00"));
        assert!(of(world.stranger).await.is_empty());
    }
}

fn everything(world: &World) -> AttemptQuery {
    AttemptQuery {
        scope: world.owner,
        span: march(),
        model: None,
        operation: None,
        cause: None,
        price_row: None,
        plan: None,
        credential: None,
        key: None,
        tag: None,
        after: None,
        limit: 10,
    }
}

#[tokio::test]
async fn a_line_leads_to_its_attempts() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let rows = furnish(&world).await;
        let all = everything(&world);
        let label = |value: &str| Some(("team".to_owned(), value.to_owned()));
        for (query, expected) in [
            (all.clone(), &[0, 1, 2, 3, 4][..]),
            (
                AttemptQuery { model: Some("sim-small".into()), operation: Some(Operation::Chat), ..all.clone() },
                &[0, 1, 2, 3, 4],
            ),
            (AttemptQuery { model: Some("sim".into()), ..all.clone() }, &[]),
            (AttemptQuery { operation: Some(Operation::Embeddings), ..all.clone() }, &[]),
            (AttemptQuery { cause: Some(Cause::Retry), ..all.clone() }, &[2]),
            (
                AttemptQuery { price_row: Some(rows[0].begin.price_row.clone()), cause: Some(Cause::Base), ..all.clone() },
                &[0, 1, 3, 4],
            ),
            (AttemptQuery { plan: Some(None), ..all.clone() }, &[0, 1, 3, 4]),
            (AttemptQuery { plan: Some(Some("pro".into())), ..all.clone() }, &[2]),
            (AttemptQuery { key: Some(None), ..all.clone() }, &[1]),
            (AttemptQuery { key: Some(Some(KEY)), ..all.clone() }, &[0, 2, 3, 4]),
            (AttemptQuery { key: Some(Some(KeyId::from_bytes([8; 16]))), ..all.clone() }, &[]),
            (AttemptQuery { tag: label("a\"b"), ..all.clone() }, &[3]),
            (AttemptQuery { tag: label("core"), ..all.clone() }, &[4]),
            (AttemptQuery { tag: label("Core"), ..all.clone() }, &[]),
            (AttemptQuery { tag: label("cor"), ..all.clone() }, &[]),
            (AttemptQuery { limit: 2, ..all.clone() }, &[0, 1]),
            (AttemptQuery { after: Some((rows[1].begin.reserved_at, rows[1].begin.attempt)), ..all.clone() }, &[2, 3, 4]),
            (AttemptQuery { after: Some((Timestamp::default(), rows[1].begin.attempt)), limit: 1, ..all.clone() }, &[0]),
        ] {
            let described = format!("{query:?}");
            let found = world.store.control().charged_attempts(query).await.unwrap();
            let expected: Vec<&LedgerRow> = expected.iter().map(|n| &rows[*n]).collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{described}");
        }
        let of_stranger = AttemptQuery { scope: world.stranger, ..all };
        assert_eq!(world.store.control().charged_attempts(of_stranger).await.unwrap(), rows[6..]);
    }
}

#[tokio::test]
async fn attempts_of_one_moment_are_paged_by_their_ids() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let request = world.ids().request([0; 4]);
        let mut rows: Vec<LedgerRow> = (0..5).map(|_| row(&world, &world.owner, request, march().start, usd("1.00"))).collect();
        settle(&world, &rows).await;
        rows.sort_by_key(|row| *row.begin.attempt.as_bytes());
        let (mut found, mut after): (Vec<AttemptId>, _) = (Vec::new(), None);
        loop {
            let query = AttemptQuery { after, limit: 2, ..everything(&world) };
            let page = world.store.control().charged_attempts(query).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.begin.reserved_at, last.begin.attempt));
            found.extend(page.iter().map(|row| row.begin.attempt));
        }
        assert_eq!(found, rows.iter().map(|row| row.begin.attempt).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn corrections_are_on_the_bill_of_their_attempt() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (request, moment) = (world.ids().request([0; 4]), at(MARCH));
        let mut lost = row(&world, &world.owner, request, moment, usd("4.00"));
        lost.end.estimated = true;
        settle(&world, std::slice::from_ref(&lost)).await;
        let tokens = TokenCounts { input: 1, ..TokenCounts::default() };
        let settled_at = march().end.plus(Duration::from_secs(1));
        let isolation = Overhead { tokens, cost: usd("0.25") };
        let real = End { tokens, cost: usd("0.50"), estimated: false, settled_at, isolation, ..lost.end.clone() };
        world.store.control().correct(&lost, &real).await.unwrap();

        let lines = charges(&world, world.owner, march(), false).await;
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].sums, Sums { attempts: 1, estimated: 0, tokens, cost: usd("0.50"), isolation });
        let attempts = world.store.control().charged_attempts(everything(&world)).await.unwrap();
        assert_eq!(attempts, [LedgerRow { end: real, ..lost }]);
        assert_eq!(world.store.control().spent_before(&world.owner, march().end).await.unwrap(), usd("0.50"));
    }
}

#[tokio::test]
async fn credits_are_given_and_stay() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        let credit = |month_at: Timestamp, amount: &str| Credit {
            id: world.ids().credit(),
            tenant: world.owner.tenant(),
            month_at,
            amount: usd(amount),
            reason: "an outage".to_owned().try_into().unwrap(),
            created_at: world.clock.now(),
            by_key: KEY,
        };
        let february = Window::Month.span(march().start.minus(Duration::from_micros(1)));
        let first = credit(february.start, "1.50");
        world.clock.advance(Duration::from_secs(1));
        let second = credit(march().start, "0.000000000001");
        for credit in [&first, &second] {
            control.insert_credit(credit).await.unwrap();
        }
        assert_eq!(control.credits_in(&world.owner, march()).await.unwrap(), std::slice::from_ref(&second));
        assert_eq!(control.credits(&world.owner, None, 10).await.unwrap(), [second.clone(), first.clone()]);
        assert_eq!(control.credits(&world.owner, Some(second.id), 10).await.unwrap(), [first]);
        assert_eq!(control.credited_before(&world.owner, march().start).await.unwrap(), usd("1.50"));
        assert_eq!(control.credited_before(&world.owner, march().end).await.unwrap(), usd("1.500000000001"));
        assert_eq!(control.billed_since(&world.owner).await.unwrap(), Some(february.start));
        assert!(control.credits(&world.stranger, None, 10).await.unwrap().is_empty());
        assert!(control.credits_in(&world.stranger, march()).await.unwrap().is_empty());
        assert_eq!(control.credited_before(&world.stranger, march().end).await.unwrap(), Money::ZERO);
        assert_eq!(control.billed_since(&world.stranger).await.unwrap(), None);

        world.store.erase_tenant(&world.owner, world.clock.now()).await.unwrap();
        assert!(control.credits(&world.owner, None, 10).await.unwrap().is_empty());
        let late = control.insert_credit(&credit(march().start, "1.00")).await.unwrap_err();
        assert_eq!(late.kind(), &ErrorKind::NotFound);
    }
}
