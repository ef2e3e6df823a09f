//! The journal: what was promised to providers and owed by tenants, durable before it matters.
//!
//! One append-only sequence of records per node, in segment files of fixed size that are prepared ahead of need. A record
//! is written by one call before the function that appends it returns, so it survives the end of the process; a thread
//! syncs at most every 2 ms, and [`FileJournal::synced`] waits for that where a loss of power matters too. The
//! [folder](crate::fold) reads the records back and moves them into the ledger and the tenants' files.
//!
//! Read in this order: `codec` (one record), `segment` (one file), `writer` and `room` (the end of the journal),
//! `sync` and `keeper` (its two threads), `open` and `reader` (what a start finds), `folding` (what the folder asks for).
//!
//! What must never happen here: a record acknowledged out of order, a file trusted after a failed sync, an END without
//! room.

mod codec;
mod disk;
mod folding;
mod keeper;
mod marks;
mod open;
mod reader;
mod room;
mod segment;
mod sleeper;
mod sync;
mod trace_bounds;
mod writer;

#[cfg(test)]
pub(crate) mod test_disk;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    any::Any,
    cell::RefCell,
    fmt, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use insula_model::{AttemptId, Error, ErrorKind, Random, Result};
use parking_lot::Mutex;

use self::{
    keeper::Stock,
    marks::Marks,
    sleeper::Sleeper,
    sync::Progress,
    writer::{AppendError, Leave, Writer},
};
use crate::records::{Begin, End, LABELS_BYTES_MAX, TraceRecord};

pub(crate) use codec::{Kind, decode};
pub use disk::{Disk, DiskFile, RealDisk};
pub(crate) use reader::{RawRecord, ReadError, Reader};
pub(crate) use trace_bounds::without_content;

/// A BEGIN longer than this is refused; it holds three names of the operator's configuration, the request's labels and little
/// else.
const BEGIN_BYTES_MAX: usize = LABELS_BYTES_MAX + (8 << 10);

/// A segment smaller than this could not hold the largest BEGIN with the room set aside for its attempt.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;

/// What stays allocated in each thread's buffer between records.
const BUFFER_BYTES_KEPT: usize = 256 << 10;

/// The place of a record in the journal. Later records have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

/// The journal of this node. Clones are the same journal.
#[derive(Clone)]
pub(crate) struct FileJournal(Arc<Handle>);

/// Stops the threads when the last clone is gone.
struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads of the journal share.
struct Shared {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    writer: Mutex<Writer>,
    stock: Mutex<Stock>,
    progress: Progress,
    marks: Marks,
    keeper: Sleeper,
    stopping: AtomicBool,
    /// The last attempt to prepare a segment failed.
    no_room: AtomicBool,
    held: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

/// Where a journal is.
pub(crate) struct Location {
    /// Its files.
    pub(crate) disk: Arc<dyn Disk>,
    /// Their folder, which exists.
    pub(crate) dir: PathBuf,
    /// How long a new segment is, in bytes.
    pub(crate) segment_bytes: u64,
    /// What keeps other processes out of the folder; given back once the threads have ended.
    pub(crate) held: Arc<dyn Any + Send + Sync>,
}

impl FileJournal {
    /// Opens the journal at `location`, or begins one there. An error if it is damaged.
    pub(crate) fn open(location: Location, random: &dyn Random) -> Result<Self> {
        let Location { disk, dir, segment_bytes, held } = location;
        if segment_bytes < SEGMENT_BYTES_MIN {
            return Err(Error::invalid(format!("journal segments have at least {SEGMENT_BYTES_MIN} bytes")));
        }
        let opened = open::open(&*disk, &dir, segment_bytes)?;
        let Some(active) = opened.begun.back().map(|begun| begun.segment.clone()) else {
            return Err(Error::internal("the journal has no segment"));
        };
        let next_number = opened.ready.last().map_or(active.number, |last| last.number) + 1;
        let last_seq = opened.end.next_seq - 1;
        let shared = Arc::new(Shared {
            disk,
            dir,
            segment_bytes,
            writer: Mutex::new(Writer::new(opened.begun, active, opened.end, opened.ready, opening(random)?)),
            stock: Mutex::new(Stock { next_number }),
            progress: Progress::starting_at(last_seq),
            marks: Marks::default(),
            keeper: Sleeper::default(),
            stopping: AtomicBool::new(false),
            no_room: AtomicBool::new(false),
            held: Mutex::new(Some(held)),
        });
        let journal = Self(Arc::new(Handle { shared, threads: Mutex::new(Vec::new()) }));
        journal.write_opening()?;
        journal.start_threads()?;
        Ok(journal)
    }

    /// Writes the first record of this run, where there is room for it. Where there is none, the disk is full and the last
    /// run wrote to the very end: then folding that frees a segment, and the next record brings this one along.
    fn write_opening(&self) -> Result<()> {
        let shared = &self.0.shared;
        let write = || {
            let written = shared.writer.lock().write_opening();
            written.map(|seq| shared.progress.set_written(seq))
        };
        match write().or_else(|_| keeper::prepare(shared).map_err(AppendError::from).and_then(|()| write())) {
            Ok(()) | Err(AppendError::Full) => Ok(()),
            Err(AppendError::Io(error)) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            Err(error) => Err(refusal(error)),
        }
    }

    fn start_threads(&self) -> Result<()> {
        let shared = &self.0.shared;
        let syncer = keeper::spawn("insula-sync", shared, sync::run)?;
        self.0.threads.lock().push(syncer);
        let keeper = keeper::spawn("insula-segments", shared, keeper::run)?;
        self.0.threads.lock().push(keeper);
        Ok(())
    }

    /// Notes that an attempt is about to be sent. Written when this returns. [`ErrorKind::Unavailable`] if the disk has
    /// no room for it and for everything that its end may bring.
    pub fn begin(&self, begin: &Begin) -> Result<Seq> {
        with_buffer(|buffer| {
            codec::encode(buffer, Kind::Begin, begin).map_err(Error::internal)?;
            if buffer.len() > BEGIN_BYTES_MAX {
                return Err(Error::internal("a BEGIN is longer than the journal takes: shorten the configured names"));
            }
            match self.try_begin(buffer) {
                // Written faster than prepared: that is a matter of waiting, a full disk is not.
                Err(AppendError::Full) if !self.0.shared.no_room.load(SeqCst) => {
                    // Whether or not it failed: another thread may have prepared one meanwhile.
                    let _ = keeper::prepare(&self.0.shared);
                    self.try_begin(buffer)
                }
                tried => tried,
            }
            .map_err(refusal)
        })
    }

    fn try_begin(&self, record: &mut [u8]) -> Result<Seq, AppendError> {
        let shared = &self.0.shared;
        let mut writer = shared.writer.lock();
        if writer.closed {
            return Err(AppendError::Closed);
        }
        let seq = shared.append(&mut writer, record, Leave::ForAttempts)?;
        writer.opened();
        Ok(Seq(seq))
    }

    /// Notes how an attempt ended and, in the same write, its request's trace. Written when this returns, also on a full
    /// disk: the room for it was set aside when the attempt began. A trace for which there is no room loses its content.
    pub fn end(&self, end: &End, trace: Option<&TraceRecord>) -> Seq {
        match self.try_end(end, trace) {
            Ok(seq) => seq,
            Err(error) => fatal("an END could not be written", &error),
        }
    }

    /// Like [`FileJournal::end`], but an attempt of an earlier run may find no room.
    pub(crate) fn end_lost(&self, end: &End, trace: &TraceRecord) -> Result<Seq> {
        self.try_end(end, Some(trace)).map_err(refusal)
    }

    fn try_end(&self, end: &End, trace: Option<&TraceRecord>) -> Result<Seq, AppendError> {
        // The trace goes first: an attempt must not be found ended while its idempotency entry was torn off.
        with_buffer(|buffer| {
            let shared = &self.0.shared;
            let whole = trace.is_none_or(|trace| trace_bounds::encode(buffer, trace, shared.segment_bytes));
            encode_small(buffer, Kind::End, end)?;
            let mut writer = shared.writer.lock();
            let mut written =
                if whole { shared.append(&mut writer, buffer, Leave::ForOtherEnds) } else { Err(AppendError::Full) };
            if let (Err(AppendError::Full), Some(trace)) = (&written, trace) {
                tracing::warn!(request = %trace.request, "no room for a trace in the journal: its content is dropped");
                buffer.clear();
                encode_small(buffer, Kind::Trace, &trace_bounds::without_content(trace))?;
                encode_small(buffer, Kind::End, end)?;
                written = shared.append(&mut writer, buffer, Leave::Nothing);
            } else if let Err(AppendError::Full) = written {
                written = shared.append(&mut writer, buffer, Leave::Nothing);
            }
            let seq = written?;
            writer.ended();
            if let Some(trace) = trace {
                shared.marks.raise(trace.tenant, seq);
            }
            Ok(Seq(seq))
        })
    }

    /// Notes that an attempt never reached its provider: it leaves no row. Written when this returns, like an END.
    pub fn release(&self, attempt: AttemptId) -> Seq {
        let written = with_buffer(|buffer| {
            encode_small(buffer, Kind::Release, &attempt)?;
            let mut writer = self.0.shared.writer.lock();
            let seq = self.0.shared.append(&mut writer, buffer, Leave::Nothing)?;
            writer.ended();
            Ok::<_, AppendError>(Seq(seq))
        });
        written.unwrap_or_else(|error| fatal("a RELEASE could not be written", &error))
    }

    /// Notes a request that is over apart from any attempt. Where there is no room for it, it is dropped with a warning,
    /// and what is returned is the last record's place.
    pub fn trace(&self, trace: &TraceRecord) -> Seq {
        let shared = &self.0.shared;
        let written = with_buffer(|buffer| {
            if !trace_bounds::encode(buffer, trace, shared.segment_bytes) {
                encode_small(buffer, Kind::Trace, &trace_bounds::without_content(trace))?;
            }
            let seq = shared.append(&mut shared.writer.lock(), buffer, Leave::ForEnds)?;
            shared.marks.raise(trace.tenant, seq);
            Ok(seq)
        });
        let written = written.unwrap_or_else(|error: AppendError| {
            tracing::warn!(request = %trace.request, %error, "a trace could not be journalled and is dropped");
            shared.progress.written()
        });
        Seq(written)
    }

    /// Whether this record and all before it survive a loss of power.
    pub fn is_synced(&self, seq: Seq) -> bool {
        self.0.shared.progress.synced() >= seq.0
    }

    /// Returns once this record and all before it survive a loss of power.
    pub async fn synced(&self, seq: Seq) {
        self.0.shared.progress.wait(seq.0).await;
    }

    /// Takes no more BEGINs.
    pub(crate) fn refuse(&self) {
        self.0.shared.writer.lock().closed = true;
    }

    /// Syncs what was written and stops the threads. Blocks for as long as that takes.
    pub(crate) fn close(&self) {
        self.0.shared.stop();
        for thread in self.0.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal panicked");
            }
        }
        self.0.shared.held.lock().take();
    }
}

impl Shared {
    /// Appends under the writer's lock, and calls the threads that have work now.
    fn append(&self, writer: &mut Writer, records: &mut [u8], leave: Leave) -> Result<u64, AppendError> {
        let appended = writer.append(records, leave);
        if let Ok(seq) = appended {
            self.progress.set_written(seq);
            self.progress.syncer.wake();
        }
        if writer.wants_segment() {
            self.keeper.wake();
        }
        appended
    }

    fn stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    fn stop(&self) {
        self.stopping.store(true, SeqCst);
        self.progress.syncer.wake();
        self.keeper.wake();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Seq {
    /// The place of this number.
    pub(crate) fn at(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileJournal").field("dir", &self.0.shared.dir).field("written", &self.written()).finish_non_exhaustive()
    }
}

/// The first record of a run: random, so that nothing left from other runs continues behind it.
fn opening(random: &dyn Random) -> Result<Vec<u8>> {
    let (mut nonce, mut record) = ([0u8; 16], Vec::new());
    random.fill(&mut nonce);
    codec::encode(&mut record, Kind::Opened, &nonce).map_err(Error::internal)?;
    Ok(record)
}

/// Runs `work` with this thread's empty buffer, so that a record costs no allocation.
fn with_buffer<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    thread_local!(static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        let result = work(buffer);
        if buffer.capacity() > BUFFER_BYTES_KEPT {
            *buffer = Vec::new();
        }
        result
    })
}

/// Encodes what cannot fail to be encoded: fixed fields and short texts.
fn encode_small(buffer: &mut Vec<u8>, kind: Kind, payload: &impl serde::Serialize) -> Result<(), AppendError> {
    codec::encode(buffer, kind, payload).map_err(|error| AppendError::Io(io::Error::other(error)))
}

fn refusal(error: AppendError) -> Error {
    let message = match error {
        AppendError::Closed => "the server is stopping",
        AppendError::Full | AppendError::Io(_) => {
            "the server has no room left to keep its accounts: new requests are refused until the disk has space"
        }
    };
    Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(1) }, message).caused_by(error)
}

/// Ends the process: its promises can no longer be kept, and the next start finds out what is really on the disk.
pub(crate) fn fatal(what: &str, error: &dyn fmt::Display) -> ! {
    tracing::error!(%error, "{what}: the process ends now; start it again");
    std::process::abort()
}
