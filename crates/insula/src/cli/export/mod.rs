//! `insula usage export`.

mod destination;

use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{HeaderMap, Method};
use serde_json::json;

use super::{
    client::{Client, escape},
    exit::Failure,
    output::{Output, text},
    target::Target,
    with_client,
};
use destination::{Destination, Progress};

/// The ledger row by row: attempts at providers, and corrections of them.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The tenant's slug or id; all tenants where absent.
    tenant: Option<String>,
    /// How rows are written.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = FormatArg::Jsonl)]
    format: FormatArg,
    /// Writes the rows to this file; to stdout where absent.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Remembers in this file how far the export came: the next one appends what is new since.
    #[arg(long, value_name = "FILE", requires = "output")]
    cursor_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    /// A CloudEvents 1.0 event on each line.
    Cloudevents,
    /// A JSON object on each line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

impl FormatArg {
    fn name(self) -> &'static str {
        match self {
            FormatArg::Cloudevents => "cloudevents",
            FormatArg::Jsonl => "jsonl",
            FormatArg::Csv => "csv",
        }
    }
}

/// Some rows.
struct Page {
    rows: Bytes,
    next: String,
    more: bool,
}

/// Runs it.
pub async fn run(target: &Target, args: ExportArgs, out: Output) -> Result<(), Failure> {
    let start = Progress::start(args.tenant, args.format.name());
    // Before anything is asked of a server: it may be the wrong file.
    let mut file = match &args.output {
        None => None,
        Some(output) => Some(Destination::open(output, args.cursor_file, start.clone())?),
    };
    let before = file.as_ref().map_or(start, |file| file.progress().clone());
    with_client(target, async |client| {
        let mut cursor = before.cursor.clone();
        loop {
            let page = page(client, &before, cursor.as_deref()).await?;
            let is_read = match &mut file {
                None => out.raw(&page.rows)?,
                Some(file) => file.append(&page.rows, &page.next).map(|()| true)?,
            };
            cursor = Some(page.next);
            if !page.more || !is_read {
                break;
            }
        }
        let (Some(output), Some(file)) = (&args.output, &file) else { return Ok(()) };
        let told = json!({"output": output, "bytes_written": file.progress().bytes - before.bytes, "cursor": cursor});
        out.data(&told.to_string(), |told| format!("{} bytes written to {}", text(told, "bytes_written"), output.display()))
    })
    .await
}

/// The rows behind `cursor`.
async fn page(client: &Client, export: &Progress, cursor: Option<&str>) -> Result<Page, Failure> {
    let base = match &export.tenant {
        Some(tenant) => format!("/api/v1/tenants/{}/usage/export", escape(tenant)),
        None => "/api/v1/usage/export".to_owned(),
    };
    let cursor = cursor.map(|cursor| format!("&cursor={}", escape(cursor))).unwrap_or_default();
    let path = format!("{base}?format={}{cursor}", export.format);
    let reply = client.call(Method::GET, &path, HeaderMap::new(), None).await?;
    if !reply.status.is_success() {
        return Err(Failure::refused_by_server(reply.status.as_u16(), &reply.body));
    }
    let header = |name: &str| reply.headers.get(name).and_then(|value| value.to_str().ok());
    let next = header("x-next-cursor").ok_or_else(|| Failure::failed("the answer does not say where to go on"))?.to_owned();
    let more = header("x-has-more") == Some("true");
    Ok(Page { rows: reply.body, next, more })
}
