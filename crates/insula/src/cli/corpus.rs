//! `insula corpus`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::{Client, escape},
    document::stored::{self, NewDocument},
    exit::Failure,
    output::{Output, items, pairs, table, text},
    target::Target,
    with_client,
};

/// Reference corpora: operators write them, tenants with a grant find what stands there beside their own documents.
#[derive(Debug, Args)]
pub struct CorpusArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a corpus, empty, that nobody may read.
    Add {
        /// Its short name, such as eu_gdpr.
        name: String,
        /// Its name for people; the short name where absent.
        #[arg(long)]
        title: Option<String>,
        /// Where what stands in it holds, such as eu.
        #[arg(long)]
        jurisdiction: String,
    },
    /// Lists corpora: all of them, or those that a tenant may read.
    List {
        /// Only those that this tenant may read: its slug or id.
        #[arg(long)]
        tenant: Option<String>,
        /// How many to show.
        #[arg(long, value_name = "COUNT", default_value_t = 50)]
        limit: usize,
    },
    /// Shows a corpus.
    Show {
        /// Its name or id.
        corpus: String,
    },
    /// Erases a corpus for good, with its documents and all grants.
    Remove {
        /// Its name or id.
        corpus: String,
    },
    /// Lets a tenant read a corpus.
    Grant {
        /// The corpus's name or id.
        corpus: String,
        /// The tenant's slug or id.
        tenant: String,
    },
    /// Takes that back: no search of the tenant's finds anything there any more.
    Revoke {
        /// The corpus's name or id.
        corpus: String,
        /// The tenant's slug or id.
        tenant: String,
    },
    /// Manages what stands in a corpus.
    #[command(subcommand)]
    Document(DocumentAction),
}

#[derive(Debug, Subcommand)]
enum DocumentAction {
    /// Hands in a document and waits until it can be searched.
    Add {
        /// The corpus's name or id.
        corpus: String,
        #[command(flatten)]
        new: NewDocument,
    },
    /// Lists a corpus's documents, the newest first.
    List {
        /// The corpus's name or id.
        corpus: String,
        /// How many to show.
        #[arg(long, value_name = "COUNT", default_value_t = 50)]
        limit: usize,
    },
    /// Shows a document and how far it is.
    Show {
        /// The corpus's name or id.
        corpus: String,
        /// The document's id.
        document: String,
    },
    /// Removes a document with everything that was made of it.
    Remove {
        /// The corpus's name or id.
        corpus: String,
        /// The document's id.
        document: String,
    },
}

const ALL: &str = "/api/v1/corpora";
const FIELDS: [&str; 5] = ["id", "name", "title", "jurisdiction", "created_at"];

/// Runs it.
pub async fn run(args: CorpusArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| act(client, args.action, out).await).await
}

async fn act(client: &Client, action: Action, out: Output) -> Result<(), Failure> {
    match action {
        Action::Add { name, title, jurisdiction } => {
            let order = json!({"title": title.as_ref().unwrap_or(&name), "name": name, "jurisdiction": jurisdiction});
            out.data(&client.post(ALL, Some(&order)).await?, show)
        }
        Action::List { tenant: None, limit } => out.data(&client.list(ALL, Some(limit)).await?, list),
        Action::List { tenant: Some(tenant), .. } => {
            let path = format!("/api/v1/tenants/{}/corpora", escape(&tenant));
            out.data(&client.get(&path).await?, list)
        }
        Action::Show { corpus } => out.data(&client.get(&one(&corpus)).await?, show),
        Action::Remove { corpus } => {
            let receipt = client.delete(&one(&corpus)).await?;
            let shown =
                |receipt: &Value| pairs(&["corpus", "erased_at", "keys_gone_after"].map(|field| (field, text(receipt, field))));
            out.data(&receipt, shown)
        }
        Action::Grant { corpus, tenant } => out.data(&client.put(&below(&tenant, &corpus), &json!({})).await?, show),
        Action::Revoke { corpus, tenant } => {
            client.delete(&below(&tenant, &corpus)).await?;
            out.note(&format!("revoked: searches of {tenant} find nothing in {corpus} any more"));
            Ok(())
        }
        Action::Document(action) => act_on_documents(client, action, out).await,
    }
}

async fn act_on_documents(client: &Client, action: DocumentAction, out: Output) -> Result<(), Failure> {
    let documents = |corpus: &str| format!("{}/documents", one(corpus));
    let document = |corpus: &str, id: &str| format!("{}/{}", documents(corpus), escape(id));
    match action {
        DocumentAction::Add { corpus, new } => stored::add(client, &documents(&corpus), new, None, out).await,
        DocumentAction::List { corpus, limit } => out.data(&client.list(&documents(&corpus), Some(limit)).await?, stored::list),
        DocumentAction::Show { corpus, document: id } => out.data(&client.get(&document(&corpus, &id)).await?, stored::show),
        DocumentAction::Remove { corpus, document: id } => {
            client.delete(&document(&corpus, &id)).await?;
            out.note(&format!("removed {id}"));
            Ok(())
        }
    }
}

fn one(corpus: &str) -> String {
    format!("{ALL}/{}", escape(corpus))
}

fn below(tenant: &str, corpus: &str) -> String {
    format!("/api/v1/tenants/{}/corpora/{}", escape(tenant), escape(corpus))
}

fn show(corpus: &Value) -> String {
    let mut shown = FIELDS.map(|field| (field, text(corpus, field))).to_vec();
    shown.push(("granted_at", text(corpus, "granted_at")));
    pairs(&shown)
}

fn list(body: &Value) -> String {
    table(&FIELDS, items(body).iter().map(|corpus| FIELDS.map(|field| text(corpus, field))))
}
