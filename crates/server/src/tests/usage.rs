use super::*;

#[tokio::test]
async fn spans_are_checked() {
    let world = World::new().await;
    let path = "/api/v1/tenants/acme/usage";
    assert_eq!(world.get(path, &world.acme.admin).await.status, 200);
    let good = "?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00%2B01:00&group_by=model";
    assert_eq!(world.get(&format!("{path}{good}"), &world.acme.admin).await.status, 200);
    for group_by in ["end_user", "tag:team", "tag:a%26b"] {
        assert_eq!(world.get(&format!("{path}?group_by={group_by}"), &world.acme.admin).await.status, 200, "{group_by}");
    }
    for (query, field) in [
        ("from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("from=2020-01-01T00:00:00Z", "from"),
        ("from=yesterday", "from"),
        ("group_by=colour", "group_by"),
        ("group_by=tag:", "group_by"),
        ("since=x", "since"),
    ] {
        let reply = world.get(&format!("{path}?{query}"), &world.acme.admin).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)), "{query}: {reply:?}");
    }
}

#[tokio::test]
async fn an_untouched_ledger_agrees_with_itself() {
    let world = World::new().await;
    let found = world.get("/api/v1/ledger/verification", &world.operator).await;
    let want = json!({"rows": 0, "ledger_usd": "0.00", "accounts_usd": "0.00", "difference_usd": "0.00", "mismatches": []});
    assert_eq!(found.body, want);
}
