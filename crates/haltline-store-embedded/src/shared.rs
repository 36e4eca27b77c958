//! What the doors, the threads and the owner of a store share: the lock, the latch that stops
//! spending, and the queue for syncs.

use crate::acts::ActLog;
use crate::admins::EmbeddedAdmins;
use crate::disk::Disk;
use crate::documents::DocumentFile;
use crate::frame::Place;
use crate::inner::{Inner, Stop};
use crate::keys::EmbeddedKeys;
use crate::options::{Options, Threads};
use crate::seal::Seal;
use crate::streams::{Limits, Log};
use crate::views::Views;
use haltline_ports::{BookError, BookHealth, Keys, RecordsError};
use parking_lot::{Condvar, Mutex};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

const RESTORED: &str = "the data directory was restored from a backup, which does not know what was spent since it was made. \
                        State that by corrections of the accounts, then accept the restored journal";
const CLOSED: &str = "it is closed, because Haltline is stopping";

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    inner: Mutex<Inner>,
    stopped: OnceLock<String>,
    /// The directory came from a backup, and nobody has said yet what was spent since.
    restored: AtomicBool,
    queue: Mutex<Queue>,
    wanted: Condvar,
    resting: Condvar,
    pub(crate) freed: watch::Sender<u64>,
    pub(crate) views: Views,
    pub(crate) documents: DocumentFile,
    pub(crate) keys: EmbeddedKeys,
    pub(crate) seal: Seal,
    pub(crate) admins: EmbeddedAdmins,
    pub(crate) acts: ActLog,
    /// The log of streams, which has a lock of its own.
    pub(crate) streams: Arc<Log>,
    /// Records were written since the last projection.
    pub(crate) unprojected: AtomicBool,
    /// The last projection failed, and that is said.
    pub(crate) views_lag: AtomicBool,
    /// Keeps segments from being removed under whoever reads them.
    pub(crate) reading: Mutex<()>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<oneshot::Sender<Result<(), BookError>>>,
    ending: bool,
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "each is a file of its own, opened before")]
    pub(crate) fn new(
        options: Options,
        inner: Inner,
        views: Views,
        documents: DocumentFile,
        keys: EmbeddedKeys,
        (admins, acts): (EmbeddedAdmins, ActLog),
        restored: bool,
        seal: Seal,
    ) -> Self {
        let limits = Limits { keep: options.keep_streams, bytes_max: options.stream_bytes_max };
        let streams = Log::open(Arc::clone(&options.disk), limits, &keys.hash("the marks of streams"), seal.clone());
        Self {
            streams: Arc::new(streams),
            disk: Arc::clone(&options.disk),
            options,
            inner: Mutex::new(inner),
            stopped: OnceLock::new(),
            restored: AtomicBool::new(restored),
            queue: Mutex::default(),
            wanted: Condvar::new(),
            resting: Condvar::new(),
            freed: watch::Sender::new(0),
            views,
            documents,
            keys,
            seal,
            admins,
            acts,
            unprojected: AtomicBool::new(true),
            views_lag: AtomicBool::new(false),
            reading: Mutex::new(()),
        }
    }

    /// Runs under the lock. A failure, a panic of the ledger's assertions included, stops the store.
    pub(crate) fn locked<T>(&self, work: impl FnOnce(&mut Inner) -> Result<T, Stop>) -> Result<T, BookError> {
        let mut inner = self.inner.lock();
        self.check_open()?;
        match catch_unwind(AssertUnwindSafe(|| work(&mut inner))) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Stop(why))) => Err(self.stop(why)),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
                let Stop(why) = Stop::broken(text);
                Err(self.stop(why))
            }
        }
    }

    /// Looks at the ledger, also when the store has stopped.
    pub(crate) fn look<T>(&self, work: impl FnOnce(&Inner) -> T) -> T {
        work(&self.inner.lock())
    }

    /// Shuts spending until a restart; the first reason stays.
    pub(crate) fn stop(&self, why: String) -> BookError {
        if self.stopped.set(why.clone()).is_ok() {
            tracing::error!(reason = %why, "the store has stopped; nothing can be spent until a restart");
            self.bump();
        }
        BookError::Stopped(self.stopped.get().cloned().unwrap_or(why))
    }

    pub(crate) fn check_open(&self) -> Result<(), BookError> {
        self.stopped.get().map_or(Ok(()), |why| Err(BookError::Stopped(why.clone())))
    }

    /// May holds be given? Corrections are possible when they may not.
    pub(crate) fn check_spending(&self) -> Result<(), BookError> {
        self.check_open()?;
        if self.restored.load(Ordering::Acquire) { Err(BookError::Stopped(RESTORED.to_owned())) } else { Ok(()) }
    }

    pub(crate) fn accept_restored(&self) {
        self.restored.store(false, Ordering::Release);
        self.bump();
    }

    pub(crate) fn health(&self) -> BookHealth {
        match self.check_spending() {
            Ok(()) => BookHealth::Open,
            Err(BookError::Stopped(why)) => BookHealth::Stopped(why),
            Err(BookError::NotAllowed(error)) => BookHealth::Stopped(error.to_string()),
        }
    }

    /// Tells whoever waits for headroom to look again.
    pub(crate) fn bump(&self) {
        self.freed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Returns when the journal is durable up to `place`.
    pub(crate) async fn durable(&self, place: Place) -> Result<(), BookError> {
        if !self.has_threads() {
            return self.sync(place);
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut queue = self.queue.lock();
            if queue.ending {
                return Err(BookError::Stopped(CLOSED.to_owned()));
            }
            queue.waiting.push(sender);
        }
        self.wanted.notify_one();
        receiver.await.unwrap_or_else(|_| Err(BookError::Stopped(CLOSED.to_owned())))
    }

    /// Syncs the journal unless it is durable up to `place` already. A sync that fails is final:
    /// nobody knows what the disk has kept.
    pub(crate) fn sync(&self, place: Place) -> Result<(), BookError> {
        let unsynced = self.look(|inner| if inner.journal.synced() >= place { None } else { inner.journal.unsynced() });
        self.check_open()?;
        let Some((file, end)) = unsynced else { return Ok(()) };
        file.sync().map_err(|error| {
            let Stop(why) = Stop::io("syncing the journal", &error);
            self.stop(why)
        })?;
        self.inner.lock().journal.mark_synced(end);
        Ok(())
    }

    /// Syncs all that is written.
    pub(crate) fn sync_all(&self) -> Result<(), BookError> {
        self.sync(self.look(|inner| inner.journal.end()))
    }

    /// The life of the thread that syncs: one sync for all who wait, and one a second for nobody.
    pub(crate) fn sync_until_closed(&self) {
        const IDLE: Duration = Duration::from_secs(1);
        loop {
            let waiting = {
                let mut queue = self.queue.lock();
                if queue.waiting.is_empty() && !queue.ending {
                    self.wanted.wait_for(&mut queue, IDLE);
                }
                if queue.ending && queue.waiting.is_empty() {
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            // Whoever waits had written before it asked: the present end covers all of them.
            let synced = self.sync_all();
            for sender in waiting {
                // Whoever does not wait any more has taken its hold back itself.
                let _ = sender.send(synced.clone());
            }
        }
    }

    /// Waits; `false` when the threads are to end.
    pub(crate) fn rest(&self, time: Duration) -> bool {
        let mut queue = self.queue.lock();
        if !queue.ending {
            self.resting.wait_for(&mut queue, time);
        }
        !queue.ending
    }

    /// Lets the threads end, the one that syncs once nobody waits.
    pub(crate) fn end_threads(&self) {
        self.queue.lock().ending = true;
        self.wanted.notify_all();
        self.resting.notify_all();
        self.documents.end();
    }

    /// Refuses everything from here on, in order and not for a failure.
    pub(crate) fn close(&self) {
        // A store that had stopped for another reason keeps that reason.
        let _ = self.stopped.set(CLOSED.to_owned());
        self.bump();
    }

    pub(crate) fn has_threads(&self) -> bool {
        matches!(self.options.threads, Threads::Own(_))
    }

    /// Brings the views up to what is written.
    pub(crate) fn project(&self) -> Result<(), RecordsError> {
        self.unprojected.store(false, Ordering::Release);
        let end = self.look(|inner| inner.journal.end());
        self.views.project(end).inspect_err(|_| self.unprojected.store(true, Ordering::Release))
    }
}
