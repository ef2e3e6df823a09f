//! With searches of a tenant's documents: what is another's in the path, the question, the filter, the reader, and the corpora.

use serde_json::{Value, json};

use super::ask::{Ask, Foreign, Own};
use super::planted::{DOCUMENTS, END_USER, Planted};

/// Words that stand in everybody's documents.
const WORDS: [&str; 3] = ["quince", "the quince and the medlar", "Both speak of medlars"];

pub fn reads(by: &Planted, of: &Planted, round: usize) -> Vec<Ask> {
    let (place, words, limit) = (round % DOCUMENTS, WORDS[round % WORDS.len()], 1 + round % 50);
    let (canary, id) = (&of.canary, &of.documents[place]);
    let value = format!("{canary}-value-{place}");
    let search = |path: String, mut body: Value, foreign, own| {
        body["limit"] = json!(limit);
        Ask::post(&by.tenant.admin, path, body, foreign, own)
    };
    let own = |body: Value, foreign| search(by.path("/search"), body, foreign, Own::Finds);
    let filtered = |filter: Value| own(json!({"query": words, "filter": filter}), Foreign::Nothing);
    let within = |corpora: Value| json!({"query": "the law of the quince", "corpora": corpora});
    vec![
        search(of.path("/search"), json!({"query": words}), Foreign::NotFound, Own::Finds),
        search(of.path("/search"), json!({"query": canary, "end_user": END_USER}), Foreign::NotFound, Own::Finds),
        own(json!({"query": format!("{canary}text{place}")}), Foreign::Own),
        own(json!({"query": words}), Foreign::Own),
        own(json!({"query": format!("{words} {canary}-name-{place} {canary}-value-{place}")}), Foreign::Own),
        own(json!({"query": words, "filter": {"shared": "yes"}}), Foreign::Own),
        own(json!({"query": words, "filter": {"own": {"ne": "x"}}}), Foreign::Own),
        filtered(json!({"own": value})),
        filtered(json!({"own": {"in": [value, "x"]}, "shared": "yes"})),
        filtered(json!({"type": "and", "filters": [{"type": "eq", "key": "own", "value": value}]})),
        filtered(json!({"own": {"lt": format!("{canary}~")}})),
        search(
            by.path("/search"),
            json!({"query": id, "filter": {"document": id, "tenant": of.tenant.id}}),
            Foreign::Nothing,
            Own::Nothing,
        ),
        // Corpora have no readers of their own.
        own(json!({"query": canary, "end_user": format!("{canary}-reader"), "corpora": []}), Foreign::Nothing),
        own(json!({"query": words, "end_user": END_USER}), Foreign::Own),
        own(within(json!("all")), Foreign::Own),
        own(within(json!([of.corpus_name])), Foreign::NotFound),
        own(within(json!([of.corpus])), Foreign::NotFound),
        search(by.path("/search"), within(json!([of.tenant.id, of.tenant.slug])), Foreign::NotFound, Own::Nothing),
        Ask::post(&by.tenant.service, of.path("/search"), json!({"query": canary}), Foreign::NotFound, Own::Nothing),
        Ask::post(&by.token, of.path("/search"), json!({"query": canary}), Foreign::NotFound, Own::Nothing),
    ]
}
