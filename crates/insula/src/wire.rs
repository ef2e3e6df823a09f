//! The only place that chooses engines: from a configuration to a store, providers and a running engine.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use insula_engine::{Engine, EngineSettings};
use insula_model::Random;
use insula_providers::{PriceBook, ProviderSettings, Providers, SIMULATOR_PRICES, SecretText, Timeouts};
use insula_server::ServerSettings;
use insula_store::{Durability, RootKey, Store, StoreOptions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    config::{Config, Mode, Provider, Storage},
    node::World,
    private_file,
};

/// The variable whose value replaces the root key's file.
const ROOT_KEY_VARIABLE: &str = "INSULA_ROOT_KEY";

/// Prices beside those that ship and those of the operator's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prices {
    /// None: what a server has.
    Listed,
    /// Those of the simulator's models: what `insula dev` has.
    WithSimulator,
}

/// Chooses the one provider of cryptography for every TLS connection of this process. A second call changes nothing.
pub fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Opens everything that the configuration names.
pub async fn engine(config: &Config, prices: Prices, world: &World) -> Result<Arc<Engine>> {
    let providers = providers(config, prices)?;
    let store = store(config, world).await?;
    let started =
        Engine::start(store.clone(), providers, engine_settings(config), Arc::clone(&world.clock), Arc::clone(&world.random))
            .await;
    match started {
        Ok(engine) => Ok(engine),
        Err(error) => {
            // The directory must not stay held by a node that never was.
            let _ = store.close().await;
            Err(error.into())
        }
    }
}

/// The embedded store: the one engine that there is so far.
async fn store(config: &Config, world: &World) -> Result<Store> {
    let storage = &config.storage;
    make_directory(&storage.data_dir)?;
    raise_descriptors();
    let options = StoreOptions {
        data_dir: storage.data_dir.clone(),
        root_key: root_key(storage, &*world.random)?,
        tenants_open_max: storage.tenants_open_max.get(),
        tenant_cache_bytes_max: storage.tenant_cache_bytes_max,
        durability: match config.durability.mode {
            Mode::Standard => Durability::Standard,
            Mode::Strict => Durability::Strict,
        },
        segment_bytes: config.durability.segment_bytes,
    };
    let World { clock, random, disk } = world.clone();
    Ok(Store::open(options, clock, random, disk).await?)
}

/// Takes all the descriptors that the system grants: each open tenant needs two, each connection one.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit on open files could not be raised; `insula doctor` says what it allows");
    }
}

/// For the owner only. One that exists stays as it is.
fn make_directory(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| format!("cannot make {}", dir.display()))
}

fn root_key(storage: &Storage, random: &dyn Random) -> Result<RootKey> {
    if let Some(text) = std::env::var_os(ROOT_KEY_VARIABLE).filter(|text| !text.is_empty()) {
        let text = text.into_string().map_err(|_| anyhow!("{ROOT_KEY_VARIABLE} is no text"))?;
        return RootKey::from_base64(&text).with_context(|| format!("{ROOT_KEY_VARIABLE} holds no key"));
    }
    let file = storage.root_key_file.clone().unwrap_or_else(|| storage.data_dir.join("root.key"));
    Ok(RootKey::load_or_create(&file, random)?)
}

/// The providers with the price book: what ships, below the operator's own file.
pub fn providers(config: &Config, prices: Prices) -> Result<Providers> {
    let mut book = PriceBook::builtin()?;
    if prices == Prices::WithSimulator {
        book = book.extended_by(PriceBook::parse(SIMULATOR_PRICES, "the simulator's prices")?);
    }
    if let Some(file) = &config.prices.file {
        let text = fs::read_to_string(file).with_context(|| format!("prices.file: cannot read {}", file.display()))?;
        book = book.extended_by(PriceBook::parse(&text, &file.display().to_string())?);
    }
    let settings = config.providers.iter().map(provider_settings).collect::<Result<Vec<_>>>()?;
    Ok(Providers::new(settings, book)?)
}

fn provider_settings(provider: &Provider) -> Result<ProviderSettings> {
    Ok(ProviderSettings {
        name: provider.name.clone(),
        base_url: provider.base_url.clone(),
        api_key: api_key(provider)?,
        region: provider.region.clone(),
        attempt_header: provider.attempt_header.clone(),
        timeouts: Timeouts {
            connect_ms_max: provider.connect_ms_max.get(),
            first_byte_ms_max: provider.first_byte_ms_max.get(),
            idle_ms_max: provider.idle_ms_max.get(),
            total_ms_max: provider.total_ms_max.get(),
        },
        response_bytes_max: provider.response_bytes_max.get(),
        event_bytes_max: provider.event_bytes_max.get(),
        connections_idle_max: provider.connections_idle_max,
    })
}

/// A provider's key, from where its entry says that it is.
pub fn api_key(provider: &Provider) -> Result<Option<SecretText>> {
    let name = &provider.name;
    if let Some(variable) = &provider.api_key_env {
        let value = std::env::var(variable).ok().filter(|value| !value.trim().is_empty());
        let value = value.ok_or_else(|| anyhow!("provider {name}: the environment variable {variable} is not set"))?;
        return Ok(Some(SecretText::new(value.trim())));
    }
    if let Some(file) = &provider.api_key_file {
        let value = private_file::read(file).with_context(|| format!("provider {name}"))?;
        return Ok(Some(SecretText::new(value.trim())));
    }
    Ok(None)
}

/// The bounds of the HTTP server.
pub fn server_settings(config: &Config) -> ServerSettings {
    ServerSettings {
        connections_max: config.bounds.connections_max,
        header_read_max: Duration::from_millis(config.bounds.header_read_ms_max),
        body_idle_max: Duration::from_millis(config.bounds.body_idle_ms_max),
        body_bytes_max: config.bounds.body_bytes_max,
        bodies_bytes_max: config.bounds.bodies_bytes_max,
        write_idle_max: Duration::from_millis(config.bounds.write_idle_ms_max),
        stop_notice: Duration::from_millis(config.server.stop_notice_ms),
        drain_max: Duration::from_millis(config.server.drain_ms_max),
    }
}

fn engine_settings(config: &Config) -> EngineSettings {
    let (bounds, budgets) = (&config.bounds, &config.budgets);
    EngineSettings {
        inflight_max: bounds.inflight_max,
        budget_wait_max: Duration::from_millis(budgets.wait_ms_max),
        budget_waiters_max: budgets.waiters_max,
        output_tokens_default: budgets.output_tokens_default,
        output_tokens_floor: budgets.output_tokens_floor,
        drain_max: Duration::from_millis(bounds.abandoned_ms_max),
        drains_per_tenant_max: bounds.abandoned_per_tenant_max,
        header_wait_max: Duration::from_millis(bounds.header_wait_ms_max),
        heartbeat: Duration::from_millis(bounds.heartbeat_ms),
        trace_content_bytes_max: bounds.trace_content_bytes_max,
        idempotency_transcript_bytes_max: bounds.idempotency_transcript_bytes_max,
        idempotency_ttl: Duration::from_secs(bounds.idempotency_ttl_seconds),
        idempotency_wait_max: Duration::from_millis(bounds.idempotency_wait_ms_max),
        sync_before_send: config.durability.mode == Mode::Strict,
    }
}
