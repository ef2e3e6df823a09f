//! `insula explain`.

use clap::Args;
use serde_json::Value;

use super::{
    client::escape,
    exit::Failure,
    output::{Output, array, pairs, table, text},
    routing::candidates,
    target::Target,
    with_client,
};

/// One request: where its time went and what it cost, priced row by row; with a tenant's key, what it is charged.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The request's id, as `x-request-id` of its answer tells it.
    request: String,
    #[command(flatten)]
    target: Target,
}

/// Columns of the waterfall.
const BAR_WIDTH: u64 = 40;

/// Runs it.
pub async fn run(args: ExplainArgs, out: Output) -> Result<(), Failure> {
    let path = format!("/api/v1/requests/{}", escape(&args.request));
    with_client(&args.target, async |client| out.data(&client.get(&path).await?, explain)).await
}

fn explain(request: &Value) -> String {
    let fields = ["id", "tenant", "key", "started_at", "operation", "model", "status"];
    let head = pairs(&fields.map(|field| (field, text(request, field))));
    let duration = format!("{} ms, of them {} ms in the queue", millis(request, "duration_us"), text(request, "cost/queue_ms"));
    let parts = [waterfall(request), candidates(&request["route"]), attempts(request), cost(request)];
    format!("{head}\n\n{duration}\n{}", parts.join("\n\n"))
}

/// Milliseconds of a field that counts microseconds.
fn millis(value: &Value, field: &str) -> String {
    let us = value[field].as_u64().unwrap_or_default();
    format!("{}.{:03}", us / 1_000, us % 1_000)
}

/// The stages, each as a bar from its start to its end.
fn waterfall(request: &Value) -> String {
    let stages = array(request, "stages");
    let at = |stage: &Value, field: &str| stage[field].as_u64().unwrap_or_default();
    let end = |stage: &Value| at(stage, "start_us").saturating_add(at(stage, "duration_us"));
    let whole = stages.iter().map(end).chain([at(request, "duration_us")]).max().unwrap_or_default();
    let rows = stages.iter().map(|stage| {
        let outcome = [text(stage, "outcome"), text(stage, "reason")].join(" ");
        [text(stage, "name"), bar(at(stage, "start_us"), end(stage), whole), millis(stage, "duration_us"), outcome]
    });
    table(&["stage", "when", "ms", "outcome"], rows)
}

/// A bar from `start` to `end` of a `whole`, at least one column wide.
fn bar(start: u64, end: u64, whole: u64) -> String {
    let column = |at: u64| (u128::from(at) * u128::from(BAR_WIDTH) / u128::from(whole.max(1))) as u64;
    let first = column(start).min(BAR_WIDTH - 1);
    let last = column(end).clamp(first + 1, BAR_WIDTH);
    let [before, filled, after] = [first, last - first, BAR_WIDTH - last].map(|columns| columns as usize);
    format!("{}{}{}", "·".repeat(before), "█".repeat(filled), "·".repeat(after))
}

/// The attempts with the prices of their rows.
fn attempts(request: &Value) -> String {
    let rows = array(request, "attempts").iter().map(|attempt| {
        let estimated = if attempt["estimated"] == true { " (estimated)" } else { "" };
        [
            text(attempt, "id"),
            text(attempt, "cause"),
            text(attempt, "price_row"),
            text(attempt, "credential"),
            priced(attempt, "input", "input_usd"),
            priced(attempt, "cache_read", "cache_read_usd"),
            priced(attempt, "cache_write", "cache_write_usd"),
            priced(attempt, "cache_write_1h", "cache_write_1h_usd"),
            priced(attempt, "output", "output_usd"),
            priced(attempt, "reasoning", "output_usd"),
            text(attempt, "outcome") + estimated,
            text(attempt, "cost_usd"),
            isolation(attempt),
        ]
    });
    let heading = [
        "attempt",
        "cause",
        "price row",
        "credential",
        "input",
        "cached",
        "written",
        "for 1 h",
        "output",
        "reasoning",
        "outcome",
        "cost",
        "of which isolation",
    ];
    table(&heading, rows)
}

/// What of an attempt kept its tenant apart from others; nothing where nothing did.
fn isolation(attempt: &Value) -> String {
    let [tokens, cached, cost] =
        ["isolation_tokens", "isolation_cached_tokens", "isolation_usd"].map(|field| text(attempt, field));
    match (tokens.as_str(), cached.as_str()) {
        ("" | "0", _) => String::new(),
        (_, "0") => format!("{cost} for {tokens} tokens"),
        _ => format!("{cost} for {tokens} tokens, {cached} cached"),
    }
}

/// How many tokens of a class at how much for a million.
fn priced(attempt: &Value, class: &str, rate: &str) -> String {
    let tokens = text(attempt, &format!("tokens/{class}"));
    match text(attempt, &format!("rates/{rate}")) {
        rate if rate.is_empty() || tokens == "0" => tokens,
        rate => format!("{tokens} at {rate}/M"),
    }
}

/// What it cost by why attempts were made.
fn cost(request: &Value) -> String {
    let causes = ["base", "retry", "repair", "fallback", "embedding", "evaluation"];
    let rows = causes.map(|cause| [cause.to_owned(), text(request, &format!("cost/by_cause/{cause}"))]);
    let total = ["total".to_owned(), text(request, "cost/total_usd")];
    let isolation = ["of which isolation".to_owned(), text(request, "cost/isolation_usd")];
    let saved = ["saved by caches".to_owned(), text(request, "cost/cache_savings_usd")];
    table(&["cost of", "amount"], rows.into_iter().chain([total, isolation, saved]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bars_stay_within_their_columns() {
        assert_eq!(bar(0, 100, 100), "█".repeat(40));
        assert_eq!(bar(50, 75, 100), format!("{}{}{}", "·".repeat(20), "█".repeat(10), "·".repeat(10)));
        for (start, end, whole) in [(0, 0, 0), (100, 100, 100), (5, 3, 10), (u64::MAX, u64::MAX, 1)] {
            assert_eq!(bar(start, end, whole).chars().count(), 40);
            assert!(bar(start, end, whole).contains('█'));
        }
    }

    #[test]
    fn isolation_is_told_where_there_is_some() {
        let of = |tokens, cached| {
            isolation(&json!({"isolation_tokens": tokens, "isolation_cached_tokens": cached, "isolation_usd": "0.01"}))
        };
        assert_eq!(of(0, 0), "");
        assert_eq!(of(12, 0), "0.01 for 12 tokens");
        assert_eq!(of(12, 4), "0.01 for 12 tokens, 4 cached");
    }

    #[test]
    fn tokens_stand_beside_their_price() {
        let attempt = json!({"tokens": {"input": 12, "output": 0}, "rates": {"input_usd": "1.00", "output_usd": "2.00"}});
        assert_eq!(priced(&attempt, "input", "input_usd"), "12 at 1.00/M");
        assert_eq!(priced(&attempt, "output", "output_usd"), "0");
        assert_eq!(priced(&json!({"tokens": {"input": 12}, "rates": null}), "input", "input_usd"), "12");
    }
}
