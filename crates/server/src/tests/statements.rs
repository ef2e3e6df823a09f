use insula_model::{Cause, Money};

use super::{
    requests::{settled, settled_as},
    *,
};

const STATEMENTS: &str = "/api/v1/tenants/acme/statements";

fn usd(value: &Value) -> i128 {
    let text = value.as_str().unwrap_or_else(|| panic!("no money: {value}"));
    let amount = Money::from_usd(text.trim_start_matches('-')).expect("money").pico();
    if text.starts_with('-') { -amount } else { amount }
}

fn sum(rows: &Value, field: &str) -> i128 {
    rows.as_array().expect("a list").iter().map(|row| usd(&row[field])).sum()
}

/// February: 1.00. March: 2.00 with a key, 4.00 without, 8.00 retried by another model with a label, of which 0.50 was given
/// back. Another tenant's attempt beside them.
async fn furnished() -> World {
    let world = World::new().await;
    let february = Timestamp::parse("2026-02-28T23:59:59.999999Z").expect("a time");
    settled_as(&world, &world.acme, "1.00", |begin, _| begin.reserved_at = february);
    settled(&world, &world.acme, "2.00");
    settled_as(&world, &world.acme, "4.00", |begin, end| (begin.key, end.estimated) = (None, true));
    settled_as(&world, &world.acme, "8.00", |begin, _| {
        (begin.cause, begin.model) = (Cause::Retry, "sim-large".to_owned());
        begin.attribution.tags = [("team".to_owned(), "r&d".to_owned())].into();
    });
    settled(&world, &world.globex, "64.00");
    let order = json!({"amount_usd": "0.50", "reason": "an outage"});
    let given = world.call("POST", "/api/v1/tenants/acme/credits", &world.operator, Some(order)).await;
    assert_eq!((given.status.as_u16(), given.text("month"), given.text("amount_usd")), (201, "2026-03", "0.50"), "{given:?}");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_adds_up() {
    let world = furnished().await;
    let statement = world.get(&format!("{STATEMENTS}/2026-03?tag=team"), &world.acme.admin).await;
    assert_eq!(statement.status, 200, "{statement:?}");
    let texts = ["month", "timezone", "state", "opening_usd", "amount_usd", "credited_usd", "closing_usd"];
    let texts = texts.map(|field| statement.text(field));
    assert_eq!(texts, ["2026-03", "UTC", "open", "1.00", "14.00", "0.50", "14.50"]);
    let body = &statement.body;
    assert_eq!((&body["attempts"], &body["estimated"]), (&json!(3), &json!(1)));
    for view in ["charges", "by_model", "by_operation", "by_key", "by_tag"] {
        assert_eq!(sum(&body[view], "amount_usd"), usd(&json!("14.00")), "{view}");
    }
    let named = |view: &str| {
        let rows = body[view].as_array().expect("a list").iter();
        rows.map(|row| (row["group"].as_str().map(str::to_owned), row["amount_usd"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(named("by_tag"), [(None, json!("6.00")), (Some("r&d".to_owned()), json!("8.00"))]);
    assert_eq!(named("by_key"), [(None, json!("4.00")), (Some(world.acme.service_id.clone()), json!("10.00"))]);
    assert_eq!((&body["by_cause"]["base"], &body["by_cause"]["retry"]), (&json!("6.00"), &json!("8.00")));
    assert_eq!((&body["credits"][0]["reason"], &body["credits"][0]["amount_usd"]), (&json!("an outage"), &json!("0.50")));
    let bridge = &body["bridge"];
    assert_eq!(
        (&bridge["from_usd"], &bridge["to_usd"], &bridge["difference_usd"]),
        (&json!("1.00"), &json!("14.00"), &json!("13.00"))
    );
    assert_eq!(sum(&bridge["drivers"], "amount_usd"), usd(&json!("13.00")));

    let before = world.get(&format!("{STATEMENTS}/2026-02"), &world.acme.admin).await;
    let texts = ["state", "opening_usd", "amount_usd", "credited_usd", "closing_usd"].map(|field| before.text(field));
    assert_eq!(texts, ["closed", "0.00", "1.00", "0.00", "1.00"]);
    assert!(before.body.get("by_tag").is_none(), "only where it is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_leads_to_its_attempts() {
    let world = furnished().await;
    let statement = world.get(&format!("{STATEMENTS}/2026-03?tag=team"), &world.acme.admin).await.body;
    let mut followed = 0;
    for view in ["charges", "by_model", "by_operation", "by_key", "by_tag"] {
        for row in statement[view].as_array().expect("a list").iter().filter(|row| row["drill"].is_string()) {
            let mut attempts = Vec::new();
            let mut next = Some(format!("{}&limit=1", row["drill"].as_str().expect("a link")));
            while let Some(path) = next {
                let page = world.get(&path, &world.acme.admin).await;
                assert_eq!(page.status, 200, "{page:?}");
                attempts.extend(page.body["data"].as_array().expect("data").clone());
                let cursor = page.body["next_cursor"].as_str();
                next = cursor.map(|cursor| format!("{}&limit=1&cursor={cursor}", row["drill"].as_str().expect("a link")));
            }
            let total = sum(&json!(attempts), "amount_usd");
            assert_eq!((json!(attempts.len()), total), (row["attempts"].clone(), usd(&row["amount_usd"])), "{row}");
            followed += 1;
        }
    }
    assert_eq!(followed, 2 + 2 + 1 + 2 + 1);
    let attempts = world.get(&format!("{STATEMENTS}/2026-03/attempts?cause=retry"), &world.acme.admin).await;
    let attempt = &attempts.body["data"][0];
    let request =
        world.get(&format!("/api/v1/requests/{}", attempt["request"].as_str().expect("an id")), &world.acme.admin).await;
    assert_eq!(request.body["attempts"][0]["id"], attempt["id"]);
    assert_eq!(attempt["price_row"], json!({"id": "simulator/sim-small@2026-01-01", "rates": null}));
    for (query, field) in
        [("key=x", "key"), ("cursor=x", "cursor"), ("limit=0", "limit"), ("tag=team", "tag"), ("cause=x", "cause")]
    {
        let reply = world.get(&format!("{STATEMENTS}/2026-03/attempts?{query}"), &world.acme.admin).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn margin_is_the_operators_alone() {
    let world = furnished().await;
    for path in ["2026-03", "2026-03/attempts"] {
        let path = format!("{STATEMENTS}/{path}");
        let refused = world.get(&format!("{path}?include=margin"), &world.acme.admin).await;
        assert_eq!((refused.status.as_u16(), refused.body["param"].as_str()), (403, Some("include")), "{refused:?}");
        let shown = world.get(&format!("{path}?include=margin"), &world.operator).await.body.to_string();
        assert!(shown.contains("cost_usd") && shown.contains("margin_usd"), "{shown}");
        for caller in [&world.acme.admin, &world.operator] {
            let shown = world.get(&path, caller).await.body.to_string();
            assert!(!shown.contains("cost_usd") && !shown.contains("margin_usd"), "{shown}");
        }
    }
    let statement = world.get(&format!("{STATEMENTS}/2026-03?include=margin"), &world.operator).await;
    assert_eq!((statement.text("cost_usd"), statement.text("margin_usd")), ("14.00", "0.00"), "no plan sells at another price");
}

#[tokio::test]
async fn months_are_listed_and_checked() {
    let world = furnished().await;
    let listed = world.get(STATEMENTS, &world.acme.admin).await;
    let months: Vec<_> = listed.body["data"].as_array().expect("data").iter().map(|m| (&m["month"], &m["state"])).collect();
    assert_eq!(months, [(&json!("2026-03"), &json!("open")), (&json!("2026-02"), &json!("closed"))]);
    let link = listed.body["data"][1]["statement"].as_str().expect("a link");
    assert_eq!(world.get(link, &world.acme.admin).await.text("month"), "2026-02");
    let untouched = world.get("/api/v1/tenants/globex/statements/2025-12", &world.globex.admin).await;
    assert_eq!((untouched.text("amount_usd"), untouched.text("closing_usd")), ("0.00", "0.00"));
    for (month, says) in [("2026-04", "has not begun"), ("2026-3", "YYYY-MM"), ("march", "YYYY-MM"), ("2026-13", "YYYY-MM")] {
        for below in ["", "/attempts", "/comparison/globex"] {
            let reply = world.get(&format!("{STATEMENTS}/{month}{below}"), &world.operator).await;
            assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some("month")), "{reply:?}");
            assert!(reply.text("detail").contains(says), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn credits_are_given_by_operators() {
    let world = World::new().await;
    let path = "/api/v1/tenants/acme/credits";
    let order = |amount: &str| json!({"amount_usd": amount, "reason": "sorry"});
    assert_eq!(world.call("POST", path, &world.acme.admin, Some(order("1"))).await.status, 403);
    assert_eq!(world.get(path, &world.acme.admin).await.status, 403);
    assert_eq!(world.call("POST", path, &world.globex.admin, Some(order("1"))).await.status, 404);
    for (order, field) in [
        (order("0"), "amount_usd"),
        (order("-1"), "amount_usd"),
        (json!({"amount_usd": "1"}), "reason"),
        (json!({"amount_usd": "1", "reason": ""}), "reason"),
        (json!({"amount_usd": "1", "reason": "x", "month": "2026-01"}), "month"),
    ] {
        let reply = world.call("POST", path, &world.operator, Some(order.clone())).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)), "{order}: {reply:?}");
    }
    for amount in ["1", "2"] {
        assert_eq!(world.call("POST", path, &world.operator, Some(order(amount))).await.status, 201);
    }
    let first = world.get(&format!("{path}?limit=1"), &world.operator).await;
    let cursor = first.text("next_cursor");
    let second = world.get(&format!("{path}?limit=1&cursor={cursor}"), &world.operator).await;
    let total = sum(&first.body["data"], "amount_usd") + sum(&second.body["data"], "amount_usd");
    assert_eq!((total, &second.body["next_cursor"]), (usd(&json!("3")), &Value::Null));
    let statement = world.get(&format!("{STATEMENTS}/2026-03"), &world.acme.admin).await;
    assert_eq!((statement.text("credited_usd"), statement.text("closing_usd")), ("3.00", "-3.00"));
}

#[tokio::test]
async fn two_tenants_are_compared() {
    let world = furnished().await;
    let path = format!("{STATEMENTS}/2026-03/comparison/globex");
    let compared = world.get(&path, &world.operator).await;
    assert_eq!(compared.status, 200, "{compared:?}");
    let (one, other, bridge) = (&compared.body["one"], &compared.body["other"], &compared.body["bridge"]);
    assert_eq!((&one["tenant"], &one["amount_usd"]), (&json!("acme"), &json!("14.00")));
    assert_eq!((&other["tenant"], &other["amount_usd"]), (&json!("globex"), &json!("64.00")));
    assert_eq!(sum(&bridge["drivers"], "amount_usd"), usd(&json!("50.00")));
    assert!(compared.body["words"][0].as_str().expect("words").contains("50.00 USD more"), "{compared:?}");
    let same = world.get(&format!("{STATEMENTS}/2026-03/comparison/acme"), &world.operator).await;
    assert_eq!(same.body["bridge"]["difference_usd"], "0.00");
    assert_eq!(world.get(&path, &world.acme.admin).await.status, 403);
    assert_eq!(world.get(&path, &world.globex.admin).await.status, 404);
    assert_eq!(world.get(&format!("{STATEMENTS}/2026-03/comparison/nobody"), &world.operator).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_with_prices_is_charged_by_them() {
    let world = World::new().await;
    let price = |model: &str, from: &str, input: &str| json!({"model": model, "effective_from": from, "input_usd_per_million": input, "output_usd_per_million": input});
    let prices =
        json!([price("sim-small", "2026-03-01T00:00:00Z", "1.00"), price("sim-small", "2026-03-10T00:00:00Z", "3.00")]);
    let put = world.call("PUT", "/api/v1/plans/pro", &world.operator, Some(json!({"prices": prices}))).await;
    assert!(put.status.is_success(), "{put:?}");
    // Seven tokens each: at cost before the plan has prices, at one and at three dollars a million in March, and one without a plan at cost.
    for (moment, plan) in [
        ("2026-02-10T00:00:00Z", Some("pro")),
        ("2026-03-09T23:59:59Z", Some("pro")),
        ("2026-03-10T00:00:00Z", Some("pro")),
        ("2026-03-11T00:00:00Z", None),
    ] {
        settled_as(&world, &world.acme, "0.000002", |begin, _| {
            begin.reserved_at = Timestamp::parse(moment).expect("a time");
            begin.attribution.plan = plan.map(str::to_owned);
        });
    }
    let statement = world.get(&format!("{STATEMENTS}/2026-03?include=margin"), &world.operator).await;
    let texts = ["opening_usd", "amount_usd", "cost_usd", "margin_usd", "closing_usd"].map(|field| statement.text(field));
    assert_eq!(texts, ["0.000002", "0.00003", "0.000006", "0.000024", "0.000032"], "{statement:?}");
    let mut rows = Vec::new();
    for line in statement.body["charges"].as_array().expect("a list") {
        let attempts = world.get(line["drill"].as_str().expect("a link"), &world.acme.admin).await;
        assert_eq!(sum(&attempts.body["data"], "amount_usd"), usd(&line["amount_usd"]), "{line}");
        assert_eq!(attempts.body["data"][0]["price_row"], line["price_row"]);
        rows.push((line["price_row"]["id"].as_str().expect("an id"), line["amount_usd"].as_str().expect("money")));
    }
    let at_cost = ("simulator/sim-small@2026-01-01", "0.000002");
    let sold = [("pro/sim-small@2026-03-01T00:00:00Z", "0.000007"), ("pro/sim-small@2026-03-10T00:00:00Z", "0.000021")];
    assert_eq!(rows, [at_cost, sold[0], sold[1]]);
    assert_eq!(sum(&statement.body["bridge"]["drivers"], "amount_usd"), usd(&json!("0.000028")));
}
