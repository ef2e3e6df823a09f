//! The only place that chooses engines: from a configuration to a store, providers and a running engine.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder},
    num::NonZeroU64,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use insula_engine::Engine;
use insula_ingest::{
    Bounds,
    child::{Limits, Reader},
};
use insula_model::{Random, SystemClock, VectorCollection};
use insula_providers::{
    CacheIsolation, Pace, PriceBook, ProviderSettings, Providers, SIMULATOR_PRICES, SecretText, Timeouts, Vendor,
};
use insula_server::ServerSettings;
use insula_store::{
    Cluster, ClusterOptions, Coordination, EXACT_MAX, Examination, Holds, PostgresOptions, PostgresUrl, QdrantOptions,
    RedisOptions, RootKey, Store, StoreOptions, VectorSearch,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use crate::{
    config::{self, Config, Isolation, Kind, Provider, SecretUrl, Storage, VectorEngine},
    engine_settings::engine_settings,
    local_models,
    node::World,
    private_file,
};

/// The variable whose value replaces the root key's file.
const ROOT_KEY_VARIABLE: &str = "INSULA_ROOT_KEY";

/// The step that makes the key store.
const FIRST_KEYS_STEP: &str = "insula_keys/0001";

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
    // Before anything is opened: a model that cannot be used is said at once.
    let local_models = local_models::load(&config.embedders)?;
    raise_descriptors();
    let store = match config.storage.shared()? {
        Some(url) => shared(url, config, world).await?,
        None => embedded(config, world).await?,
    };
    let started = async {
        let coordination = coordination(&config.coordination, &store, world).await?;
        let World { clock, random, .. } = world.clone();
        Engine::start(store.clone(), providers, coordination, engine_settings(config, local_models), clock, random).await
    };
    match started.await {
        Ok(engine) => Ok(engine),
        Err(error) => {
            // The directory must not stay held, nor the other nodes count, a node that never was.
            let _ = store.close().await;
            Err(error.into())
        }
    }
}

/// A node among others.
async fn shared(url: PostgresUrl, config: &Config, world: &World) -> Result<Store> {
    let storage = &config.storage;
    let options = ClusterOptions {
        postgres: PostgresOptions {
            url,
            keys_url: storage.shared_keys()?,
            connections_max: storage.postgres_connections_max.get(),
            connect_max: Duration::from_millis(storage.postgres_connect_ms_max.get()),
            statement_max: Duration::from_millis(storage.postgres_statement_ms_max.get()),
        },
        root_key: same_root_key(storage, &*world.random)?,
        index_bytes_max: config.knowledge.index_bytes_max,
        vectors: vectors(&config.vectors)?,
    };
    Ok(Store::join(options, Arc::clone(&world.clock), Arc::clone(&world.random)).await?)
}

/// What searches vectors.
fn vectors(vectors: &config::Vectors) -> Result<VectorSearch> {
    let url = match vectors.engine {
        VectorEngine::Embedded => return Ok(VectorSearch::Embedded),
        VectorEngine::Pgvector => return Ok(VectorSearch::Pgvector { exact_max: EXACT_MAX }),
        VectorEngine::Qdrant => vectors.qdrant_url.as_deref().unwrap_or_default(),
    };
    let api_key = secret("vectors.qdrant", vectors.qdrant_api_key_env.as_deref(), vectors.qdrant_api_key_file.as_deref())?;
    let millis = |ms: NonZeroU64| Duration::from_millis(ms.get());
    Ok(VectorSearch::Qdrant(QdrantOptions {
        api_key,
        ca_file: vectors.qdrant_ca_file.clone(),
        prefix: vectors.qdrant_prefix.clone(),
        connect_max: millis(vectors.qdrant_connect_ms_max),
        search_max: millis(vectors.qdrant_search_ms_max),
        change_max: millis(vectors.qdrant_change_ms_max),
        exact_max: vectors.qdrant_exact_chunks_max,
        collection: match vectors.collection {
            config::Collection::Shared => VectorCollection::Shared,
            config::Collection::Own => VectorCollection::Own,
        },
        ..QdrantOptions::new(url)
    }))
}

/// What counts pace and seats: this process, or one place for all nodes.
async fn coordination(options: &config::Coordination, store: &Store, world: &World) -> insula_model::Result<Coordination> {
    let Some(url) = &options.redis_url else { return Ok(Coordination::local(Arc::clone(&world.clock))) };
    let mut redis = RedisOptions::new(url.expose(), store.platform_secret("coordination"));
    redis.ca_file.clone_from(&options.redis_ca_file);
    let nodes = store.clone();
    // While the one place is away, each node counts its share.
    let live_nodes = move || nodes.cluster().map_or(1, Cluster::live_nodes);
    Coordination::redis(redis, Arc::clone(&world.clock), Arc::new(live_nodes)).await
}

/// A node alone with its data directory.
async fn embedded(config: &Config, world: &World) -> Result<Store> {
    let storage = &config.storage;
    make_directory(&storage.data_dir)?;
    let options = StoreOptions {
        data_dir: storage.data_dir.clone(),
        root_key: root_key(storage, &*world.random)?,
        tenants_open_max: storage.tenants_open_max.get(),
        tenant_cache_bytes_max: storage.tenant_cache_bytes_max,
        segment_bytes: config.durability.segment_bytes,
        index_bytes_max: config.knowledge.index_bytes_max,
        vectors: vectors(&config.vectors)?,
    };
    let World { clock, random, disk } = world.clone();
    Ok(Store::open(options, clock, random, disk).await?)
}

/// What a look at one shared database found.
pub struct Looked {
    /// What it is for.
    pub holds: Holds,
    /// Its name and the role that logs in, without a secret.
    pub place: String,
    /// What was found.
    pub found: insula_model::Result<Examination>,
}

/// Looks at each database that nodes share; there is none where the data is embedded. Changes nothing.
pub async fn examine(storage: &Storage) -> insula_model::Result<Vec<Looked>> {
    let connect_max = Duration::from_millis(storage.postgres_connect_ms_max.get());
    let databases = match (storage.shared()?, storage.shared_keys()?) {
        (None, _) => vec![],
        (Some(all), None) => vec![(Holds::Everything, all)],
        (Some(data), Some(keys)) => vec![(Holds::Data, data), (Holds::Keys, keys)],
    };
    let mut looked = Vec::new();
    for (holds, url) in databases {
        let found = insula_store::examine(&url, holds, connect_max, &SystemClock::default()).await;
        looked.push(Looked { holds, place: format!("{} as {}", url.database(), url.user()), found });
    }
    Ok(looked)
}

/// Whether the shared database can search vectors, and with what; `None` where it is not to.
pub async fn examine_vectors(config: &Config) -> Option<insula_model::Result<String>> {
    if config.vectors.engine != VectorEngine::Pgvector {
        return None;
    }
    let url = match config.storage.shared() {
        Ok(url) => url?,
        Err(error) => return Some(Err(error)),
    };
    Some(insula_store::examine_pgvector(&url, Duration::from_millis(config.storage.postgres_connect_ms_max.get())).await)
}

/// Whether the place where all nodes count answers; `None` where each counts for itself.
pub async fn ping(options: &config::Coordination) -> Option<insula_model::Result<()>> {
    let url = options.redis_url.as_ref()?;
    let mut redis = RedisOptions::new(url.expose(), [0; 32]);
    redis.ca_file.clone_from(&options.redis_ca_file);
    Some(insula_store::ping(&redis).await)
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
pub fn make_directory(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| format!("cannot make {}", dir.display()))
}

fn root_key(storage: &Storage, random: &dyn Random) -> Result<RootKey> {
    if let Some(text) = root_key_variable() {
        let text = text.into_string().map_err(|_| anyhow!("{ROOT_KEY_VARIABLE} is no text"))?;
        return RootKey::from_base64(&text).with_context(|| format!("{ROOT_KEY_VARIABLE} holds no key"));
    }
    Ok(RootKey::load_or_create(&root_key_file(storage), random)?)
}

fn root_key_variable() -> Option<OsString> {
    std::env::var_os(ROOT_KEY_VARIABLE).filter(|text| !text.is_empty())
}

fn root_key_file(storage: &Storage) -> PathBuf {
    storage.root_key_file.clone().unwrap_or_else(|| storage.data_dir.join("root.key"))
}

/// The key that all nodes have. A new one would open nothing that the others sealed, so none is made.
fn same_root_key(storage: &Storage, random: &dyn Random) -> Result<RootKey> {
    let file = root_key_file(storage);
    if root_key_variable().is_none() && !file.exists() {
        bail!(
            "no root key: {} does not exist, and all nodes need the same one. Copy the first node's root.key there (mode 0600) or \
             set {ROOT_KEY_VARIABLE}; the first node's is made by `insula migrate`, or by: openssl rand -base64 32",
            file.display()
        );
    }
    root_key(storage, random)
}

/// One thing that a migration did.
#[derive(Debug, Serialize)]
pub struct MigrationStep {
    /// `role`, `schema`, `grant` or `root key`.
    pub step: &'static str,
    /// What was made, taken or granted.
    pub object: String,
}

/// Brings shared storage up to this version as its owner. Where the key store is new and this machine has no root key, one is
/// made: nothing can have been sealed by another.
pub async fn migrate(
    config: &Config,
    owner: &SecretUrl,
    keys_owner: Option<&SecretUrl>,
    login: Option<&str>,
    world: &World,
) -> Result<Vec<MigrationStep>> {
    let storage = &config.storage;
    if keys_owner.is_none() && storage.keys_postgres_url.is_some() {
        bail!("the key store has a database of its own (storage.keys_postgres_url): set INSULA_KEYS_OWNER_URL too");
    }
    let parse = |url: &SecretUrl| PostgresUrl::parse(url.expose(), storage.postgres_ca_file.clone());
    let (owner, keys_owner) = (parse(owner)?, keys_owner.map(parse).transpose()?);
    let configured = storage.shared()?;
    let login = login.or(configured.as_ref().map(PostgresUrl::user));
    let mut migrated = insula_store::migrate(&owner, keys_owner.as_ref(), login).await?;
    if config.vectors.engine == VectorEngine::Pgvector {
        migrated.steps.extend(insula_store::migrate_pgvector(&owner).await?.steps);
    }

    let is_new = migrated.steps.iter().any(|step| step.starts_with(FIRST_KEYS_STEP));
    let mut steps = Vec::new();
    for (step, objects) in [("role", migrated.roles), ("schema", migrated.steps), ("grant", migrated.granted)] {
        steps.extend(objects.into_iter().map(|object| MigrationStep { step, object }));
    }
    let file = root_key_file(storage);
    if is_new && root_key_variable().is_none() && !file.exists() {
        make_directory(file.parent().unwrap_or(Path::new(".")))?;
        RootKey::load_or_create(&file, &*world.random)?;
        steps.push(MigrationStep { step: "root key", object: format!("{}: copy it to every node", file.display()) });
    }
    Ok(steps)
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
        vendor: match provider.kind {
            Kind::Openai => Vendor::OpenAi,
            Kind::Azure => Vendor::Azure,
            Kind::Anthropic => Vendor::Anthropic,
            Kind::Gemini => Vendor::Gemini,
        },
        base_url: provider.base_url.clone(),
        api_key: api_key(provider)?,
        takes_other_keys: provider.takes_tenant_credentials(),
        region: provider.region.clone(),
        attempt_header: provider.attempt_header.clone(),
        cache_isolation: match provider.cache_isolation() {
            Isolation::PromptCacheKey => CacheIsolation::PromptCacheKey,
            Isolation::CacheSalt => CacheIsolation::CacheSalt,
            Isolation::Prefix => CacheIsolation::Prefix,
            Isolation::None => CacheIsolation::None,
        },
        timeouts: Timeouts {
            connect_ms_max: provider.connect_ms_max.get(),
            first_byte_ms_max: provider.first_byte_ms_max.get(),
            idle_ms_max: provider.idle_ms_max.get(),
            total_ms_max: provider.total_ms_max.get(),
        },
        pace: Pace {
            requests_per_second: provider.requests_per_second_max,
            tokens_per_minute: provider.tokens_per_minute_max,
            concurrency: provider.concurrency_max,
        },
        response_bytes_max: provider.response_bytes_max.get(),
        event_bytes_max: provider.event_bytes_max.get(),
        connections_idle_max: provider.connections_idle_max,
    })
}

/// A provider's key, from where its entry says that it is.
pub fn api_key(provider: &Provider) -> Result<Option<SecretText>> {
    let (name, file) = (format!("provider {}", provider.name), provider.api_key_file.as_deref());
    Ok(secret(&name, provider.api_key_env.as_deref(), file)?.map(SecretText::new))
}

/// What an environment variable or a private file holds, for `what`.
fn secret(what: &str, variable: Option<&str>, file: Option<&Path>) -> Result<Option<String>> {
    if let Some(variable) = variable {
        let value = std::env::var(variable).ok().filter(|value| !value.trim().is_empty());
        let value = value.ok_or_else(|| anyhow!("{what}: the environment variable {variable} is not set"))?;
        return Ok(Some(value.trim().to_owned()));
    }
    if let Some(file) = file {
        let value = private_file::read(file).with_context(|| what.to_owned())?;
        return Ok(Some(value.trim().to_owned()));
    }
    Ok(None)
}

/// What reads documents: processes of this very program, with these limits.
pub fn reader(knowledge: &config::Knowledge) -> Result<Reader> {
    let arguments = ["document", "read"].map(Into::into).to_vec();
    // The allocator of this program takes a gigabyte in advance, which the kernel would count against the child.
    let environment = vec![("MIMALLOC_ARENA_EAGER_COMMIT".into(), "0".into())];
    let source_bytes_max = usize::try_from(knowledge.document_bytes_max.get()).unwrap_or(usize::MAX);
    let bounds = Bounds { source_bytes_max, ..Bounds::default() };
    let wall_ms_max = knowledge.reading_ms_max.get();
    let memory_bytes_max = knowledge.reading_memory_bytes_max.get();
    let limits = Limits { wall_ms_max, cpu_seconds_max: wall_ms_max.div_ceil(1000), memory_bytes_max, ..Limits::default() };
    Ok(Reader { program: this_program()?, arguments, environment, bounds, limits })
}

/// This very program, also when another has taken its place on the disk since it started.
fn this_program() -> Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe().context("where this program lies cannot be told")
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
