//! What lies outside this machine: providers and their prices.

use std::time::Duration;

use insula_model::{Clock, SystemClock, Timestamp};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    cli::dev::DevEnv,
    config::{Config, Provider},
    finding::Finding,
    wire,
};

/// How long a provider may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How old a look at a vendor's prices may be.
const PRICES_CHECKED_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The prices of the models that the configured providers serve, and how old they are.
pub fn prices(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "prices";
    let now = SystemClock::default().now();
    let providers = match wire::providers(config, wire::Prices::Listed) {
        Ok(providers) => providers,
        Err(error) => return vec![Finding::fail(CHECK, format!("{error:#}"), "mend the providers or the price file")],
    };
    let rows = providers.prices(now);
    let old: Vec<&str> = rows.iter().filter(|(_, row)| is_old(&row.checked, now)).map(|(_, row)| row.id.as_str()).collect();
    match (rows.len(), old.first()) {
        (0, _) if config.providers.is_empty() => vec![],
        (0, _) => vec![Finding::warn(
            CHECK,
            "no configured provider has a model with a price",
            "add rows to the file that prices.file names",
        )],
        (all, None) => vec![Finding::ok(CHECK, format!("{all} models, each compared with its vendor's list within 90 days"))],
        (all, Some(first)) => {
            let says =
                format!("{} of {all} were last compared with the vendor's list over 90 days ago, such as {first}", old.len());
            vec![Finding::warn(CHECK, says, "compare them, and put what changed into the file that prices.file names")]
        }
    }
}

/// Whether a day such as `2026-01-31` lies too far back; what is no day is too old as well.
fn is_old(checked: &str, now: Timestamp) -> bool {
    !Timestamp::parse(&format!("{checked}T00:00:00Z")).is_ok_and(|at| now.since(at) <= PRICES_CHECKED_MAX)
}

/// Whether each provider has its key and accepts a connection. Nothing is sent.
pub async fn providers(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "providers";
    if config.providers.is_empty() && DevEnv::path(&config.storage.data_dir).exists() {
        return vec![Finding::ok(CHECK, "none is configured; `insula dev` brings its simulator")];
    }
    if config.providers.is_empty() {
        let fix = "add a [[providers]] table to insula.toml; docs/configuration.md shows how";
        return vec![Finding::warn(CHECK, "none is configured: no model can be called", fix)];
    }
    let mut findings = Vec::new();
    for provider in &config.providers {
        findings.push(reach(CHECK, provider).await);
        if let Err(error) = wire::api_key(provider) {
            findings.push(Finding::fail(
                CHECK,
                format!("{error:#}"),
                format!("set it, or mend the entry of {}", provider.name),
            ));
        }
    }
    findings
}

async fn reach(check: &'static str, provider: &Provider) -> Finding {
    let name = &provider.name;
    let Ok(url) = provider.base_url.parse::<http::Uri>() else {
        return Finding::fail(check, format!("{name}: the address cannot be read"), "mend base_url");
    };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
    let fix = "look at the network and its proxies, or at base_url";
    match timeout(CONNECT_MAX, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Finding::ok(check, format!("{name}: {host}:{port} accepts connections")),
        Ok(Err(error)) => Finding::fail(check, format!("{name}: {host}:{port} cannot be reached: {error}"), fix),
        Err(_) => Finding::fail(check, format!("{name}: {host}:{port} did not answer within {} s", CONNECT_MAX.as_secs()), fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_looks_are_found() {
        let now = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
        assert!(!is_old("2026-05-01", now));
        assert!(!is_old("2026-07-01", now), "a day ahead of us was not long ago");
        assert!(is_old("2026-01-01", now));
        assert!(is_old("recently", now));
    }
}
