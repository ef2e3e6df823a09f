//! `insula limit`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    exit::Failure,
    output::{Output, pairs, text},
    subject::OfTenant,
    target::Target,
    with_client,
};

/// Limits: requests and tokens a minute, requests at once, and how they wait for their turn.
#[derive(Debug, Args)]
pub struct LimitArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sets what is given and leaves the rest; `none` lifts a limit.
    Set {
        #[command(flatten)]
        subject: OfTenant,
        /// Requests in a minute.
        #[arg(long, value_name = "COUNT|none")]
        requests_per_minute: Option<Limit>,
        /// Tokens in a minute, input and output together.
        #[arg(long, value_name = "COUNT|none")]
        tokens_per_minute: Option<Limit>,
        /// Requests under way at once, open streams included.
        #[arg(long, value_name = "COUNT|none")]
        concurrency: Option<Limit>,
        /// Requests that may wait for their turn. Of a tenant only.
        #[arg(long, value_name = "COUNT|none")]
        queue_depth_max: Option<Limit>,
        /// How long a request may wait for its turn, milliseconds. Of a tenant only.
        #[arg(long, value_name = "MS|none")]
        queue_wait_ms_max: Option<Limit>,
        /// Its share where tenants contend, beside the others' weights: 1 to 1000. Of a tenant only.
        #[arg(long, value_name = "WEIGHT|none")]
        weight: Option<Limit>,
        /// How its requests are released toward the providers: speed against predictability. Of a tenant only.
        #[arg(long, value_parser = ["fast", "balanced", "predictable", "none"])]
        mode: Option<String>,
        /// How its prompts are kept apart from others' in the caches of providers.
        #[arg(long, value_parser = ["keyed", "prefixed", "none"])]
        provider_isolation: Option<String>,
    },
    /// Shows the limits of a tenant or a key.
    Show {
        #[command(flatten)]
        subject: OfTenant,
    },
}

/// What is shown, in order.
const FIELDS: [&str; 8] = [
    "requests_per_minute",
    "tokens_per_minute",
    "concurrency",
    "queue_depth_max",
    "queue_wait_ms_max",
    "weight",
    "mode",
    "provider_isolation",
];

/// A number, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit(Option<u32>);

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            _ => text.parse().map(|count| Self(Some(count))).map_err(|_| "write a whole number, or `none`".to_owned()),
        }
    }
}

/// Runs it.
pub async fn run(args: LimitArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| match args.action {
        Action::Set {
            subject,
            requests_per_minute,
            tokens_per_minute,
            concurrency,
            queue_depth_max,
            queue_wait_ms_max,
            weight,
            mode,
            provider_isolation,
        } => {
            let path = format!("{}/limits", subject.path());
            let body = client.get(&path).await?;
            let mut limits: Value =
                serde_json::from_str(&body).map_err(|e| Failure::failed(format!("the answer is no JSON: {e}")))?;
            let given = [
                ("requests_per_minute", requests_per_minute),
                ("tokens_per_minute", tokens_per_minute),
                ("concurrency", concurrency),
                ("queue_depth_max", queue_depth_max),
                ("queue_wait_ms_max", queue_wait_ms_max),
                ("weight", weight),
            ];
            let words = [("mode", mode), ("provider_isolation", provider_isolation)];
            if given.iter().all(|(_, limit)| limit.is_none()) && words.iter().all(|(_, word)| word.is_none()) {
                return Err(Failure::usage("nothing to set: give a limit such as --requests-per-minute, or --mode"));
            }
            for (field, limit) in given {
                if let Some(Limit(limit)) = limit {
                    limits[field] = json!(limit);
                }
            }
            for (field, word) in words {
                if let Some(word) = word {
                    limits[field] = if word == "none" { Value::Null } else { json!(word) };
                }
            }
            if let Some(fields) = limits.as_object_mut() {
                fields.retain(|_, limit| !limit.is_null());
            }
            out.data(&client.put(&path, &limits).await?, show)
        }
        Action::Show { subject } => out.data(&client.get(&format!("{}/limits", subject.path())).await?, show),
    })
    .await
}

fn show(limits: &Value) -> String {
    pairs(&FIELDS.map(|field| {
        let limit = text(limits, field);
        (field, if limit.is_empty() { "none".to_owned() } else { limit })
    }))
}
