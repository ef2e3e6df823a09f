//! `insula search`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    client::escape,
    document::field,
    exit::Failure,
    output::{Output, items, text},
    target::Target,
    with_client,
};

/// Searches a tenant's documents. Operators see no content: present an admin key of the tenant with --url and --operator-key.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// The tenant's slug or id.
    tenant: String,
    /// The question.
    query: String,
    /// How many chunks at most.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=50))]
    limit: Option<u32>,
    /// Only documents with this value in this field, as NAME=VALUE; may be repeated, and all must hold.
    #[arg(long, value_name = "NAME=VALUE", value_parser = field)]
    filter: Vec<(String, Value)>,
    /// Only what this end user may see.
    #[arg(long, value_name = "NAME")]
    end_user: Option<String>,
    /// A reference corpus to look into too, by name or id; may be repeated. Where absent, the tenant's profile says, or all that it
    /// may read.
    #[arg(long, value_name = "CORPUS")]
    corpus: Vec<String>,
    /// Looks into the tenant's own documents alone.
    #[arg(long, conflicts_with = "corpus")]
    no_corpora: bool,
    #[command(flatten)]
    target: Target,
}

/// Runs it.
pub async fn run(args: SearchArgs, out: Output) -> Result<(), Failure> {
    let mut body = Map::from_iter([("query".to_owned(), json!(args.query))]);
    body.extend(args.limit.map(|limit| ("limit".to_owned(), json!(limit))));
    body.extend(args.end_user.map(|end_user| ("end_user".to_owned(), json!(end_user))));
    body.insert("filter".to_owned(), Value::Object(args.filter.into_iter().collect()));
    if args.no_corpora || !args.corpus.is_empty() {
        body.insert("corpora".to_owned(), json!(args.corpus));
    }
    let path = format!("/api/v1/tenants/{}/search", escape(&args.tenant));
    let body = Value::Object(body);
    with_client(&args.target, async |client| out.data(&client.post(&path, Some(&body)).await?, hits)).await
}

/// Each hit with where it stands: its quote, then the document's name and id.
fn hits(body: &Value) -> String {
    let hit = |(rank, hit): (usize, &Value)| {
        let quote = text(hit, "citation/quote").split_whitespace().collect::<Vec<_>>().join(" ");
        let [name, start, end] = ["name", "start", "end"].map(|part| text(hit, &format!("citation/{part}")));
        let (document, chunk, corpus) = (text(hit, "document"), text(hit, "chunk"), text(hit, "source/corpus"));
        let whose = if corpus.is_empty() { String::new() } else { format!("  corpus {corpus}") };
        format!("{rank}. {quote}\n   {name} [{start}..{end}]  {document}  chunk {chunk}{whose}\n")
    };
    let hits: Vec<String> = (1..).zip(items(body)).map(hit).collect();
    let found = if hits.is_empty() { "nothing is found".to_owned() } else { hits.join("") };
    match body["degraded"].is_null() {
        true => found,
        false => format!("{found}\nby words alone: what searches vectors does not answer"),
    }
}
