//! A tenant's own credentials at providers, seen by their owner and by another tenant.

use std::time::Duration;

use insula_model::{Clock, CredentialId, CredentialMark, CredentialOwner, Money, ProviderOrigin, Tenant, TenantScope};

use super::{
    export::read_all,
    samples::{row, settle},
    world::{Engine, World, usd},
};
use crate::{AttemptQuery, ChargeQuery, GroupBy, PriceDates, ProviderCredentialRow, UsageQuery};

/// Stores a credential for the provider `sim`.
pub(super) async fn keep(world: &World, scope: &TenantScope) -> ProviderCredentialRow {
    let credential = world.ids().credential();
    let seals = world.store.seals(scope).await.unwrap();
    let sealed_secret = seals.seal("provider_credentials", "secret", credential.as_bytes(), b"sk-own", world.random());
    let row = ProviderCredentialRow { credential, provider: "sim".to_owned(), stored_at: world.clock.now(), sealed_secret };
    world.store.tenant(scope).await.unwrap().keep_provider_credential(&row).await.unwrap();
    row
}

#[tokio::test]
async fn credentials_are_their_tenants() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let row = keep(&world, &world.owner).await;
        let others = keep(&world, &world.stranger).await;
        let (owner, stranger) =
            (world.store.tenant(&world.owner).await.unwrap(), world.store.tenant(&world.stranger).await.unwrap());
        assert_eq!(owner.provider_credential(row.credential).await.unwrap(), Some(row.clone()), "{engine:?}");
        assert_eq!(stranger.provider_credential(row.credential).await.unwrap(), None);
        let now = world.clock.now();
        stranger.forget_provider_credential(Some(row.credential), "none", None, now).await.unwrap();
        assert!(owner.provider_credential(row.credential).await.unwrap().is_some(), "nobody else forgets it");

        // It opens for its tenant and in its row, and nowhere else.
        let opened = async |scope: &TenantScope, id: CredentialId| {
            let seals = world.store.seals(scope).await.unwrap();
            seals.open("provider_credentials", "secret", id.as_bytes(), &row.sealed_secret).ok()
        };
        assert_eq!(opened(&world.owner, row.credential).await.as_deref(), Some(&b"sk-own"[..]));
        assert_eq!(opened(&world.stranger, row.credential).await, None);
        assert_eq!(opened(&world.owner, others.credential).await, None);

        let world = {
            drop((owner, stranger));
            world.reopen().await
        };
        let owner = world.store.tenant(&world.owner).await.unwrap();
        assert_eq!(
            owner.provider_credential(row.credential).await.unwrap(),
            Some(row.clone()),
            "after a restart of {engine:?}"
        );
        owner.forget_provider_credential(Some(row.credential), "sim", None, row.stored_at).await.unwrap();
        assert_eq!(owner.provider_credential(row.credential).await.unwrap(), None);
        let stranger = world.store.tenant(&world.stranger).await.unwrap();
        assert_eq!(stranger.provider_credential(others.credential).await.unwrap(), Some(others));
    }
}

#[tokio::test]
async fn what_was_left_behind_goes() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let left = keep(&world, &world.owner).await;
        world.clock.advance(Duration::from_secs(60));
        let (kept, new) = (keep(&world, &world.owner).await, keep(&world, &world.owner).await);
        let tenant = world.store.tenant(&world.owner).await.unwrap();
        let there = async |row: &ProviderCredentialRow| tenant.provider_credential(row.credential).await.unwrap().is_some();
        tenant.forget_provider_credential(None, "other", Some(kept.credential), world.clock.now()).await.unwrap();
        assert!(there(&left).await, "of another provider on {engine:?}");
        tenant.forget_provider_credential(None, "sim", Some(kept.credential), kept.stored_at).await.unwrap();
        assert!(!there(&left).await && there(&kept).await && there(&new).await, "what is young may be on its way in");
        world.clock.advance(Duration::from_secs(60));
        tenant.forget_provider_credential(None, "sim", Some(kept.credential), world.clock.now()).await.unwrap();
        assert!(there(&kept).await && !there(&new).await, "what counts stays however old it is");
    }
}

#[tokio::test]
async fn a_tenants_record_says_which_count() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        let found = control.tenant(world.owner.tenant()).await.unwrap().unwrap();
        assert!(found.provider_credentials.is_empty());
        let mark = CredentialMark {
            id: world.ids().credential(),
            origin: ProviderOrigin { kind: "openai".to_owned(), address: "https://example.com:443".to_owned() },
            created_at: world.clock.now(),
            updated_at: world.clock.now(),
        };
        let marks = [("sim".to_owned(), mark)].into();
        let with = Tenant { provider_credentials: marks, version: found.version + 1, ..found.clone() };
        control.update_tenant(&with, found.version).await.unwrap();
        assert_eq!(control.tenant(world.owner.tenant()).await.unwrap(), Some(with), "{engine:?}");
        let other = control.tenant(world.stranger.tenant()).await.unwrap().unwrap();
        assert!(other.provider_credentials.is_empty());
    }
}

#[tokio::test]
async fn the_ledger_tells_whose_account_paid() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let now = world.clock.now();
        let attempt = |scope: &TenantScope, owner, cost| {
            let mut row = row(&world, scope, world.ids().request([1; 4]), now, usd(cost));
            row.begin.attribution.credential = owner;
            row
        };
        let own = attempt(&world.owner, CredentialOwner::Tenant, "0.30");
        let rows = [
            own.clone(),
            attempt(&world.owner, CredentialOwner::Platform, "2.00"),
            attempt(&world.stranger, CredentialOwner::Tenant, "7.00"),
        ];
        settle(&world, &rows).await;
        world.store.flush().await.unwrap();
        let (control, scope) = (world.store.control(), world.owner);
        let until = now.plus(Duration::from_secs(60));
        assert_eq!(control.own_spent_before(&scope, until).await.unwrap(), usd("0.30"), "{engine:?}");
        assert_eq!(control.own_spent_before(&scope, now).await.unwrap(), Money::ZERO);

        let query = UsageQuery { tenant: Some(scope), from: now, to: until, group_by: GroupBy::Credential };
        let usage = control.usage(&query).await.unwrap();
        let usage: Vec<_> = usage.iter().map(|row| (row.group.as_deref(), row.cost)).collect();
        assert_eq!(usage, [(Some("platform"), usd("2.00")), (Some("tenant"), usd("0.30"))]);

        let span = insula_model::WindowSpan { start: now, end: until };
        let charges = control.charges(ChargeQuery { scope, span, dates: PriceDates::default(), by_tags: false }).await.unwrap();
        let mut costs: Vec<_> = charges.iter().flat_map(|(_, rows)| rows).map(|row| (row.credential, row.sums.cost)).collect();
        costs.sort_by_key(|(_, cost)| *cost);
        assert_eq!(costs, [(CredentialOwner::Tenant, usd("0.30")), (CredentialOwner::Platform, usd("2.00"))]);

        let sought = AttemptQuery {
            scope,
            span,
            model: None,
            operation: None,
            cause: None,
            price_row: None,
            plan: None,
            credential: Some(CredentialOwner::Tenant),
            key: None,
            tag: None,
            after: None,
            limit: 10,
        };
        let found = control.charged_attempts(sought).await.unwrap();
        assert_eq!(found.iter().map(|row| row.begin.attempt).collect::<Vec<_>>(), [own.begin.attempt]);
        let rows = read_all(&world, Some(scope), 2).await;
        let exported = rows.iter().find(|entry| entry.begin.attempt == own.begin.attempt);
        assert_eq!(exported.map(|entry| entry.begin.attribution.credential), Some(CredentialOwner::Tenant));
    }
}
