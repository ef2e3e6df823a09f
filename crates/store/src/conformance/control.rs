//! Tenants, keys, budgets and limits.

use insula_model::{
    Budget, BudgetMode, Cap, Clock, ErrorKind, Key, Limits, Role, Routing, Subject, Tenant, TenantState, Window,
};

use super::{
    samples::KEY,
    world::{Engine, World, tenant, usd},
};
use crate::OperatorKey;

fn kind<T: std::fmt::Debug>(result: insula_model::Result<T>) -> ErrorKind {
    result.unwrap_err().kind().clone()
}

#[tokio::test]
async fn tenants_are_made_and_changed() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        let tenants = control.tenants().await.unwrap();
        let slugs: Vec<&str> = tenants.iter().map(|tenant| tenant.slug.as_str()).collect();
        assert_eq!(slugs, ["acme", "globex"]);

        let new = |slug: &str| tenant(&world.ids(), slug, world.clock.now());
        let taken = world.store.create_tenant(&Tenant { external_id: None, ..new("acme") }).await.unwrap_err();
        assert_eq!((taken.kind(), taken.param()), (&ErrorKind::Conflict, Some("slug")));
        let taken = Tenant { external_id: Some("crm-acme".to_owned()), ..new("initech") };
        let taken = world.store.create_tenant(&taken).await.unwrap_err();
        assert_eq!((taken.kind(), taken.param()), (&ErrorKind::Conflict, Some("external_id")));

        let acme = &tenants[0];
        let routing = Routing { attempts_max: Some(2), ..Routing::default() };
        let changed =
            Tenant { state: TenantState::Suspended, region: Some("eu".to_owned()), routing, version: 2, ..acme.clone() };
        control.update_tenant(&changed, 1).await.unwrap();
        assert_eq!(control.tenants().await.unwrap()[0], changed);
        assert_eq!(control.tenant(acme.id).await.unwrap(), Some(changed.clone()));
        assert_eq!(control.tenant(new("nobody").id).await.unwrap(), None);
        assert_eq!(kind(control.update_tenant(acme, 1).await), ErrorKind::PreconditionFailed);
        assert_eq!(kind(control.update_tenant(&new("nobody"), 1).await), ErrorKind::NotFound);
        let taken = Tenant { slug: tenants[1].slug.clone(), ..changed };
        assert_eq!(kind(control.update_tenant(&taken, 2).await), ErrorKind::Conflict);
    }
}

#[tokio::test]
async fn keys_are_added_and_revoked() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, now) = (world.store.control(), world.clock.now());
        let key = Key {
            id: KEY,
            tenant: world.owner.tenant(),
            name: "ci".to_owned().try_into().unwrap(),
            role: Role::Admin,
            hash: [3; 32],
            tags: [("team".to_owned(), "core".to_owned())].into(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
        };
        control.insert_key(&key).await.unwrap();
        assert_eq!(kind(control.insert_key(&key).await), ErrorKind::Conflict);
        let revoked = Key { revoked_at: Some(now), expires_at: Some(now), ..key.clone() };
        control.update_key(&revoked, &key).await.unwrap();
        // Whoever replaces what somebody else has replaced first is told, and nothing is lost.
        assert_eq!(kind(control.update_key(&key, &key).await), ErrorKind::PreconditionFailed);
        assert_eq!(control.keys().await.unwrap(), std::slice::from_ref(&revoked));
        // Another tenant's key looks like none at all.
        let strangers = Key { tenant: world.stranger.tenant(), ..revoked.clone() };
        assert_eq!(kind(control.update_key(&strangers, &revoked).await), ErrorKind::NotFound);
        assert_eq!(control.key(strangers.tenant, KEY).await.unwrap(), None);
        assert_eq!(control.keys_of(strangers.tenant).await.unwrap(), []);
        assert_eq!(control.key(revoked.tenant, KEY).await.unwrap(), Some(revoked.clone()));
        assert_eq!(control.keys_of(revoked.tenant).await.unwrap(), [revoked]);

        let operator = OperatorKey {
            id: KEY,
            name: "root".to_owned().try_into().unwrap(),
            hash: [4; 32],
            created_at: now,
            revoked_at: None,
        };
        control.insert_operator_key(&operator).await.unwrap();
        control.revoke_operator_key(KEY, now).await.unwrap();
        control.revoke_operator_key(KEY, now.plus(std::time::Duration::from_secs(1))).await.unwrap();
        assert_eq!(control.operator_keys().await.unwrap(), [OperatorKey { revoked_at: Some(now), ..operator }]);
        assert_eq!(kind(control.revoke_operator_key(world.ids().key(), now).await), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn budgets_and_limits_are_replaced() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        let subject = Subject::Key(world.owner.tenant(), KEY);
        let budget = |window, cap, mode| Budget {
            id: world.ids().budget(),
            subject,
            window,
            cap,
            mode,
            alert_at: vec![0.5, 0.8],
            origin: Default::default(),
        };
        let platform = Budget { subject: Subject::Platform, ..budget(Window::Hour, Cap::Tokens(0), BudgetMode::Hard) };
        control.replace_budgets(&Subject::Platform, std::slice::from_ref(&platform)).await.unwrap();
        let both = [
            budget(Window::Month, Cap::Usd(usd("9000000")), BudgetMode::Hard),
            budget(Window::Day, Cap::Tokens(5), BudgetMode::Soft),
        ];
        control.replace_budgets(&subject, &both).await.unwrap();
        assert_eq!(control.budgets().await.unwrap(), [platform.clone(), both[0].clone(), both[1].clone()]);
        assert_eq!(control.budgets_of(Some(world.owner.tenant())).await.unwrap(), both);
        assert_eq!(control.budgets_of(Some(world.stranger.tenant())).await.unwrap(), []);
        assert_eq!(control.budgets_of(None).await.unwrap(), std::slice::from_ref(&platform));
        control.replace_budgets(&subject, &[]).await.unwrap();
        assert_eq!(control.budgets().await.unwrap(), [platform]);

        let limits = Limits {
            requests_per_minute: Some(u32::MAX),
            concurrency: Some(1),
            queue_depth_max: Some(0),
            weight: Some(7),
            mode: Some(insula_model::ReleaseMode::Predictable),
            provider_isolation: Some(insula_model::ProviderIsolation::Prefixed),
            ..Limits::default()
        };
        control.put_limits(&subject, &limits).await.unwrap();
        assert_eq!(control.limits().await.unwrap(), [(subject, limits)]);
        assert_eq!(control.limits_of(world.owner.tenant()).await.unwrap(), [(subject, limits)]);
        assert_eq!(control.limits_of(world.stranger.tenant()).await.unwrap(), []);
        control.put_limits(&subject, &Limits::default()).await.unwrap();
        assert_eq!(control.limits().await.unwrap(), [(subject, Limits::default())]);
    }
}
