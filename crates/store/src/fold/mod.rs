//! The fold: moves what the journal holds to where it is kept and asked for.
//!
//! A thread reads records back from the journal's files, in order and only what is synced. An END that meets its BEGIN
//! becomes a row of the ledger; rows are applied in batches, each in one transaction with the position that it reaches.
//! Traces are gathered per tenant and written many at a time. A start takes the same path from the oldest record that is
//! left, which is why any moment is a good one to be killed at:
//!
//! - the position tells which rows are in the ledger, and a row that comes twice is passed over;
//! - traces are known by their request, so one that comes twice is passed over too;
//! - a segment is given up only when its rows and traces are durable and what is still open in it is carried by the
//!   control database.
//!
//! Read in this order: `sorter` and `open_attempts` (what becomes of a record), `pending` (traces on their way), `folder`
//! (the work), `recover` and `lost` (a start), `run` (the thread).

mod folder;
mod inbox;
pub(crate) mod lost;
mod open_attempts;
mod pending;
mod recover;
mod run;
mod sorter;
mod target;

#[cfg(test)]
mod tests;

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path, sync::Arc, thread};

use insula_model::{Clock, Error, Random, Result, TenantId};
use tokio::sync::oneshot;

use self::{
    folder::{Folder, write_out},
    inbox::{Inbox, Request},
    target::{Databases, Target},
};
use crate::{
    Control,
    journal::{Disk, FileJournal, Location},
    lock::DataDir,
    records::TraceRecord,
    tenants::{PendingTraces, TenantFiles},
};

/// What the fold needs to start.
pub(crate) struct Parts {
    /// The data directory, held until the last thread has ended; the journal is kept in a folder of it.
    pub(crate) data_dir: Arc<DataDir>,
    /// How long a segment is, in bytes.
    pub(crate) segment_bytes: u64,
    /// Takes the rows.
    pub(crate) control: Control,
    /// Takes the traces.
    pub(crate) tenants: Arc<TenantFiles>,
    /// The store's clock; raised to the latest time in the journal.
    pub(crate) clock: Arc<dyn Clock>,
    /// The store's randomness.
    pub(crate) random: Arc<dyn Random>,
    /// Where the journal's files are.
    pub(crate) disk: Arc<dyn Disk>,
}

/// The running fold. Clones are the same fold; when the last is gone, its thread ends at once, as if it were killed.
#[derive(Clone)]
pub(crate) struct Fold(Arc<Handle>);

struct Handle {
    journal: FileJournal,
    inbox: Arc<Inbox>,
}

/// Opens the journal, settles what the last run left, and starts folding.
pub(crate) async fn start(parts: Parts) -> Result<(FileJournal, Fold)> {
    let Parts { data_dir, segment_bytes, control, tenants, clock, random, disk } = parts;
    let inbox = Arc::new(Inbox::default());
    tenants.set_pending(Arc::new(Evicted { inbox: inbox.clone(), clock: clock.clone() }));
    let target = Arc::new(Databases { control, tenants });
    let open = move || {
        let dir = data_dir.layout().root().join("journal");
        create_dir(&dir)?;
        FileJournal::open(Location { disk, dir, segment_bytes, held: data_dir }, &*random)
    };
    spawn(open, target, clock, inbox).await
}

/// Starts the thread, which opens the journal and recovers before it answers.
async fn spawn(
    open: impl FnOnce() -> Result<FileJournal> + Send + 'static,
    target: Arc<dyn Target>,
    clock: Arc<dyn Clock>,
    inbox: Arc<Inbox>,
) -> Result<(FileJournal, Fold)> {
    let (ready, started) = oneshot::channel::<Result<FileJournal>>();
    let shared = inbox.clone();
    let recover = move || -> Result<(FileJournal, Folder)> {
        let journal = open()?;
        let recovered = Folder::new(journal.clone(), target, clock, shared).and_then(|mut folder| {
            folder.recover()?;
            Ok(folder)
        });
        match recovered {
            Ok(folder) => Ok((journal, folder)),
            Err(error) => {
                // So that a start may follow at once.
                journal.close();
                Err(error)
            }
        }
    };
    let work = move || match recover() {
        Ok((journal, folder)) => {
            if ready.send(Ok(journal)).is_ok() {
                run::run(folder);
            }
        }
        Err(error) => drop(ready.send(Err(error))),
    };
    thread::Builder::new().name("insula-fold".to_owned()).spawn(work).map_err(Error::internal)?;
    let journal = started.await.map_err(|_| Error::internal("the fold's thread ended while it started"))??;
    let fold = Fold(Arc::new(Handle { journal: journal.clone(), inbox }));
    Ok((journal, fold))
}

fn create_dir(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::internal)
}

impl Fold {
    /// Returns once everything written before the call is in the ledger and in the tenants' files.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.0.journal.synced(self.0.journal.written()).await;
        self.ask(Request::All).await
    }

    /// Returns once every attempt settled before the call is in the ledger. A matter of milliseconds, where
    /// [`Fold::flush`] may have many files to write.
    pub(crate) async fn flush_ledger(&self) -> Result<()> {
        self.0.journal.synced(self.0.journal.written()).await;
        self.ask(Request::Ledger).await
    }

    /// Returns once every trace of `tenant` written before the call is in its file: at once if none is on its way.
    pub(crate) async fn fold_tenant(&self, tenant: TenantId) -> Result<()> {
        let latest = self.0.journal.latest_trace(tenant);
        if self.0.inbox.is_clear(tenant, latest.get()) {
            return Ok(());
        }
        self.0.journal.synced(latest).await;
        self.ask(Request::Tenant(tenant)).await
    }

    /// Takes no more BEGINs, folds everything and stops the journal and this fold.
    pub(crate) async fn stop(&self) -> Result<()> {
        self.ask(Request::Stop).await
    }

    async fn ask(&self, request: Request) -> Result<()> {
        let answered = self.0.inbox.ask(request)?;
        self.0.journal.wake_folder();
        answered.await.map_err(|_| Error::internal("the fold's thread ended"))?
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inbox.abandon();
        self.journal.wake_folder();
    }
}

/// Lets the tenants' files take pending traces along when they are closed.
struct Evicted {
    inbox: Arc<Inbox>,
    clock: Arc<dyn Clock>,
}

impl PendingTraces for Evicted {
    fn write_out(&self, tenant: TenantId, write: &mut dyn FnMut(&[TraceRecord]) -> Result<()>) -> Result<()> {
        write_out(&self.inbox, &*self.clock, tenant, write)
    }

    fn forget(&self, tenant: TenantId) {
        self.inbox.pending.lock().forget(tenant);
    }
}
