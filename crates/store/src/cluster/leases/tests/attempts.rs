//! Leases beside attempts that begin and end.

use insula_model::{AttemptId, AttemptOutcome, Cause, KeyId, Operation, RequestId, TokenCounts};

use super::*;
use crate::{Begin, End, cluster::register::Register};

fn attempt(n: u64, reserved_at: Timestamp) -> (Begin, End) {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let key = (n % 30) as u8;
    let begin = Begin {
        attempt: AttemptId::from_bytes(id),
        request: RequestId::from_bytes(id),
        tenant: TenantId::from_bytes([1; 16]),
        key: Some(KeyId::from_bytes([key; 16])),
        reserved_at,
        operation: Operation::Chat,
        cause: Cause::Base,
        provider: "sim".to_owned(),
        model: "sim-small".to_owned(),
        price_row: "sim/sim-small@2026-01-01".to_owned(),
        reserved: Money::from_pico(20),
        input_tokens_max: 10,
        output_tokens_max: 10,
        idempotency: None,
        attribution: Default::default(),
    };
    let end = End {
        attempt: begin.attempt,
        settled_at: reserved_at,
        outcome: AttemptOutcome::Completed,
        tokens: TokenCounts { input: 3, ..TokenCounts::default() },
        cost: Money::from_pico(7),
        estimated: false,
        isolation: Default::default(),
    };
    (begin, end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_made_while_attempts_settle_misses_none_and_counts_none_twice() {
    let world = World::new().await;
    let node = world.node(1).await;
    let now = world.clock.now();
    let register = Register::start(node.pool.clone(), Arc::new(node.cluster.clone()));
    let of_key = |key: u8| {
        let subject = Subject::Key(TenantId::from_bytes([1; 16]), KeyId::from_bytes([key; 16]));
        WindowKey { subject, window: Window::Month, unit: Unit::Usd, starts_at: Window::Month.span(now).start }
    };
    for key in 0..30 {
        let window = of_key(key);
        let id = BudgetId::from_bytes([key; 16]);
        let cap = Cap::Usd(Money::from_pico(1_000_000));
        let budget = Budget {
            id,
            subject: window.subject,
            window: Window::Month,
            cap,
            mode: BudgetMode::Hard,
            alert_at: vec![],
            origin: Default::default(),
        };
        let control = Control::over(node.pool.db(Access::Control));
        control.replace_budgets(&window.subject, &[budget]).await.unwrap();
    }
    let settling = {
        let register = register.clone();
        tokio::spawn(async move {
            let mut last = None;
            for n in 0..1_500 {
                let (begin, end) = attempt(n, now);
                register.admitted(register.begin(&begin).unwrap()).await.unwrap();
                last = Some(register.end(&end, None, &[]));
            }
            register.synced(last.unwrap()).await;
        })
    };
    let mut makings = Vec::new();
    for key in 0..30 {
        makings.push(node.lease(&of_key(key), 1).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    settling.await.unwrap();
    makings.into_iter().for_each(Result::unwrap);
    for key in 0..30 {
        assert_eq!(world.state(&of_key(key)).await, Some((1_000_000, 50 * 7, 1, 0)), "of key {key}");
    }
    world.check().await;
    register.close().await;
    world.remove().await;
}

#[tokio::test]
async fn what_is_reserved_is_what_all_nodes_have_open() {
    let world = World::new().await;
    let node = world.node(1).await;
    let register = Register::start(node.pool.clone(), Arc::new(node.cluster.clone()));
    let now = world.clock.now();
    for n in 0..60 {
        register.admitted(register.begin(&attempt(n, now).0).unwrap()).await.unwrap();
    }
    let tenant = TenantId::from_bytes([1; 16]);
    let key = Subject::Key(tenant, KeyId::from_bytes([3; 16]));
    let leases = node.leases();
    for (subject, open) in [(Subject::Platform, 60), (Subject::Tenant(tenant), 60), (key, 2)] {
        let reserved = leases.reserved(&subject, now).await.unwrap();
        assert_eq!(reserved, (Money::from_pico(20 * open), 20 * open as u64), "{subject:?}");
    }
    assert_eq!(leases.reserved(&Subject::Tenant(TenantId::from_bytes([2; 16])), now).await.unwrap(), (Money::ZERO, 0));
    assert_eq!(leases.reserved(&Subject::Platform, now.plus(Duration::from_secs(1))).await.unwrap(), (Money::ZERO, 0));
    register.close().await;
    world.remove().await;
}
