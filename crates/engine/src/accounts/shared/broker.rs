//! Whom a node asks for leases.

use std::pin::Pin;

use insula_model::{Money, Result, Subject, Timestamp};
use insula_store::{Cluster, Recall, Recalls, WindowKey, WindowState};
use tokio::sync::{Mutex, watch};

/// An answer that takes a while.
pub(in crate::accounts) type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Says how much more of each window a node leases, once their states are in view. Must not wait.
pub(in crate::accounts) type Decide<'a> = Box<dyn FnOnce(&[Option<WindowState>]) -> Vec<i64> + Send + 'a>;

/// What the nodes share, as the book asks for it. [`Storage`] is one; a test's memory another.
pub(in crate::accounts) trait Broker: Send + Sync + 'static {
    /// In which epoch this node stands.
    fn epoch(&self) -> u64;

    /// Tells when this node lost what it leased.
    fn epochs(&self) -> watch::Receiver<u64>;

    /// How many nodes there are, at least one.
    fn nodes(&self) -> u32;

    /// Whether this node may spend what it leases, or has been out of touch for too long.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Unavailable`] when it may not.
    fn may_spend(&self) -> Result<()>;

    /// Locks the windows, in their order, and leases what `decide` says. An error leaves nothing that may be spent.
    fn negotiate<'a>(&'a self, epoch: u64, windows: &'a [WindowKey], decide: Decide<'a>) -> Answer<'a, Result<()>>;

    /// Gives back what is not held. What fails is remembered there and given back with a later call.
    fn give_back<'a>(&'a self, epoch: u64, returned: &'a [(WindowKey, i64)]) -> Answer<'a, Result<()>>;

    /// Asks the other nodes to give back what they do not hold.
    fn recall<'a>(&'a self, windows: &'a [WindowKey]) -> Answer<'a, Result<()>>;

    /// What open attempts of all nodes have reserved for a subject since a moment.
    fn reserved<'a>(&'a self, subject: &'a Subject, since: Timestamp) -> Answer<'a, Result<(Money, u64)>>;

    /// The next thing that another node asks back.
    fn recalled(&self) -> Answer<'_, Recall>;
}

/// The windows that all nodes see in the storage that they share.
pub(in crate::accounts) struct Storage {
    cluster: Cluster,
    recalls: Mutex<Recalls>,
}

impl Storage {
    pub fn of(cluster: Cluster) -> Self {
        let recalls = Mutex::new(cluster.leases().recalls());
        Self { cluster, recalls }
    }
}

impl Broker for Storage {
    fn epoch(&self) -> u64 {
        self.cluster.epoch()
    }

    fn epochs(&self) -> watch::Receiver<u64> {
        self.cluster.epochs()
    }

    fn nodes(&self) -> u32 {
        self.cluster.live_nodes()
    }

    fn may_spend(&self) -> Result<()> {
        self.cluster.may_spend()
    }

    fn negotiate<'a>(&'a self, epoch: u64, windows: &'a [WindowKey], decide: Decide<'a>) -> Answer<'a, Result<()>> {
        Box::pin(self.cluster.leases().negotiate(epoch, windows, decide))
    }

    fn give_back<'a>(&'a self, epoch: u64, returned: &'a [(WindowKey, i64)]) -> Answer<'a, Result<()>> {
        Box::pin(self.cluster.leases().give_back(epoch, returned))
    }

    fn recall<'a>(&'a self, windows: &'a [WindowKey]) -> Answer<'a, Result<()>> {
        Box::pin(self.cluster.leases().recall(windows))
    }

    fn reserved<'a>(&'a self, subject: &'a Subject, since: Timestamp) -> Answer<'a, Result<(Money, u64)>> {
        Box::pin(self.cluster.leases().reserved(subject, since))
    }

    fn recalled(&self) -> Answer<'_, Recall> {
        Box::pin(async {
            match self.recalls.lock().await.next().await {
                Some(recall) => recall,
                // Nobody tells anything any more: storage is closed.
                None => std::future::pending().await,
            }
        })
    }
}
