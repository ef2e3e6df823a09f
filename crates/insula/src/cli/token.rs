//! `insula token`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    client::escape,
    exit::Failure,
    output::{Output, text},
    target::Target,
    times::Span,
    with_client,
};

/// Short-lived tokens for programs that act for one tenant.
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Creates a token and prints it: the only time that it can be seen.
    Create {
        /// The tenant's slug or id.
        tenant: String,
        /// How long it is good, such as 15m.
        #[arg(long, value_name = "DURATION", default_value = "1h")]
        ttl: Span,
        /// The end user whom the program acts for, by the product's own name for it.
        #[arg(long, value_name = "ID")]
        end_user: Option<String>,
    },
}

/// Runs it.
pub async fn run(args: TokenArgs, out: Output) -> Result<(), Failure> {
    let Action::Create { tenant, ttl: Span(ttl), end_user } = args.action;
    with_client(&args.target, async |client| {
        let mut body = json!({ "ttl_seconds": ttl.as_secs() });
        if let Some(end_user) = &end_user {
            body["end_user"] = json!(end_user);
        }
        let made = client.post(&format!("/api/v1/tenants/{}/tokens", escape(&tenant)), Some(&body)).await?;
        out.data(&made, |token| {
            out.note(&format!("expires  {}", text(token, "expires_at")));
            text(token, "token")
        })
    })
    .await
}
