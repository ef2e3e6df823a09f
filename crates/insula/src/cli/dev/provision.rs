//! The two tenants and the three keys of a development server: made once, kept over restarts.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use http::StatusCode;
use insula_engine::directory::Credential;
use insula_model::{ErrorKind, Name};
use serde_json::{Value, json};

use super::env_file::DevEnv;
use crate::{
    cli::client::{Client, escape},
    cli::exit::Failure,
    node::Serving,
};

/// The name of every key that is made here, so that lost ones are found again.
const KEY_NAME: &str = "dev";

/// Keys that work, written to `dev.env`: those of the last time where they still do, fresh ones otherwise.
pub async fn keys(serving: &Serving, data_dir: &Path, simulator_url: &str) -> Result<DevEnv, Failure> {
    let known = DevEnv::read(data_dir);
    let client = Client::network(&serving.url(), Some(serving.local_key().to_owned()))?;
    let env = DevEnv {
        url: serving.url(),
        operator_key: operator_key(serving, known.operator_key).await?,
        acme_key: tenant_key(serving, &client, "acme", "Acme", known.acme_key).await?,
        globex_key: tenant_key(serving, &client, "globex", "Globex", known.globex_key).await?,
        simulator_url: simulator_url.to_owned(),
    };
    env.write(data_dir)?;
    Ok(env)
}

async fn operator_key(serving: &Serving, known: String) -> Result<String> {
    let directory = &serving.engine().directory;
    if matches!(directory.authenticate(&known), Ok(Credential::Operator(_))) {
        return Ok(known);
    }
    let lost = directory.operator_keys().await?;
    for key in lost.iter().filter(|key| key.name.as_str() == KEY_NAME && key.revoked_at.is_none()) {
        directory.revoke_operator_key(key.id).await?;
    }
    let made = directory.add_operator_key(Name::try_from(KEY_NAME.to_owned())?).await?;
    Ok(made.expose().to_owned())
}

/// An admin key of the tenant `slug`, which is created where it does not exist.
async fn tenant_key(serving: &Serving, client: &Client, slug: &str, name: &str, known: String) -> Result<String, Failure> {
    if opens(serving, slug, &known) {
        return Ok(known);
    }
    let path = format!("/api/v1/tenants/{slug}");
    let found = client.call(http::Method::GET, &path, http::HeaderMap::new(), None).await?;
    if found.status == StatusCode::NOT_FOUND {
        client.post("/api/v1/tenants", Some(&json!({ "slug": slug, "name": name }))).await?;
    } else {
        found.text()?;
    }
    revoke_lost(client, &path).await?;
    let made = client.post(&format!("{path}/keys"), Some(&json!({ "name": KEY_NAME, "role": "admin" }))).await?;
    let made: Value = serde_json::from_str(&made).context("the answer is no JSON")?;
    Ok(made["key"].as_str().ok_or_else(|| anyhow!("the answer holds no key"))?.to_owned())
}

/// Whether this key still opens this tenant. One of a suspended tenant is as it should be.
fn opens(serving: &Serving, slug: &str, known: &str) -> bool {
    match serving.engine().directory.authenticate(known) {
        Ok(Credential::Tenant(own)) => own.tenant.record.slug.as_str() == slug,
        Ok(Credential::Operator(_)) => false,
        Err(error) => *error.kind() == ErrorKind::Suspended,
    }
}

/// Revokes what earlier runs made and nobody can know any more.
async fn revoke_lost(client: &Client, tenant: &str) -> Result<(), Failure> {
    let keys = client.list(&format!("{tenant}/keys"), None).await?;
    let keys: Value = serde_json::from_str(&keys).context("the answer is no JSON")?;
    let live = |key: &&Value| key["name"] == KEY_NAME && key.get("revoked_at").is_none_or(Value::is_null);
    for key in keys["data"].as_array().into_iter().flatten().filter(live) {
        let id = key["id"].as_str().unwrap_or_default();
        client.delete(&format!("{tenant}/keys/{}", escape(id))).await?;
    }
    Ok(())
}
