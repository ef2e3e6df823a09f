//! Webhooks, events, deliveries.

use std::time::Duration;

use insula_model::{Clock, DeliveryState, ErrorKind, EventType, TenantId, Timestamp, Window};

use super::world::{Engine, World};
use crate::{Claim, NextStep, Once, Sending, Webhook, WebhookEvent};

const MINUTE: Duration = Duration::from_secs(60);

fn webhook(world: &World, tenant: Option<TenantId>) -> Webhook {
    Webhook {
        id: world.ids().webhook(),
        tenant,
        url: "https://hooks.example.com/1".to_owned(),
        events: EventType::TOLD.into(),
        description: "für uns".to_owned(),
        active: true,
        rotation: 0,
        created_at: world.clock.now(),
        rotated_at: None,
    }
}

fn event(world: &World, tenant: Option<TenantId>, kind: EventType) -> WebhookEvent {
    let payload = r#"{"type":"x"}"#.to_owned();
    WebhookEvent { id: world.ids().event(), tenant, kind, created_at: world.clock.now(), payload }
}

fn mark(world: &World, permille: u32) -> Once {
    Once::BudgetMark(insula_model::BudgetId::from_bytes([1; 16]), Window::Day.span(world.clock.now()).start, permille)
}

fn claim(world: &World) -> Claim {
    Claim { until: world.clock.now().plus(MINUTE), per_webhook_max: 2, per_owner_max: 8, deliveries_max: 10 }
}

/// How many are due, taken.
async fn claimed(world: &World) -> usize {
    world.store.control().claim_deliveries(world.clock.now(), &claim(world)).await.unwrap().len()
}

#[tokio::test]
async fn webhooks_belong_to_whoever_made_them() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, owner, stranger) = (world.store.control(), Some(world.owner.tenant()), Some(world.stranger.tenant()));
        let (own, platforms) = (webhook(&world, owner), webhook(&world, None));
        control.insert_webhook(&own, 1).await.unwrap();
        control.insert_webhook(&platforms, 1).await.unwrap();
        let one_more = control.insert_webhook(&webhook(&world, owner), 1).await.unwrap_err();
        assert_eq!(*one_more.kind(), ErrorKind::Conflict);
        assert_eq!(control.webhooks_of(owner).await.unwrap(), std::slice::from_ref(&own));
        assert_eq!(control.webhooks_of(None).await.unwrap(), std::slice::from_ref(&platforms));
        assert_eq!(control.webhooks_of(stranger).await.unwrap(), []);
        for other in [stranger, None] {
            let change = control.change_webhook(other, own.id, |webhook| webhook).await.map(drop);
            let read = control.webhook(other, own.id).await.map(drop);
            let log = control.deliveries(other, own.id, None, 10).await.map(drop);
            let delete = control.delete_webhook(other, own.id).await;
            for refused in [change, read, log, delete] {
                assert_eq!(*refused.unwrap_err().kind(), ErrorKind::NotFound);
            }
        }
        let changed = Webhook { rotation: 1, rotated_at: Some(world.clock.now()), events: [].into(), ..own.clone() };
        let stored = control.change_webhook(owner, own.id, |_| changed.clone()).await.unwrap();
        assert_eq!((&stored, &control.webhook(owner, own.id).await.unwrap()), (&changed, &changed));
        control.delete_webhook(owner, own.id).await.unwrap();
        assert_eq!(control.webhooks_of(owner).await.unwrap(), []);
    }
}

#[tokio::test]
async fn an_alert_is_told_once_to_whoever_wants_it() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, owner, stranger) = (world.store.control(), Some(world.owner.tenant()), Some(world.stranger.tenant()));
        let alert = || event(&world, owner, EventType::BudgetAlert);
        assert!(!control.raise_event(&mark(&world, 800), &alert(), 10).await.unwrap(), "nobody wants to know yet");
        let (own, platforms, strangers) = (webhook(&world, owner), webhook(&world, None), webhook(&world, stranger));
        let deaf = Webhook { events: [EventType::StatementReady].into(), ..webhook(&world, owner) };
        for webhook in [&own, &platforms, &strangers, &deaf] {
            control.insert_webhook(webhook, 9).await.unwrap();
        }
        let other = world.beside(engine).await;
        let raised = control.raise_event(&mark(&world, 800), &alert(), 10).await.unwrap();
        assert!(raised && !control.raise_event(&mark(&world, 800), &alert(), 10).await.unwrap());
        if let Some(other) = &other {
            assert!(!other.store.control().raise_event(&mark(&world, 800), &alert(), 10).await.unwrap());
        }
        assert!(control.raise_event(&mark(&world, 900), &alert(), 10).await.unwrap());
        // A webhook that has too much before it is passed over.
        assert!(control.raise_event(&mark(&world, 950), &alert(), 2).await.unwrap());
        let told = async |webhook: &Webhook| control.deliveries(webhook.tenant, webhook.id, None, 10).await.unwrap().len();
        assert_eq!((told(&own).await, told(&platforms).await, told(&strangers).await, told(&deaf).await), (2, 2, 0, 0));
    }
}

#[tokio::test]
async fn each_delivery_is_one_nodes_to_send() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, owner) = (world.store.control(), Some(world.owner.tenant()));
        let own = webhook(&world, owner);
        control.insert_webhook(&own, 9).await.unwrap();
        for permille in 1..=3 {
            let alert = event(&world, owner, EventType::BudgetAlert);
            assert!(control.raise_event(&mark(&world, permille), &alert, 10).await.unwrap());
        }
        let other = world.beside(engine).await;
        let (now, claim) = (world.clock.now(), claim(&world));
        let (mine, others) = match &other {
            Some(other) => {
                let theirs = other.store.control();
                let both = tokio::join!(control.claim_deliveries(now, &claim), theirs.claim_deliveries(now, &claim));
                (both.0.unwrap(), both.1.unwrap())
            }
            None => (control.claim_deliveries(now, &claim).await.unwrap(), Vec::new()),
        };
        assert_eq!(mine.len() + others.len(), 2, "so many at once to one webhook, and none twice");
        assert_eq!(claimed(&world).await, 0);
        let first = mine.iter().chain(&others).next().unwrap().clone();
        assert_eq!((first.attempts, &first.webhook), (0, &own));
        let failed = |at| Sending { status: Some(500), error: Some("it failed".to_owned()), next: NextStep::Again(at) };
        control.note_sending(&first, &failed(now.plus(MINUTE / 2))).await.unwrap();
        // Who comes late changes nothing.
        control.note_sending(&first, &failed(now)).await.unwrap();
        assert_eq!(claimed(&world).await, 1, "one place is free");
        world.clock.advance(MINUTE / 2);
        assert_eq!(claimed(&world).await, 0, "two are under way");
        world.clock.advance(MINUTE / 2);
        let lost = control.claim_deliveries(world.clock.now(), &self::claim(&world)).await.unwrap();
        assert_eq!(lost.len(), 2, "what a node took and never reported is sent again");
        for delivery in lost {
            let done = Sending { status: Some(204), error: None, next: NextStep::Delivered(world.clock.now()) };
            control.note_sending(&delivery, &done).await.unwrap();
        }
        let log = control.deliveries(owner, own.id, None, 2).await.unwrap();
        assert!(log.len() == 2 && log[0].event > log[1].event);
        let rest = control.deliveries(owner, own.id, Some(log[1].event), 2).await.unwrap();
        assert_eq!(rest.len(), 1);
        let all: Vec<_> = log.iter().chain(&rest).collect();
        assert_eq!(all.iter().filter(|line| line.state == DeliveryState::Delivered).count(), 2);
    }
}

#[tokio::test]
async fn who_is_switched_off_is_told_nothing_until_it_is_replayed() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, owner, now) = (world.store.control(), Some(world.owner.tenant()), world.clock.now());
        let own = webhook(&world, owner);
        control.insert_webhook(&own, 9).await.unwrap();
        let test = event(&world, owner, EventType::WebhookTest);
        assert!(control.send_event(owner, own.id, &test, 1).await.unwrap());
        let full = event(&world, owner, EventType::WebhookTest);
        assert!(!control.send_event(owner, own.id, &full, 1).await.unwrap());
        let taken = control.claim_deliveries(now, &claim(&world)).await.unwrap();
        let gone = Sending { status: Some(410), error: Some("gone".to_owned()), next: NextStep::SwitchOff };
        control.note_sending(&taken[0], &gone).await.unwrap();
        assert!(!control.webhook(owner, own.id).await.unwrap().active);
        let replay = async || control.replay_delivery(owner, own.id, test.id, now).await;
        assert_eq!(*replay().await.unwrap_err().kind(), ErrorKind::Conflict);
        let on = |webhook| Webhook { active: true, ..webhook };
        control.change_webhook(owner, own.id, on).await.unwrap();
        world.clock.advance(MINUTE);
        assert_eq!(claimed(&world).await, 0);
        replay().await.unwrap();
        let never = control.replay_delivery(owner, own.id, full.id, now).await.unwrap_err();
        assert_eq!(*never.kind(), ErrorKind::NotFound);
        assert_eq!(claimed(&world).await, 1);
    }
}

#[tokio::test]
async fn a_statement_is_told_once_and_old_events_go() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, owner) = (world.store.control(), world.owner.tenant());
        control.insert_webhook(&webhook(&world, Some(owner)), 9).await.unwrap();
        world.clock.advance(MINUTE * 60);
        let month = Window::Month.span(world.clock.now().minus(MINUTE * 60));
        let untold = async || control.statements_untold(month.start, month.end, 10).await.unwrap();
        assert_eq!(untold().await, [owner], "nobody asks for the stranger's");
        let ready = event(&world, Some(owner), EventType::StatementReady);
        assert!(control.raise_event(&Once::Statement(month.start), &ready, 10).await.unwrap());
        assert_eq!(untold().await, []);
        let own = control.webhooks_of(Some(owner)).await.unwrap().remove(0);
        let log = async || control.deliveries(own.tenant, own.id, None, 10).await.unwrap().len();
        control.prune_webhook_log(ready.created_at, Timestamp::default(), 10).await.unwrap();
        assert_eq!(log().await, 1);
        control.prune_webhook_log(ready.created_at.plus(MINUTE), Timestamp::default(), 10).await.unwrap();
        assert_eq!((log().await, untold().await.len()), (0, 0), "the event goes, the memory of it stays");
        world.store.erase_tenant(&world.owner, world.clock.now()).await.unwrap();
        assert_eq!(control.webhooks_of(Some(owner)).await.unwrap(), []);
        let late = control.insert_webhook(&own, 9).await.unwrap_err();
        assert_eq!(*late.kind(), ErrorKind::NotFound, "nothing is written for who is gone");
    }
}
