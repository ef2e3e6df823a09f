use std::time::Duration;

use http_body_util::BodyExt;
use insula_model::{BudgetLevel, Timestamp, Window};
use serde_json::{Value, json};

use super::*;

const REQUEST: RequestId = RequestId::from_bytes([1; 16]);

async fn parts(response: Response) -> (http::response::Parts, Value) {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    (parts, serde_json::from_slice(&bytes).expect("JSON"))
}

fn over_budget() -> Error {
    let refusal = BudgetRefusal {
        level: BudgetLevel::Tenant,
        window: Window::Month,
        unit: "usd",
        used: "9.50".into(),
        limit: "10.00".into(),
        used_percent: 95,
        resets_at: Timestamp::parse("2026-02-01T00:00:00Z").expect("a time"),
    };
    Error::new(ErrorKind::BudgetExceeded(Box::new(refusal)), "over").caused_by("private")
}

#[tokio::test]
async fn a_budget_refusal_is_the_contracts() {
    let (head, body) = parts(openai(&over_budget(), REQUEST)).await;
    assert_eq!(head.status, 429);
    assert_eq!(head.headers["x-should-retry"], "false");
    assert!(!head.headers.contains_key("retry-after"));
    assert_eq!(head.headers["x-request-id"].to_str().ok(), Some(&*REQUEST.to_string()));
    let want = json!({
        "error": {
            "message": "over", "type": "insufficient_quota", "param": null, "code": "budget_exceeded",
            "level": "tenant", "window": "month", "unit": "usd", "used": "9.50", "limit": "10.00",
            "resets_at": "2026-02-01T00:00:00Z",
        }
    });
    assert_eq!(body, want);
}

#[tokio::test]
async fn problems_name_the_field_and_the_request() {
    let failure = Failure::from(Error::invalid("wrong").at("[1].window").caused_by("private"));
    let (head, body) = parts(failure.into_problem(REQUEST)).await;
    assert_eq!(head.headers["content-type"], "application/problem+json");
    let want = json!({
        "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "wrong", "code": "invalid_request",
        "request_id": REQUEST.to_string(), "param": "[1].window",
    });
    assert_eq!(body, want);
}

#[tokio::test]
async fn waits_are_told_in_seconds_and_milliseconds() {
    let limited = Error::new(ErrorKind::RateLimited { retry_after: Duration::from_millis(1_250) }, "slow down");
    let (head, body) = parts(openai(&limited, REQUEST)).await;
    assert_eq!(
        (&head.headers["retry-after"], &head.headers["retry-after-ms"]),
        (&"2".parse().expect("v"), &"1250".parse().expect("v"))
    );
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    assert!(!head.headers.contains_key("x-should-retry"));
}

#[test]
fn every_code_is_documented_and_no_other() {
    let wait = Duration::ZERO;
    let ErrorKind::BudgetExceeded(refusal) = over_budget().kind().clone() else { panic!("a budget's refusal") };
    let kinds = [
        ErrorKind::Invalid,
        ErrorKind::TooLarge,
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::ModelNotFound,
        ErrorKind::Conflict,
        ErrorKind::PreconditionFailed,
        ErrorKind::IdempotencyMismatch,
        ErrorKind::Suspended,
        ErrorKind::RateLimited { retry_after: wait },
        ErrorKind::NotCached,
        ErrorKind::BudgetExceeded(refusal),
        ErrorKind::Unbounded,
        ErrorKind::UnknownPrice,
        ErrorKind::NoRoute,
        ErrorKind::VersionMismatch,
        ErrorKind::AnswerTooLarge,
        ErrorKind::ProviderRejected(400),
        ErrorKind::ProviderRateLimited { retry_after: None },
        ErrorKind::ProviderFailed,
        ErrorKind::ProviderTimeout,
        ErrorKind::Unavailable { retry_after: wait },
        ErrorKind::Internal,
    ];
    let mut codes: Vec<_> = kinds.iter().map(|kind| shape(kind).code).chain([METHOD_NOT_ALLOWED.code]).collect();
    codes.sort_unstable();
    assert_eq!(codes, CODES);
}

#[test]
fn a_provider_can_only_blame_the_caller_for_a_client_error() {
    for (said, shown) in [(400, 400), (422, 422), (499, 499), (200, 502), (302, 502), (500, 502), (0, 502)] {
        assert_eq!(shape(&ErrorKind::ProviderRejected(said)).status.as_u16(), shown);
    }
}
