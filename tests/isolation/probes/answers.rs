//! With answers that are made of documents.

use serde_json::{Value, json};

use super::ask::{Ask, Foreign, Own};
use super::planted::{DOCUMENTS, END_USER, Planted};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";

/// Reads. What is said to the model has none of another's words in it, so that what it is sent may have none.
pub fn reads(by: &Planted, of: &Planted, round: usize) -> Vec<Ask> {
    let (service, place) = (&by.tenant.service, round % DOCUMENTS);
    let said = json!([{"role": "user", "content": format!("the quince and the medlar {round}")}]);
    let chat = |mut retrieval: Value, foreign| {
        retrieval["limit"] = json!(1 + round % 50);
        let body = json!({"model": "sim-small", "messages": said, "user": END_USER, "insula": {"retrieval": retrieval}});
        Ask::post(service, CHAT, body, foreign, Own::Finds)
    };
    let of_store = json!([{"type": "file_search", "vector_store_ids": [of.store]}]);
    let response = json!({"model": "sim-small", "input": "the quince", "user": END_USER, "tools": of_store, "include": ["file_search_call.results"]});
    let onwards = json!({"model": "sim-small", "input": "and then?", "user": END_USER, "previous_response_id": of.response});
    let message = json!({"model": "sim-small", "max_tokens": 50, "messages": said, "metadata": {"user_id": END_USER}, "insula": {"retrieval": true}});
    let by_token = json!({"model": "sim-small", "messages": said, "insula": {"retrieval": {"vector_store_ids": [of.store]}}});
    vec![
        chat(json!({}), Foreign::Own),
        chat(json!({"query": format!("{}text{place}", of.canary)}), Foreign::Own),
        chat(json!({"filter": {"own": format!("{}-value-{place}", of.canary)}}), Foreign::Nothing),
        chat(json!({"vector_store_ids": [of.store]}), Foreign::NotFound),
        chat(json!({"corpora": [of.corpus_name]}), Foreign::NotFound),
        Ask::post(&by.token, CHAT, by_token, Foreign::NotFound, Own::Finds),
        Ask::post(service, RESPONSES, response, Foreign::NotFound, Own::Finds),
        Ask::post(service, RESPONSES, onwards, Foreign::NotFound, Own::Finds),
        Ask::post(service, "/v1/messages", message, Foreign::Own, Own::Finds),
        Ask::get(service, format!("{RESPONSES}/{}", of.response), Foreign::NotFound, Own::Finds),
        Ask::get(service, format!("{RESPONSES}/{}/input_items", of.response), Foreign::NotFound, Own::Nothing),
    ]
}

/// Changes.
pub fn changes(by: &Planted, of: &Planted, _: usize) -> Vec<Ask> {
    vec![Ask::delete(&by.tenant.service, format!("{RESPONSES}/{}", of.response), Foreign::NotFound)]
}
