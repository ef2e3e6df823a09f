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
    /// Whether that is sent as a form.
    pub is_form: bool,
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
    Case { operation, statuses, body: None, is_form: false }
}

const fn with_body(operation: &'static str, statuses: [u16; 9], body: fn(u64) -> Value) -> Case {
    Case { operation, statuses, body: Some(body), is_form: false }
}

const fn with_form(operation: &'static str, statuses: [u16; 9], fields: fn(u64) -> Value) -> Case {
    Case { operation, statuses, body: Some(fields), is_form: true }
}

fn chat(count: u64) -> Value {
    json!({"model": "sim-small", "messages": [{"role": "user", "content": format!("walk on {count}")}]})
}

fn message(count: u64) -> Value {
    json!({"model": "sim-small", "max_tokens": 99, "messages": [{"role": "user", "content": format!("walk on {count}")}]})
}

fn response(count: u64) -> Value {
    json!({"model": "sim-small", "input": format!("walk on {count}")})
}

fn embedding(count: u64) -> Value {
    json!({"model": "sim-embed", "input": format!("walk on {count}")})
}

fn moderation(count: u64) -> Value {
    json!({"model": "sim-moderation", "input": format!("walk on {count}")})
}

fn upload(count: u64) -> Value {
    json!({"purpose": "batch", "file": format!("walk on {count}")})
}

/// The walker fills in whose file it is.
fn new_batch(_: u64) -> Value {
    json!({"input_file_id": "", "endpoint": "/v1/embeddings", "completion_window": "24h"})
}

/// The walker fills in whose files they are.
fn new_vector_store(count: u64) -> Value {
    json!({"name": format!("walked {count}"), "file_ids": [""]})
}

fn named(count: u64) -> Value {
    json!({"name": format!("walked {count}")})
}

fn new_store_file(count: u64) -> Value {
    json!({"file_id": "", "attributes": {"count": count}})
}

fn attributes(count: u64) -> Value {
    json!({"attributes": {"count": count}})
}

fn new_file_batch(count: u64) -> Value {
    json!({"file_ids": [""], "attributes": {"count": count}})
}

fn store_search(count: u64) -> Value {
    json!({"query": format!("walk on {count}"), "filters": {"type": "lt", "key": "count", "value": count}})
}

fn document(count: u64) -> Value {
    json!({"name": "walked", "text": format!("walk on {count}"), "metadata": {"count": count}})
}

fn search(count: u64) -> Value {
    json!({"query": format!("walk on {count}"), "filter": {"count": count}})
}

fn new_corpus(count: u64) -> Value {
    json!({"name": format!("walked_{count}"), "title": "Walked", "jurisdiction": "eu"})
}

fn retitle(count: u64) -> Value {
    json!({"title": format!("Walked {count}")})
}

fn profile(count: u64) -> Value {
    json!({"text": format!("walked {count}"), "jurisdictions": ["eu"]})
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

fn vectors(_: u64) -> Value {
    json!({"collection": "own"})
}

fn audit(_: u64) -> Value {
    json!({})
}

fn cache(_: u64) -> Value {
    json!({"enabled": true, "ttl_seconds": 60})
}

fn embedder(_: u64) -> Value {
    json!({"embedder": "lexical-hashing-1"})
}

fn limits(_: u64) -> Value {
    json!({"requests_per_minute": 1000})
}

fn provider_credential(count: u64) -> Value {
    json!({"api_key": format!("sk-walked-{count}")})
}

fn routing(_: u64) -> Value {
    json!({"strategy": "cheapest", "attempts_max": 2, "matrix": {"simple": "sim-small", "complex": "sim-large"}})
}

fn question(count: u64) -> Value {
    json!({"request": chat(count)})
}

fn segment(_: u64) -> Value {
    json!({"limits": limits(0), "budgets": budgets(0), "models": ["sim-small"]})
}

fn plan(_: u64) -> Value {
    let mut plan = segment(0);
    plan["prices"] = json!([{"model": "*", "input_usd_per_million": "2", "output_usd_per_million": "8"}]);
    plan
}

fn credit(count: u64) -> Value {
    json!({"amount_usd": "0.50", "reason": format!("Walked {count}")})
}

fn overlap(_: u64) -> Value {
    json!({"overlap_seconds": 600})
}

fn new_webhook(count: u64) -> Value {
    // A name that nobody has.
    json!({"url": format!("https://hooks.invalid/{count}")})
}

fn describe(count: u64) -> Value {
    json!({"description": format!("walked {count}")})
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
    with_body("POST /v1/messages",         [401, 401, 200, 200, 200, 200, 200, 200, 403], message),
    with_body("POST /v1/messages/count_tokens", [401, 401, 200, 200, 200, 200, 200, 200, 403], message),
    with_body("POST /v1/embeddings",       [401, 401, 200, 200, 200, 200, 200, 200, 403], embedding),
    with_body("POST /v1/moderations",      [401, 401, 200, 200, 200, 200, 200, 200, 403], moderation),
    with_body("POST /v1/responses",        [401, 401, 200, 200, 200, 200, 200, 200, 403], response),
    case("GET /v1/responses/{response}",   [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    case("GET /v1/responses/{response}/input_items", [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    // None is made in the background, so none can be cancelled.
    case("POST /v1/responses/{response}/cancel",     [401, 401, 404, 404, 404, 400, 400, 400, 403]),
    // The first of its tenant deletes it.
    case("DELETE /v1/responses/{response}", [401, 401, 404, 404, 404, 200, 404, 404, 403]),
    case("GET /v1/models",                 [401, 401, 200, 200, 200, 200, 200, 200, 403]),
    case("GET /v1/models/{model}",         [401, 401, 200, 200, 200, 200, 200, 200, 403]),
    case("GET /v1/files",                  [401, 401, 200, 200, 200, 200, 200, 200, 403]),
    with_form("POST /v1/files",            [401, 401, 200, 200, 200, 200, 200, 200, 403], upload),
    case("GET /v1/files/{file_id}",        [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    case("GET /v1/files/{file_id}/content", [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    // The first who may deletes it; for the others it is gone.
    case("DELETE /v1/files/{file_id}",     [401, 401, 404, 404, 404, 200, 404, 404, 403]),
    case("GET /v1/batches",                [401, 401, 200, 200, 200, 200, 200, 200, 403]),
    with_body("POST /v1/batches",          [401, 401, 404, 404, 404, 200, 200, 200, 403], new_batch),
    case("GET /v1/batches/{batch_id}",     [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    case("POST /v1/batches/{batch_id}/cancel", [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    case("GET /v1/vector_stores",          [401, 401, 200, 200, 200, 200, 200, 200, 403]),
    with_body("POST /v1/vector_stores",    [401, 401, 404, 404, 404, 200, 200, 200, 403], new_vector_store),
    case("GET /v1/vector_stores/{vector_store_id}",                                          [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    with_body("POST /v1/vector_stores/{vector_store_id}",                                    [401, 401, 404, 404, 404, 200, 200, 200, 403], named),
    with_body("POST /v1/vector_stores/{vector_store_id}/search",                             [401, 401, 404, 404, 404, 200, 200, 200, 403], store_search),
    case("GET /v1/vector_stores/{vector_store_id}/files",                                    [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    with_body("POST /v1/vector_stores/{vector_store_id}/files",                              [401, 401, 404, 404, 404, 200, 200, 200, 403], new_store_file),
    case("GET /v1/vector_stores/{vector_store_id}/files/{store_file_id}",                    [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    case("GET /v1/vector_stores/{vector_store_id}/files/{store_file_id}/content",            [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    with_body("POST /v1/vector_stores/{vector_store_id}/files/{store_file_id}",              [401, 401, 404, 404, 404, 200, 200, 200, 403], attributes),
    with_body("POST /v1/vector_stores/{vector_store_id}/file_batches",                       [401, 401, 404, 404, 404, 200, 200, 200, 403], new_file_batch),
    case("GET /v1/vector_stores/{vector_store_id}/file_batches/{file_batch_id}",             [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    case("GET /v1/vector_stores/{vector_store_id}/file_batches/{file_batch_id}/files",       [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    case("POST /v1/vector_stores/{vector_store_id}/file_batches/{file_batch_id}/cancel",     [401, 401, 404, 404, 404, 200, 200, 200, 403]),
    // The first who may takes it away; for the others it is gone.
    case("DELETE /v1/vector_stores/{vector_store_id}/files/{store_file_id}",                 [401, 401, 404, 404, 404, 200, 404, 404, 403]),
    case("DELETE /v1/vector_stores/{vector_store_id}",                                       [401, 401, 404, 404, 404, 200, 404, 404, 403]),

    // The platform: operators alone.
    with_body("POST /api/v1/tenants",         [401, 401, 403, 403, 403, 403, 403, 403, 201], new_tenant),
    case("GET /api/v1/tenants",               [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/usage",                 [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/usage/export",          [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/ledger/verification",   [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("POST /api/v1/vectors/audit",   [401, 401, 403, 403, 403, 403, 403, 403, 200], audit),
    case("GET /api/v1/platform/budgets",      [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("PUT /api/v1/platform/budgets", [401, 401, 403, 403, 403, 403, 403, 403, 200], budgets),

    case("GET /api/v1/webhooks",                        [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("POST /api/v1/webhooks",                  [401, 401, 403, 403, 403, 403, 403, 403, 201], new_webhook),
    // Those that the walker knows are a tenant's.
    case("GET /api/v1/webhooks/{webhook}",              [401, 401, 403, 403, 403, 403, 403, 403, 404]),
    with_body("PATCH /api/v1/webhooks/{webhook}",       [401, 401, 403, 403, 403, 403, 403, 403, 404], describe),
    case("DELETE /api/v1/webhooks/{webhook}",           [401, 401, 403, 403, 403, 403, 403, 403, 404]),
    case("POST /api/v1/webhooks/{webhook}/rotate",      [401, 401, 403, 403, 403, 403, 403, 403, 404]),
    case("POST /api/v1/webhooks/{webhook}/test",        [401, 401, 403, 403, 403, 403, 403, 403, 404]),
    case("GET /api/v1/webhooks/{webhook}/deliveries",   [401, 401, 403, 403, 403, 403, 403, 403, 404]),
    case("POST /api/v1/webhooks/{webhook}/deliveries/{event}/replay", [401, 401, 403, 403, 403, 403, 403, 403, 404]),

    case("GET /api/v1/operator-keys",         [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("POST /api/v1/operator-keys",   [401, 401, 403, 403, 403, 403, 403, 403, 201], new_operator_key),
    case("DELETE /api/v1/operator-keys/{key}", [401, 401, 403, 403, 403, 403, 403, 403, 404]),
    case("GET /api/v1/prices",                [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/providers",             [401, 401, 403, 403, 403, 403, 403, 403, 200]),

    // Reference corpora: operators alone, who write them. The document that the walker knows is a tenant's.
    case("GET /api/v1/corpora",                                  [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("POST /api/v1/corpora",                            [401, 401, 403, 403, 403, 403, 403, 403, 201], new_corpus),
    case("GET /api/v1/corpora/{corpus}",                         [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("PATCH /api/v1/corpora/{corpus}",                  [401, 401, 403, 403, 403, 403, 403, 403, 200], retitle),
    case("DELETE /api/v1/corpora/{corpus}",                      [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/corpora/{corpus}/documents",               [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("POST /api/v1/corpora/{corpus}/documents",         [401, 401, 403, 403, 403, 403, 403, 403, 201], document),
    case("GET /api/v1/corpora/{corpus}/documents/{document}",    [401, 401, 403, 403, 403, 403, 403, 403, 404]),
    case("DELETE /api/v1/corpora/{corpus}/documents/{document}", [401, 401, 403, 403, 403, 403, 403, 403, 404]),
    // Which of them a tenant may read: operators say so, its admins see it.
    case("GET /api/v1/tenants/{tenant}/corpora",                 [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/corpora/{corpus}",        [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("PUT /api/v1/tenants/{tenant}/corpora/{corpus}",        [401, 401, 404, 404, 404, 403, 403, 403, 200]),
    case("DELETE /api/v1/tenants/{tenant}/corpora/{corpus}",     [401, 401, 404, 404, 404, 403, 403, 403, 204]),
    // What a tenant holds above them: its own word, which no operator sees.
    case("GET /api/v1/tenants/{tenant}/profile",                 [401, 401, 404, 404, 404, 403, 403, 200, 403]),
    with_body("PUT /api/v1/tenants/{tenant}/profile",            [401, 401, 404, 404, 404, 403, 403, 200, 403], profile),
    case("DELETE /api/v1/tenants/{tenant}/profile",              [401, 401, 404, 404, 404, 403, 403, 204, 403]),

    // Plans and segments: operators alone.
    case("GET /api/v1/plans",                  [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/plans/{name}",           [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("PUT /api/v1/plans/{name}",      [401, 401, 403, 403, 403, 403, 403, 403, 200], plan),
    case("DELETE /api/v1/plans/{name}",        [401, 401, 403, 403, 403, 403, 403, 403, 204]),
    case("GET /api/v1/segments",               [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    case("GET /api/v1/segments/{name}",        [401, 401, 403, 403, 403, 403, 403, 403, 200]),
    with_body("PUT /api/v1/segments/{name}",   [401, 401, 403, 403, 403, 403, 403, 403, 200], segment),
    case("DELETE /api/v1/segments/{name}",     [401, 401, 403, 403, 403, 403, 403, 403, 204]),

    // A tenant: its admins and operators.
    case("GET /api/v1/tenants/{tenant}",              [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PATCH /api/v1/tenants/{tenant}",       [401, 401, 404, 404, 404, 403, 403, 200, 200], rename),
    case("GET /api/v1/tenants/{tenant}/keys",         [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("POST /api/v1/tenants/{tenant}/keys",   [401, 401, 404, 404, 404, 403, 403, 201, 201], new_key),
    with_body("POST /api/v1/tenants/{tenant}/tokens", [401, 401, 404, 404, 404, 403, 403, 201, 201], new_token),
    case("GET /api/v1/tenants/{tenant}/budgets",      [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/limits",       [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/vectors",      [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/effective",    [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/usage",        [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/usage/export", [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/cache",        [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/embedder",     [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PUT /api/v1/tenants/{tenant}/cache",   [401, 401, 404, 404, 404, 403, 403, 200, 200], cache),
    // For a provider that is configured; the admin removes it, and for the operator it is gone.
    case("GET /api/v1/tenants/{tenant}/provider-credentials",                  [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/provider-credentials/{provider}",       [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PUT /api/v1/tenants/{tenant}/provider-credentials/{provider}",  [401, 401, 404, 404, 404, 403, 403, 200, 200], provider_credential),
    case("DELETE /api/v1/tenants/{tenant}/provider-credentials/{provider}",    [401, 401, 404, 404, 404, 403, 403, 204, 404]),
    case("GET /api/v1/tenants/{tenant}/requests",     [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/statements",   [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/statements/{month}",          [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/statements/{month}/attempts", [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/requests/{request}",            [401, 401, 404, 404, 404, 403, 403, 200, 200]),

    // The catalogue as a tenant sees it, and where a request of its own would go; an operator has to name the tenant.
    case("GET /api/v1/models",                        [401, 401, 403, 403, 200, 403, 403, 200, 200]),
    with_body("POST /api/v1/route:explain",           [401, 401, 403, 403, 200, 403, 403, 200, 400], question),
    case("GET /api/v1/tenants/{tenant}/routing",      [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PUT /api/v1/tenants/{tenant}/routing", [401, 401, 404, 404, 404, 403, 403, 200, 200], routing),
    // Its batches: the same.
    case("GET /api/v1/tenants/{tenant}/batches",                 [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/batches/{batch}",         [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("POST /api/v1/tenants/{tenant}/batches/{batch}/cancel", [401, 401, 404, 404, 404, 403, 403, 200, 200]),

    // Its documents: the same; but an operator sees no content.
    case("GET /api/v1/tenants/{tenant}/documents",               [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("POST /api/v1/tenants/{tenant}/documents",         [401, 401, 404, 404, 404, 403, 403, 201, 201], document),
    case("GET /api/v1/tenants/{tenant}/documents/{document}",    [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("POST /api/v1/tenants/{tenant}/search",            [401, 401, 404, 404, 404, 403, 403, 200, 403], search),
    // The admin removes it; for the operator it is gone.
    case("DELETE /api/v1/tenants/{tenant}/documents/{document}", [401, 401, 404, 404, 404, 403, 403, 204, 404]),

    // Its webhooks: the same.
    case("GET /api/v1/tenants/{tenant}/webhooks",                      [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("POST /api/v1/tenants/{tenant}/webhooks",                [401, 401, 404, 404, 404, 403, 403, 201, 201], new_webhook),
    case("GET /api/v1/tenants/{tenant}/webhooks/{webhook}",            [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PATCH /api/v1/tenants/{tenant}/webhooks/{webhook}",     [401, 401, 404, 404, 404, 403, 403, 200, 200], describe),
    case("POST /api/v1/tenants/{tenant}/webhooks/{webhook}/rotate",    [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("POST /api/v1/tenants/{tenant}/webhooks/{webhook}/test",      [401, 401, 404, 404, 404, 403, 403, 202, 202]),
    case("GET /api/v1/tenants/{tenant}/webhooks/{webhook}/deliveries", [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("POST /api/v1/tenants/{tenant}/webhooks/{webhook}/deliveries/{event}/replay",
                                                                       [401, 401, 404, 404, 404, 403, 403, 202, 202]),
    // The admin removes it; for the operator it is gone.
    case("DELETE /api/v1/tenants/{tenant}/webhooks/{webhook}",         [401, 401, 404, 404, 404, 403, 403, 204, 404]),

    // Its keys: the same.
    case("GET /api/v1/tenants/{tenant}/keys/{key}",              [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("POST /api/v1/tenants/{tenant}/keys/{key}/rotate", [401, 401, 404, 404, 404, 403, 403, 201, 201], overlap),
    case("GET /api/v1/tenants/{tenant}/keys/{key}/budgets",      [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PUT /api/v1/tenants/{tenant}/keys/{key}/budgets", [401, 401, 404, 404, 404, 403, 403, 200, 200], budgets),
    case("GET /api/v1/tenants/{tenant}/keys/{key}/limits",       [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PUT /api/v1/tenants/{tenant}/keys/{key}/limits",  [401, 401, 404, 404, 404, 403, 403, 200, 200], limits),
    case("DELETE /api/v1/tenants/{tenant}/keys/{key}",           [401, 401, 404, 404, 404, 403, 403, 204, 204]),

    // The end users of its product: any name can be one.
    case("GET /api/v1/tenants/{tenant}/end-users",                         [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    case("GET /api/v1/tenants/{tenant}/end-users/{end_user}/budgets",      [401, 401, 404, 404, 404, 403, 403, 200, 200]),
    with_body("PUT /api/v1/tenants/{tenant}/end-users/{end_user}/budgets", [401, 401, 404, 404, 404, 403, 403, 200, 200], budgets),

    // What a tenant may not do to itself: operators alone.
    with_body("PUT /api/v1/tenants/{tenant}/budgets", [401, 401, 404, 404, 404, 403, 403, 403, 200], budgets),
    with_body("PUT /api/v1/tenants/{tenant}/vectors", [401, 401, 404, 404, 404, 403, 403, 403, 200], vectors),
    with_body("PUT /api/v1/tenants/{tenant}/limits",  [401, 401, 404, 404, 404, 403, 403, 403, 200], limits),
    with_body("PUT /api/v1/tenants/{tenant}/embedder", [401, 401, 404, 404, 404, 403, 403, 403, 200], embedder),
    case("GET /api/v1/tenants/{tenant}/credits",      [401, 401, 404, 404, 404, 403, 403, 403, 200]),
    with_body("POST /api/v1/tenants/{tenant}/credits", [401, 401, 404, 404, 404, 403, 403, 403, 201], credit),
    case("GET /api/v1/tenants/{tenant}/statements/{month}/comparison/{other}", [401, 401, 404, 404, 404, 403, 403, 403, 200]),
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
    ("path webhook", Holds::TenantsId),
    ("path event",   Holds::TenantsId),
    ("path file_id", Holds::TenantsId),
    ("path batch_id", Holds::TenantsId),
    ("path vector_store_id", Holds::TenantsId),
    ("path store_file_id", Holds::TenantsId),
    ("path file_batch_id", Holds::TenantsId),
    ("path batch",   Holds::TenantsId),
    ("path document", Holds::TenantsId),
    // One that a tenant may not read is for it like one that never was.
    ("path corpus",  Holds::TenantsId),
    ("path model",   Holds::Data),
    ("path name",    Holds::Data),
    ("path provider", Holds::Data),
    ("path end_user", Holds::Data),
    ("path month",   Holds::Data),
    ("path other",   Holds::TenantsId),
    ("path response", Holds::TenantsId),

    ("query cursor",   Holds::TenantsId),
    ("query after",    Holds::TenantsId),
    ("query before",   Holds::TenantsId),
    ("query filter",   Holds::Data),
    ("query order",    Holds::Data),
    ("query purpose",  Holds::Data),
    ("query limit",    Holds::Data),
    ("query after",    Holds::TenantsId),
    ("query order",    Holds::Data),
    ("query from",     Holds::Data),
    ("query to",       Holds::Data),
    ("query group_by", Holds::Data),
    ("query key",       Holds::TenantsId),
    ("query model",     Holds::Data),
    ("query operation", Holds::Data),
    ("query cause",     Holds::Data),
    ("query price_row", Holds::Data),
    ("query plan",      Holds::Data),
    ("query credential", Holds::Data),
    ("query tag",       Holds::Data),
    ("query tag_value", Holds::Data),
    ("query format",   Holds::Data),

    ("header Idempotency-Key", Holds::TenantsWord),
    ("header cache-control",   Holds::Data),
    ("header If-Match",        Holds::Data),
    ("header x-insula-tags",   Holds::Data),

    ("body input_file_id",     Holds::TenantsId),
    ("body endpoint",          Holds::Data),
    ("body completion_window", Holds::Data),
    ("body metadata",          Holds::Data),

    ("body file_id",           Holds::TenantsId),
    ("body file_ids",          Holds::TenantsId),
    ("body files",             Holds::Data),
    ("body files file_id",     Holds::TenantsId),
    ("body files attributes",  Holds::Data),
    ("body files access",      Holds::Data),
    ("body files chunking_strategy",                              Holds::Data),
    ("body files chunking_strategy type",                         Holds::Data),
    ("body files chunking_strategy static",                       Holds::Data),
    ("body files chunking_strategy static max_chunk_size_tokens", Holds::Data),
    ("body files chunking_strategy static chunk_overlap_tokens",  Holds::Data),
    ("body attributes",        Holds::Data),
    ("body chunking_strategy",                              Holds::Data),
    ("body chunking_strategy type",                         Holds::Data),
    ("body chunking_strategy static",                       Holds::Data),
    ("body chunking_strategy static max_chunk_size_tokens", Holds::Data),
    ("body chunking_strategy static chunk_overlap_tokens",  Holds::Data),
    ("body expires_after",        Holds::Data),
    ("body expires_after anchor", Holds::Data),
    ("body expires_after days",   Holds::Data),
    ("body filters",              Holds::Data),
    ("body max_num_results",      Holds::Data),
    ("body ranking_options",                 Holds::Data),
    ("body ranking_options ranker",          Holds::Data),
    ("body ranking_options score_threshold", Holds::Data),
    ("body rewrite_query",        Holds::Data),
    ("body user",                 Holds::Data),

    ("body text",        Holds::Data),
    ("body media_type",  Holds::Data),
    ("body access",      Holds::Data),
    ("body query",       Holds::Data),
    ("body limit",       Holds::Data),
    ("body filter",      Holds::Data),
    // By another test (isolation/corpora.rs): the walk fills in no bodies.
    ("body corpora",     Holds::TenantsId),
    ("body title",         Holds::Data),
    ("body jurisdiction",  Holds::Data),
    ("body jurisdictions", Holds::Data),

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
    ("body amount_usd",  Holds::Data),
    ("body reason",      Holds::Data),
    ("body url",         Holds::Data),
    ("body events",      Holds::Data),
    ("body description", Holds::Data),
    ("body active",      Holds::Data),
    ("body api_key",     Holds::Data),
    ("body limit_usd",   Holds::Data),
    ("body limit_tokens", Holds::Data),
    ("body mode",        Holds::Data),
    ("body alert_at",    Holds::Data),
    ("body requests_per_minute", Holds::Data),
    ("body tokens_per_minute",   Holds::Data),
    ("body concurrency",         Holds::Data),
    ("body queue_depth_max",     Holds::Data),
    ("body queue_wait_ms_max",   Holds::Data),
    ("body weight",              Holds::Data),
    ("body provider_isolation",  Holds::Data),

    ("body models",              Holds::Data),
    ("body enabled",             Holds::Data),
    ("body per_end_user",        Holds::Data),
    ("body cache",               Holds::Data),
    ("body cache enabled",       Holds::Data),
    ("body cache ttl_seconds",   Holds::Data),
    ("body cache per_end_user",  Holds::Data),
    ("body vectors",             Holds::Data),
    ("body vectors collection",  Holds::Data),
    ("body collection",          Holds::Data),
    // Operators alone audit, and they name any tenant.
    ("body tenants",             Holds::Data),
    ("body cursor",              Holds::Data),
    ("body repair",              Holds::Data),
    ("body embedder",            Holds::Data),
    ("body limits",                     Holds::Data),
    ("body limits requests_per_minute", Holds::Data),
    ("body limits tokens_per_minute",   Holds::Data),
    ("body limits concurrency",         Holds::Data),
    ("body limits queue_depth_max",     Holds::Data),
    ("body limits queue_wait_ms_max",   Holds::Data),
    ("body limits weight",              Holds::Data),
    ("body limits mode",                Holds::Data),
    ("body limits provider_isolation",  Holds::Data),
    ("body budgets",              Holds::Data),
    ("body budgets window",       Holds::Data),
    ("body budgets limit_usd",    Holds::Data),
    ("body budgets limit_tokens", Holds::Data),
    ("body budgets mode",         Holds::Data),
    ("body budgets alert_at",     Holds::Data),
    ("header x-insula-complexity", Holds::Data),
    // Also by another test: the walk fills in no bodies.
    ("body tenant",               Holds::TenantsId),
    ("body request",              Holds::Data),
    ("body complexity",           Holds::Data),
    ("body strategy",             Holds::Data),
    ("body prefer",               Holds::Data),
    ("body weights",              Holds::Data),
    ("body matrix",               Holds::Data),
    ("body matrix simple",        Holds::Data),
    ("body matrix complex",       Holds::Data),
    ("body fallbacks",            Holds::Data),
    ("body attempts_max",         Holds::Data),
    ("body locks",                Holds::Data),
    ("body locks model",          Holds::Data),
    ("body locks snapshot",       Holds::Data),
    ("body locks fingerprint",    Holds::Data),
    ("body locks on_mismatch",    Holds::Data),
    ("body routing",                       Holds::Data),
    ("body routing strategy",              Holds::Data),
    ("body routing prefer",                Holds::Data),
    ("body routing weights",               Holds::Data),
    ("body routing matrix",                Holds::Data),
    ("body routing matrix simple",         Holds::Data),
    ("body routing matrix complex",        Holds::Data),
    ("body routing fallbacks",             Holds::Data),
    ("body routing attempts_max",          Holds::Data),
    ("body routing locks",                 Holds::Data),
    ("body routing locks model",           Holds::Data),
    ("body routing locks snapshot",        Holds::Data),
    ("body routing locks fingerprint",     Holds::Data),
    ("body routing locks on_mismatch",     Holds::Data),
    ("body prices",                             Holds::Data),
    ("body prices model",                       Holds::Data),
    ("body prices effective_from",              Holds::Data),
    ("body prices input_usd_per_million",       Holds::Data),
    ("body prices cache_read_usd_per_million",  Holds::Data),
    ("body prices cache_write_usd_per_million", Holds::Data),
    ("body prices cache_write_1h_usd_per_million", Holds::Data),
    ("body prices output_usd_per_million",      Holds::Data),
];

/// The row of an operation.
pub fn of(operation: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.operation == operation)
}

/// What an input holds.
pub fn holds(input: &str) -> Option<Holds> {
    INPUTS.iter().find(|(name, _)| *name == input).map(|(_, holds)| *holds)
}
