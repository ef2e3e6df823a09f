//! A node of this process: opened, served, drained, closed.
//!
//! ```no_run
//! use insula::{config::{Loaded, Sources}, node::{Node, World}, wire::Prices};
//!
//! # async fn run() -> anyhow::Result<()> {
//! let config = Loaded::from(&Sources::default())?.config;
//! let node = Node::open(&config, Prices::Listed, World::default()).await?;
//! let serving = node.listen(([127, 0, 0, 1], 0).into()).await?;
//! println!("{}", serving.url());
//! serving.stop().await?;
//! # Ok(())
//! # }
//! ```

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::Router;
use insula_engine::Engine;
use insula_ingest::child::Reader;
use insula_model::{Clock, OsRandom, Random, SystemClock};
use insula_server::App;
use insula_store::{Disk, RealDisk};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    config::Config,
    server_file::{Held, ServerFile},
    wire::{self, Prices},
};

/// How long requests may take to settle once their answers are over.
const SETTLING_MAX: Duration = Duration::from_secs(3);

/// What a node takes from the machine; tests pass others in.
#[derive(Clone)]
pub struct World {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Where the journal is written.
    pub disk: Arc<dyn Disk>,
}

impl Default for World {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock::default()), random: Arc::new(OsRandom), disk: Arc::new(RealDisk) }
    }
}

/// An open node. It holds its data directory, where the data is in it, and listens nowhere yet.
pub struct Node {
    app: App,
    data_dir: PathBuf,
    /// Whether nobody but the listener sees to it that the data directory has one server.
    is_shared: bool,
    local_key: String,
    landing_max: Duration,
    reader: Reader,
}

impl Node {
    /// Opens the store, recovers what a crash left, and starts the engine.
    ///
    /// # Errors
    /// When the configuration names what is not there, or another process holds the data directory: then the error
    /// holds an [`insula_model::Error`] of the kind `Conflict`.
    pub async fn open(config: &Config, prices: Prices, world: World) -> Result<Self> {
        let reader = wire::reader(&config.knowledge)?;
        let engine = wire::engine(config, prices, &world).await?;
        let local = engine.directory.new_local_operator();
        engine.directory.install_local_operator(&local)?;
        Ok(Self {
            // By now nobody listens to them: what is left is read on for its usage, and then settled.
            landing_max: Duration::from_millis(config.bounds.abandoned_ms_max) + SETTLING_MAX,
            app: App::new(engine, wire::server_settings(config)),
            data_dir: config.storage.data_dir.clone(),
            is_shared: config.storage.is_shared(),
            reader,
            local_key: local.expose().to_owned(),
        })
    }

    /// The whole HTTP surface, for calls without a listener.
    pub fn router(&self) -> Router {
        insula_server::router(self.app.clone())
    }

    /// An operator key that only this process knows.
    pub fn local_key(&self) -> &str {
        &self.local_key
    }

    /// What runs behind the HTTP surface.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.app.engine
    }

    /// Listens at `addr` (port 0 picks a free one), and says so in the data directory's `server.json`.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn listen(self, addr: SocketAddr) -> Result<Serving> {
        let bound = async {
            let listener = TcpListener::bind(addr).await.with_context(|| format!("cannot listen on {addr}"))?;
            let addr = listener.local_addr().context("the listener has no address")?;
            wire::make_directory(&self.data_dir)?;
            let held = if self.is_shared { Some(Held::take(&self.data_dir).await?) } else { None };
            let file = ServerFile { url: format!("http://{}", from_here(addr)), operator_key: self.local_key.clone() };
            file.write(&self.data_dir)?;
            Ok((listener, addr, held))
        };
        match bound.await {
            Ok((listener, addr, held)) => {
                let (stop, stopped) = oneshot::channel::<()>();
                let app = self.app.clone();
                // A dropped sender means the same as a sent stop.
                let accepting = tokio::spawn(insula_server::serve(listener, app, async { stopped.await.unwrap_or_default() }));
                // Only where it serves: a command that runs for a moment tells nobody anything.
                self.engine().start_telling();
                self.engine().start_batches(insula_server::BATCH_ERRORS);
                self.engine().start_reading(self.reader.clone(), insula_server::BATCH_ERRORS.status_of);
                tell_confinement(self.reader.clone());
                self.engine().start_settling();
                tracing::info!(%addr, data_dir = %self.data_dir.display(), "serving");
                Ok(Serving { node: self, addr, stop, accepting, _held: held })
            }
            Err(error) => {
                // Nobody else will: the directory must not stay held.
                self.close().await?;
                Err(error)
            }
        }
    }

    /// Waits for what is under way, writes everything out and lets the data directory go.
    pub async fn close(self) -> Result<()> {
        let left = self.engine().landed(self.landing_max).await;
        if left > 0 {
            tracing::warn!(left, "requests were still under way at the end; their reservations are settled at the next start");
        }
        Ok(self.engine().close().await?)
    }
}

/// Logs what the kernel keeps from who reads documents. Nobody waits for it.
fn tell_confinement(reader: Reader) {
    tokio::task::spawn_blocking(move || match reader.confinement() {
        Ok(confined) if confined.is_whole() => tracing::info!(%confined, "documents are read by a process of their own"),
        Ok(confined) => {
            tracing::warn!(%confined, "a process that reads documents is not kept from all that it could be: `insula doctor` says more")
        }
        Err(error) => tracing::warn!(%error, "no document can be read: `insula doctor` says more"),
    });
}

/// Where this machine itself reaches a listener: one on all addresses is also on loopback.
fn from_here(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// A node that listens.
pub struct Serving {
    node: Node,
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<usize>,
    _held: Option<Held>,
}

impl Serving {
    /// Where it listens, with the real port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://ADDR`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What runs behind the HTTP surface.
    pub fn engine(&self) -> &Arc<Engine> {
        self.node.engine()
    }

    /// An operator key that only this process knows.
    pub fn local_key(&self) -> &str {
        self.node.local_key()
    }

    /// Takes nothing new, lets what is under way end within the configured time, and closes.
    pub async fn stop(self) -> Result<()> {
        let Self { node, stop, accepting, _held, .. } = self;
        // A listener that has ended by itself has nothing left to stop.
        let _ = stop.send(());
        // What a run would begin now another node begins, or this one after its next start.
        node.engine().stop_runs().await;
        accepting.await.context("the accept loop did not end well")?;
        ServerFile::remove(&node.data_dir);
        node.close().await
    }
}
