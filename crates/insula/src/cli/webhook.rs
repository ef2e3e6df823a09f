//! `insula webhook`.

use clap::{Args, Subcommand};
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use super::{
    client::{Client, escape},
    exit::Failure,
    output::{Output, items, pairs, table, text},
    target::Target,
    with_client,
};

/// Webhooks: addresses that are told when a budget fills up or a statement can be read.
#[derive(Debug, Args)]
pub struct WebhookArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

/// Whose webhooks.
#[derive(Debug, Args)]
struct OwnerArgs {
    /// The slug or id of the tenant whose webhook it is; the platform's where absent.
    #[arg(long)]
    tenant: Option<String>,
}

impl OwnerArgs {
    fn path(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("/api/v1/tenants/{}/webhooks", escape(tenant)),
            None => "/api/v1/webhooks".to_owned(),
        }
    }
}

/// One webhook.
#[derive(Debug, Args)]
struct OneArgs {
    /// The webhook's id.
    webhook: String,
    #[command(flatten)]
    owner: OwnerArgs,
}

impl OneArgs {
    fn path(&self) -> String {
        format!("{}/{}", self.owner.path(), escape(&self.webhook))
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Creates a webhook and prints the secret that its requests are signed with: the only time that it can be seen.
    Create {
        /// Where it listens, such as https://hooks.example.com/insula.
        address: String,
        #[command(flatten)]
        owner: OwnerArgs,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// Lists the platform's webhooks, or a tenant's.
    List {
        #[command(flatten)]
        owner: OwnerArgs,
    },
    /// Shows a webhook.
    Show(OneArgs),
    /// Changes what is given of a webhook and leaves the rest.
    Update {
        #[command(flatten)]
        one: OneArgs,
        /// Where it listens.
        #[arg(long)]
        address: Option<String>,
        #[command(flatten)]
        about: AboutArgs,
        /// Whether it is told anything.
        #[arg(long)]
        active: Option<bool>,
    },
    /// Removes a webhook with its log.
    Delete(OneArgs),
    /// Replaces a webhook's secret and prints the new one; for 24 hours requests are signed with both.
    Rotate(OneArgs),
    /// Sends a test event to a webhook and prints the event's id.
    Test(OneArgs),
    /// Lists what a webhook was told and what came of it, latest first.
    Deliveries {
        #[command(flatten)]
        one: OneArgs,
        /// How many to show.
        #[arg(long, value_name = "COUNT", default_value_t = 50)]
        limit: usize,
    },
    /// Sends an event to a webhook again.
    Replay {
        #[command(flatten)]
        one: OneArgs,
        /// The event's id, as `webhook deliveries` tells it.
        event: String,
    },
}

#[derive(Debug, Args)]
struct AboutArgs {
    /// What it is told: budget.alert, budget.exhausted or statement.ready; may be repeated. A new one is told everything where
    /// absent. An update replaces the whole list.
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
}

impl AboutArgs {
    fn fields(self) -> Map<String, Value> {
        let events = Some(self.events).filter(|events| !events.is_empty()).map(|events| ("events".to_owned(), json!(events)));
        let description = self.description.map(|description| ("description".to_owned(), json!(description)));
        events.into_iter().chain(description).collect()
    }
}

/// Runs it.
pub async fn run(args: WebhookArgs, out: Output) -> Result<(), Failure> {
    with_client(&args.target, async |client| act(client, args.action, out).await).await
}

async fn act(client: &Client, action: Action, out: Output) -> Result<(), Failure> {
    match action {
        Action::Create { address, owner, about } => {
            let mut body = about.fields();
            body.insert("url".to_owned(), json!(address));
            secret(&client.post(&owner.path(), Some(&Value::Object(body))).await?, out)
        }
        Action::List { owner } => out.data(&client.list(&owner.path(), None).await?, list),
        Action::Show(one) => out.data(&client.get(&one.path()).await?, show),
        Action::Update { one, address, about, active } => {
            let mut body = about.fields();
            body.extend(address.map(|address| ("url".to_owned(), json!(address))));
            body.extend(active.map(|active| ("active".to_owned(), json!(active))));
            if body.is_empty() {
                return Err(Failure::usage("nothing to change: give --address, --event, --description or --active"));
            }
            let changed = client.call(Method::PATCH, &one.path(), HeaderMap::new(), Some(&Value::Object(body))).await?;
            out.data(&changed.text()?, show)
        }
        Action::Delete(one) => {
            client.delete(&one.path()).await?;
            out.note(&format!("deleted {}", one.webhook));
            Ok(())
        }
        Action::Rotate(one) => secret(&client.post(&format!("{}/rotate", one.path()), None).await?, out),
        Action::Test(one) => out.data(&client.post(&format!("{}/test", one.path()), None).await?, |sent| text(sent, "event")),
        Action::Deliveries { one, limit } => {
            out.data(&client.list(&format!("{}/deliveries", one.path()), Some(limit)).await?, log)
        }
        Action::Replay { one, event } => {
            client.post(&format!("{}/deliveries/{}/replay", one.path(), escape(&event)), None).await?;
            out.note(&format!("{event} is sent again"));
            Ok(())
        }
    }
}

/// Prints a secret so that `SECRET=$(insula webhook create ...)` works; what else there is to know goes to stderr.
fn secret(body: &str, out: Output) -> Result<(), Failure> {
    out.data(body, |webhook| {
        out.note(&format!("id   {}", text(webhook, "id")));
        out.note(&format!("url  {}", text(webhook, "url")));
        out.note("Keep the secret now: it is not shown again.");
        text(webhook, "secret")
    })
}

const FIELDS: [&str; 6] = ["id", "url", "events", "active", "description", "created_at"];

fn events(webhook: &Value) -> String {
    let events = webhook["events"].as_array().map_or(&[][..], Vec::as_slice);
    events.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

fn field(webhook: &Value, name: &str) -> String {
    if name == "events" { events(webhook) } else { text(webhook, name) }
}

fn list(body: &Value) -> String {
    let rows = items(body).iter().map(|webhook| FIELDS.map(|name| field(webhook, name)));
    table(&["id", "url", "events", "active", "description", "created"], rows)
}

fn show(webhook: &Value) -> String {
    pairs(&FIELDS.map(|name| (name, field(webhook, name))))
}

fn log(body: &Value) -> String {
    let fields = ["event", "type", "created_at", "state", "attempts", "next_at", "last_status", "last_error"];
    let rows = items(body).iter().map(|line| fields.map(|name| text(line, name)));
    table(&["event", "type", "created", "state", "sent", "next", "status", "error"], rows)
}
