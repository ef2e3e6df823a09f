//! What searches vectors is away for a while: what goes on, what is refused, and what is made up for when it is back.

mod pgvector_away;
mod qdrant_away;

use std::time::{Duration, Instant};

use insula_tests::stores::{self, STORES};
use insula_tests::tenant::chat;
use insula_tests::{Caller, Reply, TestTenant};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

/// No chat without retrieval may take so long while what searches vectors is away: less than anybody waits for that.
const CHAT_WITHIN: Duration = Duration::from_secs(1);
const CHATS: usize = 10;

const LEASE: &str = "The deposit of the lease is returned within two months.";
const PETS: &str = "Dogs are welcome, and the deposit for them is waived.";
const QUESTION: &str = "When is the deposit returned?";

/// What a search answers, whatever it is.
async fn search(tenant: &TestTenant) -> Reply {
    tenant.admin.post(&tenant.path("/search"), &json!({"query": QUESTION})).await
}

/// The documents of an answer's hits, in their order.
fn documents(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().unwrap().iter().map(|hit| hit["document"].as_str().unwrap()).collect()
}

/// A store with one file; its id.
async fn store_with_a_file(tenant: &TestTenant) -> String {
    let id = stores::store(&tenant.service, &json!({})).await;
    stores::publish(&tenant.service, &id, "The deposit of a car is not that of a lease.", json!({})).await;
    id
}

/// What a search in a store answers, whatever it is.
async fn search_store(caller: &Caller, store: &str) -> Reply {
    caller.post(&format!("{STORES}/{store}/search"), &json!({"query": QUESTION})).await
}

/// The same question to a model in every dialect, each to be answered from documents: the path, and what comes.
async fn ask_all(caller: &Caller) -> [(&'static str, Reply); 4] {
    let said = json!([{"role": "user", "content": QUESTION}]);
    let retrieval = json!({"retrieval": true});
    let whole = json!({"model": "sim-small", "messages": said, "insula": retrieval});
    let mut streamed = whole.clone();
    streamed["stream"] = json!(true);
    let tools = json!([{"type": "file_search", "vector_store_ids": []}]);
    let response = json!({"model": "sim-small", "input": QUESTION, "tools": tools});
    let message = json!({"model": "sim-small", "max_tokens": 50, "messages": said, "insula": retrieval});
    [
        (CHAT, caller.post(CHAT, &whole).await),
        (CHAT, caller.post(CHAT, &streamed).await),
        (RESPONSES, caller.post(RESPONSES, &response).await),
        (MESSAGES, caller.post(MESSAGES, &message).await),
    ]
}

/// Each is refused in its caller's dialect, says what the matter is, and when to come again.
fn assert_refused(answers: &[(&str, Reply)]) {
    for (path, reply) in answers {
        let error = match *path {
            MESSAGES => {
                let body = reply.json();
                assert_eq!((reply.status, &body["type"]), (503, &json!("error")), "{}", reply.text());
                assert_eq!(body["error"]["code"], "unavailable", "{body}");
                body["error"].clone()
            }
            _ => reply.openai_error(503, "unavailable"),
        };
        assert!(error["message"].as_str().unwrap().contains("documents"), "it says what is away: {error}");
        assert!(reply.header("retry-after").parse::<u64>().unwrap() > 0, "{path}");
    }
}

/// Each is answered from documents.
fn assert_answered(answers: &[(&str, Reply)]) {
    for (path, reply) in answers {
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert!(reply.text().contains("\"sources\":[{"), "{path}: {}", reply.text());
    }
}

/// Chats without retrieval are answered as ever, and none waits for what is away.
async fn chats_are_not_concerned(tenant: &TestTenant) {
    for _ in 0..CHATS {
        let began = Instant::now();
        tenant.service.post(CHAT, &chat("no retrieval in it")).await.expect(200);
        assert!(began.elapsed() < CHAT_WITHIN, "a chat took {:?}", began.elapsed());
    }
}
