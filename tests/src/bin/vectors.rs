//! How well and how fast vectors are found, beside comparing all of them: `cargo xtask bench vectors [--engine pgvector] [--chunks 100000]`. Reports only.
//!
//! Vectors lie in clusters, as those of texts do, and questions near some of them. What is right is found by comparing every vector
//! that counts, here, with no engine between.

use std::{collections::HashSet, path::Path, sync::Arc, time::Instant};

use anyhow::Result;
use clap::{Parser, ValueEnum};
use insula_model::{
    CacheRules, Clock, DocumentId, DocumentStatus, FilePurpose, IdGenerator, OsRandom, Placement, Routing, ScopeSource,
    SystemClock, Tenant, TenantScope, TenantState, Timestamp,
};
use insula_store::{
    DocumentRow, DocumentsMax, EXACT_MAX, FileRow, Near, NewChunk, NewVector, Publication, RealDisk, RootKey, Store,
    StoreOptions, TenantStore, VectorSearch, Written, exact_order, inner_product,
};
use insula_tests::shared_store;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio_postgres::Client;

/// Chunks of a document.
const OF_A_DOCUMENT: usize = 100;
/// How many are wanted.
const WANTED: usize = 10;
/// How far a vector may lie from the middle of its cluster, beside the length of one.
const SPREAD: f32 = 0.8;

/// Of all documents those that count.
const SHARES: [f64; 5] = [1.0, 0.5, 0.14, 0.01, 0.001];

/// Fills one tenant and searches it.
#[derive(Parser)]
struct Options {
    /// Chunks of the tenant, a multiple of 100.
    #[arg(long, default_value_t = 100_000)]
    chunks: usize,
    /// Numbers of a vector.
    #[arg(long, default_value_t = 384)]
    dimension: usize,
    /// Clusters that the vectors lie in.
    #[arg(long, default_value_t = 1_000)]
    clusters: usize,
    /// Questions of each kind.
    #[arg(long, default_value_t = 200)]
    questions: usize,
    /// What searches.
    #[arg(long, value_enum, default_value = "embedded")]
    engine: Engine,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// This process, over the tenant's file.
    Embedded,
    /// The extension, in a database of the server that `INSULA_TEST_POSTGRES_URL` names.
    Pgvector,
}

/// All vectors, and whose they are.
struct Truth {
    documents: Vec<DocumentId>,
    vectors: Vec<Vec<f32>>,
}

impl Truth {
    /// The nearest of those that count, by comparing all.
    fn nearest(&self, question: &[f32], counting: Option<&HashSet<DocumentId>>) -> Vec<Near> {
        let counts = |place: &usize| counting.is_none_or(|counting| counting.contains(&self.documents[place / OF_A_DOCUMENT]));
        let compared = (0..self.vectors.len()).filter(counts);
        let near = |place: usize| Near { chunk: place as u64 + 1, score: inner_product(question, &self.vectors[place]) };
        let mut all: Vec<Near> = compared.map(near).collect();
        all.sort_unstable_by(exact_order);
        all.truncate(WANTED);
        all
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let dir = tempfile::tempdir()?;
    let (store, scope, database) = open(dir.path(), options.engine).await?;
    let mut chance = SmallRng::seed_from_u64(6);
    let truth = fill(&store, &scope, &options, &mut chance).await?;
    println!("{} vectors of {} numbers in {} clusters", options.chunks, options.dimension, options.clusters);
    println!("| searched | counting | recall@{WANTED} | complete | p50 ms | p99 ms |\n|---|---|---|---|---|---|");

    if let Some(database) = database {
        // The database comes round to it by itself, sooner or later; until then all are compared.
        database.batch_execute("ANALYZE insula_tenant.embeddings").await?;
        for share in SHARES {
            measure(&store, &scope, &truth, &options, "in the database", share, &mut chance).await?;
        }
        return Ok(store.close().await?);
    }
    let started = Instant::now();
    store.reading(&scope).await?;
    let opened = started.elapsed();
    // The first search has the graph begun; those beside it compare everything.
    let started = Instant::now();
    measure(&store, &scope, &truth, &options, "beside the building", 1.0, &mut chance).await?;
    let bytes = loop {
        let reading = store.reading(&scope).await?;
        if reading.index().has_graph() {
            break reading.index().bytes();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let built = started.elapsed();
    for share in SHARES {
        measure(&store, &scope, &truth, &options, "built", share, &mut chance).await?;
    }
    println!("read into memory in {opened:.2?}; the graph was there after {built:.1?}; {} MB together", bytes / 1_000_000);
    store.close().await?;
    Ok(())
}

/// Asks, and compares with what is right.
async fn measure(
    store: &Store,
    scope: &TenantScope,
    truth: &Truth,
    options: &Options,
    name: &str,
    share: f64,
    chance: &mut SmallRng,
) -> Result<()> {
    let (mut found, mut right, mut complete, mut times) = (0, 0, 0, Vec::new());
    for _ in 0..options.questions {
        let counting = counting(truth, share, chance);
        let question = beside(&truth.vectors[chance.random_range(0..truth.vectors.len())], chance);
        let wanted = truth.nearest(&question, counting.as_ref());
        let mut reading = store.reading(scope).await?;
        let started = Instant::now();
        let near = reading.nearest(&question, counting.as_ref(), WANTED).await?;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        let wanted_chunks: HashSet<u64> = wanted.iter().map(|near| near.chunk).collect();
        found += near.iter().filter(|near| wanted_chunks.contains(&near.chunk)).count();
        right += wanted.len();
        complete += usize::from(near.len() == wanted.len());
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "| {name} | {:.1}% | {:.4} | {complete} of {} | {:.2} | {:.2} |",
        share * 100.0,
        found as f64 / right as f64,
        options.questions,
        at(0.5),
        at(0.99)
    );
    Ok(())
}

/// Documents that make up such a share of all; none for all of them.
fn counting(truth: &Truth, share: f64, chance: &mut SmallRng) -> Option<HashSet<DocumentId>> {
    let wanted = (truth.documents.len() as f64 * share).ceil() as usize;
    (share < 1.0)
        .then(|| rand::seq::index::sample(chance, truth.documents.len(), wanted).iter().map(|at| truth.documents[at]).collect())
}

fn random_vector(dimension: usize, chance: &mut SmallRng) -> Vec<f32> {
    // The sum of several evenly spread numbers is nearly normal; so no direction is preferred.
    unit((0..dimension).map(|_| (0..6).map(|_| chance.random_range(-1.0_f32..1.0)).sum()).collect())
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = inner_product(&vector, &vector).sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|number| *number /= length);
    vector
}

/// A vector in the neighbourhood of another.
fn beside(middle: &[f32], chance: &mut SmallRng) -> Vec<f32> {
    let away = random_vector(middle.len(), chance);
    unit(middle.iter().zip(away).map(|(middle, away)| middle + SPREAD * away).collect())
}

/// A store with a tenant, and its database where it is in one.
async fn open(dir: &Path, engine: Engine) -> Result<(Store, TenantScope, Option<Client>)> {
    const INDEX_BYTES_MAX: u64 = 1 << 32;
    let root_key = RootKey::load_or_create(&dir.join("root.key"), &OsRandom)?;
    let clock: Arc<SystemClock> = Arc::new(SystemClock::default());
    let (store, database) = match engine {
        Engine::Embedded => {
            let options = StoreOptions { index_bytes_max: INDEX_BYTES_MAX, ..StoreOptions::new(dir.join("data"), root_key) };
            (Store::open(options, clock.clone(), Arc::new(OsRandom), Arc::new(RealDisk)).await?, None)
        }
        Engine::Pgvector => {
            let vectors = VectorSearch::Pgvector { exact_max: EXACT_MAX };
            let (store, database) = shared_store::join(vectors, root_key, clock.clone(), INDEX_BYTES_MAX).await?;
            (store, Some(database))
        }
    };
    let tenant = tenant(&ids(&clock), clock.now())?;
    store.create_tenant(&tenant).await?;
    let scope = TenantScope::mint(tenant.id, ScopeSource::Job("bench"));
    Ok((store, scope, database))
}

fn ids(clock: &Arc<SystemClock>) -> IdGenerator {
    IdGenerator::new(clock.clone(), Arc::new(OsRandom))
}

fn tenant(ids: &IdGenerator, now: Timestamp) -> Result<Tenant> {
    Ok(Tenant {
        id: ids.tenant(),
        slug: "bench".to_owned().try_into()?,
        name: "Bench".to_owned().try_into()?,
        external_id: None,
        plan: None,
        segment: None,
        models: None,
        routing: Routing::default(),
        provider_credentials: Default::default(),
        cache: CacheRules::default(),
        vectors: Default::default(),
        embedder: None,
        region: None,
        placement: Placement::Shared,
        tags: Default::default(),
        state: TenantState::Active,
        version: 1,
        created_at: now,
    })
}

/// Documents with vectors in clusters.
async fn fill(store: &Store, scope: &TenantScope, options: &Options, chance: &mut SmallRng) -> Result<Truth> {
    let clock = Arc::new(SystemClock::default());
    let (ids, tenant) = (ids(&clock), store.tenant(scope).await?);
    let middles: Vec<Vec<f32>> = (0..options.clusters).map(|_| random_vector(options.dimension, chance)).collect();
    let mut truth = Truth { documents: Vec::new(), vectors: Vec::new() };
    for _ in 0..options.chunks / OF_A_DOCUMENT {
        let document = hand_in(&tenant, &ids, clock.now()).await?;
        let vectors: Vec<Vec<f32>> =
            (0..OF_A_DOCUMENT).map(|_| beside(&middles[chance.random_range(0..middles.len())], chance)).collect();
        publish(store, scope, &tenant, document, &vectors, clock.now()).await?;
        truth.documents.push(document);
        truth.vectors.extend(vectors);
    }
    Ok(truth)
}

async fn hand_in(tenant: &TenantStore, ids: &IdGenerator, now: Timestamp) -> Result<DocumentId> {
    let file = FileRow {
        id: ids.file(),
        purpose: FilePurpose::Document,
        bytes: 0,
        chunks: 0,
        created_at: now,
        sealed_name: Vec::new(),
    };
    anyhow::ensure!(tenant.begin_file(&file, u64::MAX).await?, "no room for a file");
    let row = DocumentRow {
        id: ids.document(),
        status: DocumentStatus::Queued,
        raw_file: file.id,
        bytes: 0,
        chunks_total: 0,
        chunks_done: 0,
        waiting: None,
        published: None,
        embedder: None,
        dimension: None,
        vector_store: None,
        file: None,
        file_batch: None,
        created_at: now,
        changed_at: now,
        sealed_detail: Vec::new(),
    };
    let written = Written { file: file.id, bytes: 0, chunks: 0 };
    let most = DocumentsMax { count: u64::MAX, bytes: u64::MAX, chunks: u64::MAX };
    anyhow::ensure!(tenant.insert_document(&row, written, most).await?.is_none(), "no room for a document");
    Ok(row.id)
}

async fn publish(
    store: &Store,
    scope: &TenantScope,
    tenant: &TenantStore,
    document: DocumentId,
    vectors: &[Vec<f32>],
    changed_at: Timestamp,
) -> Result<()> {
    let (seals, spaces) = (store.seals(scope).await?, tenant.spaces("bench", u32::try_from(vectors[0].len())?).await?);
    let space = spaces.serving;
    let sealed = (0..)
        .zip(vectors)
        .map(|(place, vector)| NewVector::seal(&seals, space.space, document, place, vector.clone(), &OsRandom));
    let sealed = sealed.collect();
    let chunk = NewChunk { tokens: 1, sealed_text: vec![0], postings: Vec::new() };
    let publication = Publication {
        document,
        chunks: vec![chunk; vectors.len()],
        vectors: vec![(space, sealed)],
        facets: Vec::new(),
        changed_at,
        sealed_detail: vec![0],
    };
    tenant.publish_document(publication, u64::MAX).await?;
    Ok(())
}
