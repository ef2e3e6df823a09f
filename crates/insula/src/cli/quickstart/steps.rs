//! The steps of the tour. Each does something, asserts what must be true of it, and says what was seen.

use std::time::Instant;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{
    expect::{count, holds, text},
    stream::Streamed,
    tour::{Tour, json_of},
};
use crate::cli::{exit::Failure, ledger};

/// What the steps prove, in their order.
pub const NAMES: &[&str] = &[
    "The server is ready",
    "A tenant is ready as soon as it is made",
    "A tenant's key opens a chat",
    "Another tenant sees nothing of it",
    "A stream ends with its usage",
    "A hard budget refuses before anything is bought",
    "Usage and cost are known to the token",
    "The ledger proves the accounts",
    "An erased tenant is gone",
];

/// Takes the step at this position of [`NAMES`].
pub async fn take(position: usize, tour: &mut Tour) -> Result<String, Failure> {
    match position {
        0 => ready(tour).await,
        1 => tenants(tour).await,
        2 => chat(tour).await,
        3 => isolation(tour).await,
        4 => stream(tour).await,
        5 => budget(tour).await,
        6 => usage(tour).await,
        7 => proof(tour).await,
        _ => erasure(tour).await,
    }
}

async fn ready(tour: &mut Tour) -> Result<String, Failure> {
    tour.operator.get("/readyz").await?;
    tour.operator.get("/api/v1/tenants?limit=1").await?;
    Ok("it answers, and takes the operator key".to_owned())
}

async fn tenants(tour: &mut Tour) -> Result<String, Failure> {
    let started = Instant::now();
    let ada = tour.guest("ada").await?;
    let one = started.elapsed().as_millis();
    let bob = tour.guest("bob").await?;
    let seen = format!("{} and {}, each with a key of its own; the first took {one} ms", ada.slug, bob.slug);
    (tour.ada, tour.bob) = (Some(ada), Some(bob));
    Ok(seen)
}

async fn chat(tour: &mut Tour) -> Result<String, Failure> {
    let reply = tour.ada()?.ask(&tour.chat("What is an insula?")).await?;
    let id = reply.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    holds(!id.is_empty(), "the header x-request-id", "none")?;
    let answer = json_of(&reply.text()?)?;
    let said = text(&answer, "/choices/0/message/content")?;
    let tokens = count(&answer, "/usage/total_tokens")?;
    holds(!said.is_empty() && tokens > 0, "an answer with tokens", &answer)?;
    tour.request_id = id;
    Ok(format!("{tokens} tokens; request {}", tour.request_id))
}

async fn isolation(tour: &mut Tour) -> Result<String, Failure> {
    let (ada, bob) = (tour.ada()?, tour.bob()?);
    let path = format!("/api/v1/requests/{}", tour.request_id);
    let (own, _) = ada.look_soon(&path).await?;
    holds(own == 200, "its own tenant to read the request within a second (200)", own)?;
    let never = format!("/api/v1/requests/{}", tour.ids.request([0; 4]));
    let (foreign, mut foreign_body) = bob.look(&path).await?;
    let (absent, mut absent_body) = bob.look(&never).await?;
    holds(foreign == 404, "another tenant to be told 404", foreign)?;
    for body in [&mut foreign_body, &mut absent_body] {
        // These two name the very call, so they differ between any two calls.
        for field in ["request_id", "instance"] {
            body.as_object_mut().map(|fields| fields.remove(field));
        }
    }
    let alike = foreign == absent && foreign_body == absent_body;
    holds(alike, format!("the words for an id that never existed ({absent_body})"), foreign_body)?;
    let (tenant, _) = bob.look(&format!("/api/v1/tenants/{}", ada.slug)).await?;
    holds(tenant == 404, "another tenant's workspace to be told 404", tenant)?;
    Ok("404 for the request and for the workspace, in the same words as for what never existed".to_owned())
}

async fn stream(tour: &mut Tour) -> Result<String, Failure> {
    let mut body = tour.chat("Count to five.");
    body["stream"] = json!(true);
    body["stream_options"] = json!({ "include_usage": true });
    let started = Instant::now();
    let response = tour.ada()?.client.send(Method::POST, "/v1/chat/completions", HeaderMap::new(), Some(&body)).await?;
    holds(response.status() == StatusCode::OK, "status 200", response.status())?;
    let streamed = Streamed::read(response).await?;
    holds(streamed.done, "the stream to end with [DONE]", "a stream without")?;
    let said = streamed.content();
    holds(!said.is_empty(), "text in the stream", "none")?;
    let usage = streamed.usage().ok_or_else(|| Failure::failed("expected usage in the last event, found none"))?;
    let tokens = count(usage, "/total_tokens")?;
    let (events, ms) = (streamed.events.len(), started.elapsed().as_millis());
    Ok(format!("{events} events in {ms} ms, [DONE] at the end, {tokens} tokens"))
}

async fn budget(tour: &mut Tour) -> Result<String, Failure> {
    let bob = tour.bob()?;
    let budgets = json!([{ "window": "hour", "limit_usd": "0.00", "mode": "hard" }]);
    tour.operator.put(&format!("/api/v1/tenants/{}/budgets", bob.slug), &budgets).await?;
    let reply = bob.ask(&tour.chat("This must not be bought.")).await?;
    let retry = reply.headers.get("x-should-retry").and_then(|value| value.to_str().ok()).unwrap_or("absent").to_owned();
    let (status, body) = (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap_or_default());
    holds(status == StatusCode::TOO_MANY_REQUESTS, "status 429", format!("{status}: {body}"))?;
    holds(retry == "false", "x-should-retry: false, so that SDKs do not ask again", retry)?;
    for (pointer, wanted) in
        [("code", "budget_exceeded"), ("level", "tenant"), ("window", "hour"), ("unit", "usd"), ("limit", "0.00")]
    {
        let found = text(&body, &format!("/error/{pointer}"))?;
        holds(found == wanted, format!("error.{pointer} to be {wanted:?}"), found)?;
    }
    let (used, resets) = (text(&body, "/error/used")?, text(&body, "/error/resets_at")?);
    let (_, usage) = bob.look(&format!("/api/v1/tenants/{}/usage", bob.slug)).await?;
    let attempts: u64 = usage["data"].as_array().into_iter().flatten().filter_map(|row| row["attempts"].as_u64()).sum();
    holds(attempts == 0, "no attempt at a provider", attempts)?;
    Ok(format!("429 budget_exceeded: used {used} of 0.00 USD, resets at {resets}; no attempt was made"))
}

async fn usage(tour: &mut Tour) -> Result<String, Failure> {
    let ada = tour.ada()?;
    let (status, body) = ada.look(&format!("/api/v1/tenants/{}/usage", ada.slug)).await?;
    holds(status == 200, "status 200", status)?;
    let row = body.pointer("/data/0").cloned().unwrap_or_default();
    let requests = count(&row, "/requests")?;
    holds(requests == 2, "2 requests", requests)?;
    let (input, output) = (count(&row, "/tokens/input")?, count(&row, "/tokens/output")?);
    let cost = text(&row, "/cost_usd")?;
    holds(input > 0 && output > 0 && cost != "0.00", "tokens and a cost", &row)?;
    Ok(format!("{requests} requests, {input} tokens in, {output} out: {cost} USD"))
}

async fn proof(tour: &mut Tour) -> Result<String, Failure> {
    let found = json_of(&tour.operator.get(ledger::PATH).await?)?;
    holds(ledger::agrees(&found), "difference 0", &found)?;
    Ok(format!("{} rows, difference {} USD", count(&found, "/rows")?, text(&found, "/difference_usd")?))
}

async fn erasure(tour: &mut Tour) -> Result<String, Failure> {
    let receipts = tour.clean_up().await?;
    let reply = tour.ada()?.ask(&tour.chat("Is anybody there?")).await?;
    holds(reply.status == StatusCode::UNAUTHORIZED, "its key to be refused (401)", reply.status)?;
    Ok(format!("{} receipts; their keys open nothing any more", receipts.len()))
}
