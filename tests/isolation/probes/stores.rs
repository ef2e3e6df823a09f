//! With files and vector stores, as OpenAI has them.

use insula_tests::stores::STORES;
use serde_json::{Value, json};

use super::ask::{Ask, Foreign, Own};
use super::planted::{DOCUMENTS, END_USER, Planted};

/// Reads.
pub fn reads(by: &Planted, of: &Planted, round: usize) -> Vec<Ask> {
    let (service, place) = (&by.tenant.service, round % DOCUMENTS);
    let (file, batch) = (&of.files[place], format!("/file_batches/{}", of.batch));
    let found = |path: String| Ask::get(service, path, Foreign::NotFound, Own::Finds);
    let after = |path: String| Ask::get(service, path, Foreign::Either, Own::Nothing);
    let token = |path: String| Ask::get(&by.token, path, Foreign::NotFound, Own::Finds);
    vec![
        found(of.store_path("")),
        found(of.store_path("/files")),
        found(of.store_path(&format!("/files/{file}"))),
        found(of.store_path(&format!("/files/{file}/content"))),
        found(of.store_path(&batch)),
        found(of.store_path(&format!("{batch}/files"))),
        found(by.store_path(&format!("/files/{file}"))),
        found(by.store_path(&format!("/files/{file}/content"))),
        found(by.store_path(&batch)),
        found(format!("/v1/files/{file}")),
        found(format!("/v1/files/{file}/content")),
        token(of.store_path("")),
        token(of.store_path(&format!("/files/{file}/content"))),
        token(format!("/v1/files/{file}/content")),
        after(format!("{STORES}?after={}", of.store)),
        after(by.store_path(&format!("/files?after={file}"))),
        after(format!("/v1/files?before={file}&after={file}")),
        Ask::get(service, STORES, Foreign::Own, Own::Finds),
        Ask::get(service, "/v1/files", Foreign::Own, Own::Finds),
        Ask::get(&by.token, by.store_path("/files"), Foreign::Own, Own::Finds),
    ]
}

/// Searches.
pub fn searches(by: &Planted, of: &Planted, round: usize) -> Vec<Ask> {
    let (service, place, canary) = (&by.tenant.service, round % DOCUMENTS, &of.canary);
    let limit = 1 + round % 50;
    let value = format!("{canary}-value-{place}");
    let eq = |key: &str, value: &str| json!({"type": "eq", "key": key, "value": value});
    let ask = |query: Value, filters: Value| json!({"query": query, "filters": filters, "max_num_results": limit});
    let theirs = |body: Value| Ask::post(service, of.store_path("/search"), body, Foreign::NotFound, Own::Finds);
    let own = |body: Value, foreign| Ask::post(service, by.store_path("/search"), body, foreign, Own::Finds);
    let text = format!("{canary}text{place}");
    vec![
        theirs(json!({"query": "quince", "max_num_results": limit})),
        theirs(json!({"query": [canary, text], "user": END_USER})),
        own(json!({"query": text, "max_num_results": limit}), Foreign::Own),
        own(json!({"query": ["quince", text], "max_num_results": limit}), Foreign::Own),
        own(ask(json!("quince"), eq("shared", "yes")), Foreign::Own),
        own(ask(json!("quince"), eq("own", &value)), Foreign::Nothing),
        own(ask(json!(text), json!({"type": "or", "filters": [eq("own", &value), eq("own", canary)]})), Foreign::Nothing),
        own(json!({"query": canary, "user": format!("{canary}-reader"), "max_num_results": limit}), Foreign::Nothing),
        Ask::post(&by.token, of.store_path("/search"), json!({"query": canary}), Foreign::NotFound, Own::Finds),
        Ask::post(&by.token, by.store_path("/search"), json!({"query": text}), Foreign::Own, Own::Finds),
    ]
}

/// Changes; the last of them leave nothing for those before.
pub fn changes(by: &Planted, of: &Planted, round: usize) -> Vec<Ask> {
    let (service, place) = (&by.tenant.service, round % DOCUMENTS);
    let (file, own) = (&of.files[place], &by.files[place]);
    let post = |path: String, body: Value| Ask::post(service, path, body, Foreign::NotFound, Own::Changes);
    let batch = format!("/file_batches/{}", of.batch);
    vec![
        post(of.store_path(""), json!({"name": "forged"})),
        post(of.store_path(&format!("/files/{file}")), json!({"attributes": {"own": "forged"}})),
        post(by.store_path(&format!("/files/{file}")), json!({"attributes": {"own": "forged"}})),
        post(of.store_path(&format!("{batch}/cancel")), json!({})),
        post(by.store_path(&format!("{batch}/cancel")), json!({})),
        post(of.store_path("/files"), json!({"file_id": own})),
        post(by.store_path("/files"), json!({"file_id": file})),
        post(of.store_path("/file_batches"), json!({"file_ids": [own]})),
        post(by.store_path("/file_batches"), json!({"file_ids": [file]})),
        post(by.store_path("/file_batches"), json!({"files": [{"file_id": file, "attributes": {"own": "forged"}}]})),
        post(STORES.to_owned(), json!({"name": "forged", "file_ids": [file]})),
        Ask::delete(service, of.store_path(&format!("/files/{file}")), Foreign::NotFound),
        Ask::delete(service, by.store_path(&format!("/files/{file}")), Foreign::NotFound),
        Ask::delete(service, format!("/v1/files/{file}"), Foreign::NotFound),
        Ask::delete(&by.token, format!("/v1/files/{file}"), Foreign::Forbidden).whoever(),
        Ask::delete(service, of.store_path(""), Foreign::NotFound),
    ]
}
