//! What each operation must answer to whom. A row says it for every column of [`EVERYBODY`],
//! when all ids are the own tenant's and the input is right.

use serde_json::{Value, json};

use super::world::{EVERYBODY, Who};

/// One operation's row.
pub struct Case {
    /// As the document calls it.
    pub operation: &'static str,
    /// The status for each of [`EVERYBODY`].
    pub statuses: [u16; 9],
    /// A right body, if it takes one.
    pub body: Option<fn(u64) -> Value>,
}

impl Case {
    /// The status stated for `who`.
    pub fn status(&self, who: Who) -> u16 {
        EVERYBODY.iter().zip(self.statuses).find(|(column, _)| **column == who).map_or(0, |(_, status)| status)
    }
}

/// Whose ids an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The id of something that belongs to a tenant, or of the tenant.
    TenantsId,
    /// The caller's own word for something of its tenant: the same word of another tenant means something else.
    TenantsWord,
    /// Nothing that names anything of a tenant.
    Data,
}

const fn case(operation: &'static str, statuses: [u16; 9]) -> Case {
    Case { operation, statuses, body: None }
}

const fn with_body(operation: &'static str, statuses: [u16; 9], body: fn(u64) -> Value) -> Case {
    Case { operation, statuses, body: Some(body) }
}

fn chat(count: u64) -> Value {
    json!({"model": "sim-small", "messages": [{"role": "user", "content": format!("walk on {count}")}]})
}

fn embedding(count: u64) -> Value {
    json!({"model": "sim-embed", "input": format!("walk on {count}")})
}

fn new_tenant(count: u64) -> Value {
    json!({"slug": format!("walked-{count}"), "name": "Walked"})
}

fn rename(count: u64) -> Value {
    json!({"name": format!("Name {count}")})
}

fn new_key(_: u64) -> Value {
    json!({"name": "walked"})
}

fn new_token(_: u64) -> Value {
    json!({"ttl_seconds": 60})
}

fn budgets(_: u64) -> Value {
    json!([{"window": "month", "limit_usd": "5.00"}])
}

fn limits(_: u64) -> Value {
    json!({"requests_per_minute": 1000})
}

fn overlap(_: u64) -> Value {
    json!({"overlap_seconds": 600})
}

fn new_operator_key(count: u64) -> Value {
    json!({"name": format!("walker {count}")})
}

/// All operations. Columns:
/// nobody, garbage | foreign: service, token, admin | own: service, token, admin | operator.
#[rustfmt::skip]
pub const CASES: &[Case] = &[
    // Open to all, and the same for all.
    case("GET /livez",        [200, 200, 200, 200, 200, 200, 200, 200, 200]),
    case("GET /readyz",       [200, 200, 200, 200, 200, 200, 200, 200, 200]),

    // The data plane: everybody within the tenant of the credential; operators have none.
    with_body("POST /v1/chat/completions", [401, 401, 200, 200, 200, 200, 200, 200, 403], chat),
    with_body("POST /v1/embeddings",       [401, 401, 200, 200, 200, 200, 200, 200, 403], embedding),
    case("GET /v1/models",                 [401, 401, 200, 200, 200, 200, 200, 200, 403]),
    case("GET /v1/models/{model}",         [401, 401, 200, 200, 200, 200, 200, 200, 403]),

    // The platform: operators alone.
    with_body("POST /api/v1/tenants",         [401, 401, 403, 403, 403, 403, 403, 403, 201], new_tenant),
    case("GET /api/v1/tenants",               [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/usage",                 [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/usage/export",          [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/ledger/verification",   [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/platform/budgets",      [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("PUT /api/v1/platform/budgets", [401, 401, 403, 403, 403, 403, 403, 403, 200], budgets),

    case("GET /api/v1/operator-keys",         [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("POST /api/v1/operator-keys",   [401, 401, 403, 403, 403, 403, 403, 403, 201], new_operator_key),
    case("DELETE /api/v1/operator-keys/{key}", [401, 401, 403, 403, 403, 403, 403, 403, 404]),
    case("GET /api/v1/models",                [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/prices",                [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/providers",             [401, 401, 403, 403, 403, 403, 403, 403, 200]),

    // A tenant: its admins and operators.
    case("GET /api/v1/tenants/{tenant}",              [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PATCH /api/v1/tenants/{tenant}",       [401, 401, 404, 404, 404, 403, 403, 200, 200], rename),
    case("GET /api/v1/tenants/{tenant}/keys",         [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("POST /api/v1/tenants/{tenant}/keys",   [401, 401, 404, 404, 404, 403, 403, 201, 201], new_key),
    with_body("POST /api/v1/tenants/{tenant}/tokens", [401, 401, 404, 404, 404, 403, 403, 201, 201], new_token),
    case("GET /api/v1/tenants/{tenant}/budgets",      [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/limits",       [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/usage",        [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/usage/export", [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/requests",     [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/requests/{request}",            [401, 401, 404, 404, 404, 403, 403, 200, 200]),

    // Its keys: the same.
    case("GET /api/v1/tenants/{tenant}/keys/{key}",              [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("POST /api/v1/tenants/{tenant}/keys/{key}/rotate", [401, 401, 404, 404, 404, 403, 403, 201, 201], overlap),
    case("GET /api/v1/tenants/{tenant}/keys/{key}/budgets",      [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PUT /api/v1/tenants/{tenant}/keys/{key}/budgets", [401, 401, 404, 404, 404, 403, 403, 200, 200], budgets),
    case("GET /api/v1/tenants/{tenant}/keys/{key}/limits",       [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PUT /api/v1/tenants/{tenant}/keys/{key}/limits",  [401, 401, 404, 404, 404, 403, 403, 200, 200], limits),
    case("DELETE /api/v1/tenants/{tenant}/keys/{key}",           [401, 401, 404, 404, 404, 403, 403, 204, 204]),

    // What a tenant may not do to itself: operators alone.
    with_body("PUT /api/v1/tenants/{tenant}/budgets", [401, 401, 404, 404, 404, 403, 403, 403, 200], budgets),
    with_body("PUT /api/v1/tenants/{tenant}/limits",  [401, 401, 404, 404, 404, 403, 403, 403, 200], limits),
    case("POST /api/v1/tenants/{tenant}/resume",      [401, 401, 404, 404, 404, 403, 403, 403, 200]),
    case("POST /api/v1/tenants/{tenant}/suspend",     [401, 401, 404, 404, 404, 403, 403, 403, 200]),
    case("DELETE /api/v1/tenants/{tenant}",           [401, 401, 404, 404, 404, 403, 403, 403, 200]),
];

/// What every input holds. An input that is not here fails the walk, whatever operation takes it.
#[rustfmt::skip]
pub const INPUTS: &[(&str, Holds)] = &[
    ("path tenant",  Holds::TenantsId),
    ("path key",     Holds::TenantsId),
    ("path request", Holds::TenantsId),
    ("path model",   Holds::Data),

    ("query cursor",   Holds::TenantsId),
    ("query limit",    Holds::Data),
    ("query from",     Holds::Data),
    ("query to",       Holds::Data),
    ("query group_by", Holds::Data),
    ("query format",   Holds::Data),

    ("header Idempotency-Key", Holds::TenantsWord),
    ("header If-Match",        Holds::Data),

    ("body slug",        Holds::Data),
    ("body name",        Holds::Data),
    ("body external_id", Holds::Data),
    ("query include",  Holds::Data),
    ("body plan",        Holds::Data),
    ("body segment",     Holds::Data),
    ("body region",      Holds::Data),
    ("body placement",   Holds::Data),
    ("body tags",        Holds::Data),
    ("body role",        Holds::Data),
    ("body expires_at",  Holds::Data),
    ("body overlap_seconds", Holds::Data),
    ("body end_user",    Holds::Data),
    ("body ttl_seconds", Holds::Data),
    ("body window",      Holds::Data),
    ("body limit_usd",   Holds::Data),
    ("body limit_tokens", Holds::Data),
    ("body mode",        Holds::Data),
    ("body alert_at",    Holds::Data),
    ("body requests_per_minute", Holds::Data),
    ("body tokens_per_minute",   Holds::Data),
    ("body concurrency",         Holds::Data),
];

/// The row of an operation.
pub fn of(operation: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.operation == operation)
}

/// What an input holds.
pub fn holds(input: &str) -> Option<Holds> {
    INPUTS.iter().find(|(name, _)| *name == input).map(|(_, holds)| *holds)
}
