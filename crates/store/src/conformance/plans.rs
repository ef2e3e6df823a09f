//! Plans and segments, and what tenants inherit of them.

use insula_model::{
    Budget, BudgetMode, BudgetOrigin, BudgetTerms, CacheRules, Cap, Clock, Defaults, ErrorKind, Limits, Plan, Price, Routing,
    Segment, SellPrice, Slug, Subject, Tenant, VectorCollection, VectorRules, Window,
};

use super::world::{Engine, World, tenant, usd};

fn slug(name: &str) -> Slug {
    name.to_owned().try_into().unwrap()
}

/// Hard budgets in USD of these windows.
fn defaults(caps: &[(Window, &str)]) -> Defaults {
    let terms = |(window, cap): &(Window, &str)| BudgetTerms {
        window: *window,
        cap: Cap::Usd(usd(cap)),
        mode: BudgetMode::Hard,
        alert_at: vec![0.5],
    };
    Defaults {
        limits: Limits { concurrency: Some(4), ..Limits::default() },
        budgets: caps.iter().map(terms).collect(),
        models: Some(vec!["sim-small".to_owned()]),
        routing: Routing { attempts_max: Some(2), ..Routing::default() },
        cache: CacheRules { enabled: Some(true), ..CacheRules::default() },
        vectors: VectorRules { collection: Some(VectorCollection::Own) },
        embedder: Some("sim-embed".to_owned()),
    }
}

fn plan(world: &World, name: &str, caps: &[(Window, &str)]) -> Plan {
    let price = SellPrice {
        model: SellPrice::ANY_MODEL.to_owned(),
        effective_from: world.clock.now(),
        price: Price::per_million("2", "8").unwrap(),
    };
    Plan { name: slug(name), defaults: defaults(caps), prices: vec![price], version: 1, created_at: world.clock.now() }
}

fn segment(world: &World, name: &str, caps: &[(Window, &str)]) -> Segment {
    Segment { name: slug(name), defaults: defaults(caps), version: 1, created_at: world.clock.now() }
}

/// Where the budgets come from, and how much each allows.
fn shown(budgets: &[Budget]) -> Vec<(BudgetOrigin, Window, Cap)> {
    budgets.iter().map(|budget| (budget.origin, budget.window, budget.cap)).collect()
}

async fn budgets_of(world: &World, tenant: &Tenant) -> Vec<Budget> {
    world.store.control().budgets_of(Some(tenant.id)).await.unwrap()
}

#[tokio::test]
async fn plans_and_segments_are_kept() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        let (pro, eu) = (plan(&world, "pro", &[(Window::Day, "9000000")]), segment(&world, "eu", &[]));
        assert_eq!(control.put_plan(&pro).await.unwrap(), (pro.clone(), vec![]));
        assert_eq!(control.put_segment(&eu).await.unwrap(), (eu.clone(), vec![]));
        assert_eq!((control.plans().await.unwrap(), control.segments().await.unwrap()), (vec![pro.clone()], vec![eu.clone()]));

        let later = world.clock.now().plus(std::time::Duration::from_secs(9));
        let changed = Plan { defaults: Defaults::default(), prices: vec![], created_at: later, ..pro.clone() };
        let (stored, _) = control.put_plan(&changed).await.unwrap();
        assert_eq!(stored, Plan { version: 2, created_at: pro.created_at, ..changed }, "it was created when it was");
        assert_eq!(control.plans().await.unwrap(), [stored]);
        let (stored, _) = control.put_segment(&Segment { created_at: later, ..eu.clone() }).await.unwrap();
        assert_eq!(stored, Segment { version: 2, ..eu.clone() });

        control.delete_plan(&pro.name).await.unwrap();
        control.delete_segment(&eu.name).await.unwrap();
        assert_eq!(control.delete_plan(&pro.name).await.unwrap_err().kind(), &ErrorKind::NotFound);
        assert_eq!(control.delete_segment(&eu.name).await.unwrap_err().kind(), &ErrorKind::NotFound);
        assert!(control.plans().await.unwrap().is_empty() && control.segments().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_tenants_budgets_follow_its_plan_and_segment() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        control.put_plan(&plan(&world, "free", &[(Window::Day, "1"), (Window::Month, "2")])).await.unwrap();
        control.put_plan(&plan(&world, "pro", &[(Window::Day, "10")])).await.unwrap();
        control.put_segment(&segment(&world, "eu", &[(Window::Month, "3")])).await.unwrap();
        let day = |origin, cap| (origin, Window::Day, Cap::Usd(usd(cap)));
        let month = |origin, cap| (origin, Window::Month, Cap::Usd(usd(cap)));
        use BudgetOrigin::{Own, Plan as OfPlan, Segment as OfSegment};

        // From its first moment on.
        let models = Some(vec!["m".to_owned(), "sim/n".to_owned()]);
        let new = Tenant { plan: Some(slug("free")), models, ..tenant(&world.ids(), "initech", world.clock.now()) };
        let inherited = world.store.create_tenant(&new).await.unwrap();
        assert_eq!(shown(&inherited), [day(OfPlan, "1"), month(OfPlan, "2")]);
        assert_eq!(budgets_of(&world, &new).await, inherited);
        assert_eq!(control.tenant(new.id).await.unwrap(), Some(new.clone()));

        // A budget of its own stands in for the inherited one, under the same id, until it is taken away.
        let own = Budget { cap: Cap::Usd(usd("5")), origin: Own, ..inherited[0].clone() };
        let subject = Subject::Tenant(new.id);
        let all = control.replace_budgets(&subject, std::slice::from_ref(&own)).await.unwrap();
        assert_eq!(shown(&all), [day(Own, "5"), month(OfPlan, "2")]);
        assert_eq!((all[0].id, all[1].id), (inherited[0].id, inherited[1].id));
        // The segment comes before the plan.
        let moved = Tenant { segment: Some(slug("eu")), version: 2, ..new.clone() };
        let all = control.update_tenant(&moved, 1).await.unwrap();
        assert_eq!(shown(&all), [day(Own, "5"), month(OfSegment, "3")]);
        assert_eq!(control.replace_budgets(&subject, &[]).await.unwrap().len(), 2);

        // Another plan is one change; the ids stay.
        let upgraded = Tenant { plan: Some(slug("pro")), version: 3, ..moved };
        let all = control.update_tenant(&upgraded, 2).await.unwrap();
        assert_eq!(shown(&all), [month(OfSegment, "3"), day(OfPlan, "10")]);
        assert_eq!(all[1].id, inherited[0].id);
        // A change of the plan reaches its tenants and nobody else.
        let (_, heirs) = control.put_plan(&plan(&world, "pro", &[(Window::Hour, "7")])).await.unwrap();
        assert_eq!(heirs, [(new.id, budgets_of(&world, &new).await)]);
        assert_eq!(shown(&heirs[0].1), [month(OfSegment, "3"), (OfPlan, Window::Hour, Cap::Usd(usd("7")))]);
        assert!(control.put_plan(&plan(&world, "free", &[])).await.unwrap().1.is_empty());
        assert_eq!(control.budgets_of(Some(world.owner.tenant())).await.unwrap(), []);
        let (_, heirs) = control.put_segment(&segment(&world, "eu", &[])).await.unwrap();
        assert_eq!(shown(&heirs[0].1), [(OfPlan, Window::Hour, Cap::Usd(usd("7")))]);
    }
}

#[tokio::test]
async fn what_is_used_stays_and_what_is_unknown_is_refused() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let control = world.store.control();
        let new = tenant(&world.ids(), "initech", world.clock.now());
        let unknown = world.store.create_tenant(&Tenant { plan: Some(slug("gold")), ..new.clone() }).await.unwrap_err();
        assert_eq!((unknown.kind(), unknown.param()), (&ErrorKind::Invalid, Some("plan")));
        control.put_plan(&plan(&world, "pro", &[(Window::Day, "1")])).await.unwrap();
        control.put_segment(&segment(&world, "eu", &[])).await.unwrap();
        let new = Tenant { plan: Some(slug("pro")), ..new };
        world.store.create_tenant(&new).await.unwrap();
        let unknown = control.update_tenant(&Tenant { segment: Some(slug("us")), version: 2, ..new.clone() }, 1).await;
        let unknown = unknown.unwrap_err();
        assert_eq!((unknown.kind(), unknown.param()), (&ErrorKind::Invalid, Some("segment")));
        assert_eq!(control.tenant(new.id).await.unwrap(), Some(new.clone()), "a refused change changes nothing");

        let both = Tenant { segment: Some(slug("eu")), version: 2, ..new.clone() };
        control.update_tenant(&both, 1).await.unwrap();
        assert_eq!(control.delete_plan(&slug("pro")).await.unwrap_err().kind(), &ErrorKind::Conflict);
        assert_eq!(control.delete_segment(&slug("eu")).await.unwrap_err().kind(), &ErrorKind::Conflict);
        assert_eq!(budgets_of(&world, &new).await.len(), 1);

        // Whoever is erased has no plan any more, and nothing inherited is left.
        let scope = insula_model::TenantScope::mint(new.id, insula_model::ScopeSource::Operator);
        world.store.erase_tenant(&scope, world.clock.now()).await.unwrap();
        assert!(budgets_of(&world, &new).await.is_empty());
        control.delete_plan(&slug("pro")).await.unwrap();
        control.delete_segment(&slug("eu")).await.unwrap();
    }
}
