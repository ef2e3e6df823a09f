//! `insula document` for what a server keeps: add, list, show, remove.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use http::HeaderValue;
use serde_json::{Map, Value};

use crate::cli::{
    client::{Client, escape},
    exit::Failure,
    output::{Output, items, pairs, table, text},
    target::Target,
    with_client,
};

/// How often it is looked how far a document is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to do with a tenant's documents. To an operator they show how they stand, not what they hold.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Hands in a document and waits until it can be searched.
    Add {
        /// The tenant's slug or id.
        tenant: String,
        #[command(flatten)]
        new: NewDocument,
        /// An end user who may see it; may be repeated. Where absent, all may.
        #[arg(long, value_name = "NAME")]
        access: Vec<String>,
    },
    /// Lists a tenant's documents, the newest first.
    List {
        /// The tenant's slug or id.
        tenant: String,
        /// How many to show.
        #[arg(long, value_name = "COUNT", default_value_t = 50)]
        limit: usize,
    },
    /// Shows a document and how far it is.
    Show {
        /// The tenant's slug or id.
        tenant: String,
        /// The document's id.
        document: String,
    },
    /// Removes a document with everything that was made of it.
    Remove {
        /// The tenant's slug or id.
        tenant: String,
        /// The document's id.
        document: String,
    },
}

/// A document to be handed in, wherever.
#[derive(Debug, Args)]
pub(in crate::cli) struct NewDocument {
    /// The document: text, Markdown, HTML, PDF, DOCX, PPTX, XLSX, CSV, JSON, e-mail, subtitles or a transcript.
    file: PathBuf,
    /// Its media type; what it is, is decided by its bytes and its name where absent.
    #[arg(long, value_name = "TYPE")]
    media_type: Option<HeaderValue>,
    /// What it is called; the file's name where absent.
    #[arg(long)]
    name: Option<String>,
    /// A field to filter by, as NAME=VALUE; may be repeated. Numbers, true and false are taken as such.
    #[arg(long, value_name = "NAME=VALUE", value_parser = field)]
    metadata: Vec<(String, Value)>,
    /// Does not wait until it can be searched.
    #[arg(long)]
    no_wait: bool,
}

/// Runs it.
pub async fn run(target: &Target, action: Action, out: Output) -> Result<(), Failure> {
    with_client(target, async |client| act(client, action, out).await).await
}

async fn act(client: &Client, action: Action, out: Output) -> Result<(), Failure> {
    match action {
        Action::Add { tenant, new, access } => add(client, &documents(&tenant), new, Some(&access), out).await,
        Action::List { tenant, limit } => out.data(&client.list(&documents(&tenant), Some(limit)).await?, list),
        Action::Show { tenant, document } => out.data(&client.get(&one(&tenant, &document)).await?, show),
        Action::Remove { tenant, document } => {
            client.delete(&one(&tenant, &document)).await?;
            out.note(&format!("removed {document}"));
            Ok(())
        }
    }
}

/// Hands in a document at `documents`, and waits until it can be searched. Where nobody can be named who may see it, nobody is.
pub(in crate::cli) async fn add(
    client: &Client,
    documents: &str,
    new: NewDocument,
    access: Option<&[String]>,
    out: Output,
) -> Result<(), Failure> {
    let added = client.post_form(documents, HeaderValue::from_static(FORM), form(&new, access)?).await?;
    // Only a server that goes on reads documents.
    if new.no_wait || client.url().is_none() {
        return out.data(&added, show);
    }
    let read = wait(client, documents, &added).await?;
    out.data(&read, show)?;
    match parse(&read)?["error"]["message"].as_str() {
        Some(message) => Err(Failure::failed(format!("the document cannot be searched: {message}"))),
        None => Ok(()),
    }
}

fn documents(tenant: &str) -> String {
    format!("/api/v1/tenants/{}/documents", escape(tenant))
}

fn one(tenant: &str, document: &str) -> String {
    format!("{}/{}", documents(tenant), escape(document))
}

fn parse(body: &str) -> Result<Value, Failure> {
    Ok(serde_json::from_str(body).context("the answer is no JSON")?)
}

/// The document once nothing follows; meanwhile a line on a terminal tells how far it is.
async fn wait(client: &Client, documents: &str, added: &str) -> Result<String, Failure> {
    let id = text(&parse(added)?, "id");
    let mut shown = String::new();
    loop {
        let body = client.get(&format!("{documents}/{}", escape(&id))).await?;
        let document = parse(&body)?;
        let is_over = matches!(document["status"].as_str(), Some("ready" | "failed"));
        let line = if is_over { String::new() } else { format!("{} {}", text(&document, "status"), done(&document)) };
        if line != shown && io::stderr().is_terminal() {
            // The line before goes.
            let _ = write!(io::stderr(), "\r\x1b[2K{line}");
            shown = line;
        }
        if is_over {
            return Ok(body);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// One NAME=VALUE.
pub(in crate::cli) fn field(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let plain = serde_json::from_str(value).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
    Ok((name.to_owned(), plain.unwrap_or_else(|| Value::String(value.to_owned()))))
}

/// What stands between the parts of a form; a line of a document that is the same ends it early.
const BOUNDARY: &str = "----insula-4fb71d6c0a2e95388e1d07c3";
const FORM: &str = "multipart/form-data; boundary=----insula-4fb71d6c0a2e95388e1d07c3";

fn form(new: &NewDocument, access: Option<&[String]>) -> Result<Vec<u8>, Failure> {
    let NewDocument { file, media_type, name, metadata, .. } = new;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fields: Map<String, Value> = metadata.iter().cloned().collect();
    let access = access.map(serde_json::to_string).transpose().context("cannot write who may see it")?;
    let mut texts =
        vec![("name", name.clone().unwrap_or_else(|| file_name.clone())), ("metadata", Value::Object(fields).to_string())];
    texts.extend(access.map(|access| ("access", access)));
    let mut form = Vec::new();
    for (field, value) in texts {
        let part = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
        form.extend_from_slice(part.as_bytes());
    }
    // As forms of the web write them.
    let file_name = file_name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n");
    form.extend_from_slice(head.as_bytes());
    if let Some(media_type) = media_type {
        form.extend_from_slice(b"content-type: ");
        form.extend_from_slice(media_type.as_bytes());
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"\r\n");
    form.extend_from_slice(&bytes);
    form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    Ok(form)
}

/// `750 of 1000 chunks, 75%`; nothing until the chunks are counted.
fn done(document: &Value) -> String {
    let count = |field: &str| document["progress"][field].as_u64().unwrap_or_default();
    let (done, total) = (count("done"), count("total"));
    (done * 100).checked_div(total).map_or_else(String::new, |percent| format!("{done} of {total} chunks, {percent}%"))
}

pub(in crate::cli) fn list(body: &Value) -> String {
    let rows = items(body).iter().map(|document| {
        let [id, name, status, bytes, created] =
            ["id", "name", "status", "bytes", "created_at"].map(|field| text(document, field));
        [id, name, status, done(document), bytes, created]
    });
    table(&["id", "name", "status", "embedded", "bytes", "created"], rows)
}

pub(in crate::cli) fn show(document: &Value) -> String {
    let mut shown = ["id", "name", "status"].map(|field| (field, text(document, field))).to_vec();
    shown.push(("embedded", done(document)));
    let more = [("error", "error/message"), ("bytes", "bytes"), ("embedder", "embedding/model"), ("metadata", "metadata")];
    shown.extend(more.map(|(name, field)| (name, text(document, field))));
    shown.extend(["access", "created_at", "changed_at"].map(|field| (field, text(document, field))));
    shown.extend(["format", "encoding", "language", "pages"].map(|field| (field, text(document, &format!("report/{field}")))));
    let mut shown = pairs(&shown);
    let list = |path: &str| document.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let defects = list("/report/defects").iter().map(|defect| text(defect, "message")).collect();
    let finding = |finding: &Value| {
        let [category, carrier, done] = ["category", "carrier", "done"].map(|field| text(finding, field).replace('_', " "));
        format!("{category}, {}%, in {carrier}: {done}", text(finding, "confidence"))
    };
    let sections: [(&str, Vec<String>); 2] =
        [("Defects", defects), ("Findings", list("/findings").iter().map(finding).collect())];
    for (title, lines) in sections.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        shown.push_str(&format!("\n\n{title}\n  {}", lines.join("\n  ")));
    }
    shown
}
