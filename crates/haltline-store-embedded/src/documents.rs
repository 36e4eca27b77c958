//! Documents: what the gateway keeps for its clients, in one SQLite file beside the journal. They
//! are not the truth about money: when the file is damaged or the disk full, documents fail and
//! spending goes on.

mod door;
mod forget;
mod queue;
mod read;
mod schema;
mod write;

use crate::disk::Disk;
use crate::error::OpenError;
use crate::seal::Seal;
use crate::views;
use haltline_ports::DocumentsError;
use haltline_types::Timestamp;
use parking_lot::Mutex;
use queue::{Job, Queue};
use rusqlite::Connection;
use std::path::PathBuf;
use write::Command;

/// The file of the documents in the data directory.
pub(crate) const FILE: &str = "documents.db";

/// The open documents.
pub(crate) struct DocumentFile {
    /// None in memory.
    path: Option<PathBuf>,
    /// None while the file cannot be opened: the next use tries again.
    writer: Mutex<Option<Connection>>,
    /// Questions for one document have a connection of their own, so that none waits for a list.
    getter: Mutex<Option<Connection>>,
    lister: Mutex<Option<Connection>>,
    seal: Seal,
    queue: Queue,
}

/// What a question is: for one document, or for many.
#[derive(Clone, Copy)]
enum Question {
    One,
    Many,
}

impl DocumentFile {
    /// Opens the documents beside the journal on `disk`, in memory where the disk is not a real
    /// one. A damaged file is set aside; one that cannot be opened now is tried again at each use.
    ///
    /// # Errors
    /// When a newer program wrote the file.
    pub(crate) fn open(disk: &dyn Disk, seal: Seal) -> Result<Self, OpenError> {
        let path = disk.path().map(|dir| dir.join(FILE));
        let writer = match schema::open(path.as_deref()) {
            Ok(connection) => Some(connection),
            Err(newer @ OpenError::Newer { .. }) => return Err(newer),
            Err(error) => {
                tracing::error!(%error, "documents cannot be kept: sessions, jobs and kept responses fail; spending is not affected");
                None
            }
        };
        Ok(Self {
            path,
            writer: Mutex::new(writer),
            getter: Mutex::default(),
            lister: Mutex::default(),
            seal,
            queue: Queue::default(),
        })
    }

    /// Removes at most about `most` of what is expired at `now`, in steps between which others
    /// may write.
    pub(crate) fn sweep(&self, now: Timestamp, most: usize) -> Result<(), DocumentsError> {
        const STEP: usize = 500;
        let mut removed = 0;
        while removed < most {
            let step = self.writing(|connection| write::sweep(connection, now, STEP))?;
            removed += step;
            if step < STEP {
                break;
            }
        }
        if removed > 0 { self.writing(|connection| schema::give_back(connection)) } else { Ok(()) }
    }

    /// The life of the thread that writes: all that waits goes into one transaction.
    pub(crate) fn write_until_closed(&self) {
        while let Some(jobs) = self.queue.take() {
            self.write(jobs);
        }
    }

    /// Lets the thread that writes end, once all that waits is written.
    pub(crate) fn end(&self) {
        self.queue.end();
    }

    /// Moves what is written into the file proper, synced, and closes it.
    pub(crate) fn close(&self) {
        *self.getter.lock() = None;
        *self.lister.lock() = None;
        let mut writer = self.writer.lock();
        if let Some(connection) = writer.as_ref().filter(|_| self.path.is_some()) {
            if let Err(error) = schema::checkpoint(connection) {
                tracing::warn!(%error, "documents stay in the write-ahead log until the next start");
            }
            *writer = None;
        }
    }

    /// Writes now, in the call.
    fn write_now(&self, command: Command) -> Result<u64, DocumentsError> {
        if self.queue.is_ended() {
            return Err(DocumentsError("Haltline is stopping".to_owned()));
        }
        let (job, mut answer) = Job::new(command);
        self.write(vec![job]);
        answer.try_recv().unwrap_or_else(|_| Err(DocumentsError("the write was dropped".to_owned())))
    }

    /// Writes what waited, in its order: together, or each by itself when one of them fails, so
    /// that it fails alone. The answers are given after the commit.
    fn write(&self, jobs: Vec<Job>) {
        let together =
            self.writing(|connection| write::together(connection, &self.seal, jobs.iter().map(|job| &job.command)));
        let counts: Vec<Result<u64, DocumentsError>> = match together {
            Ok(counts) => counts.into_iter().map(Ok).collect(),
            Err(error) if jobs.len() == 1 => vec![Err(error)],
            Err(_) => {
                let alone =
                    |job: &Job| self.writing(|connection| write::together(connection, &self.seal, [&job.command]));
                jobs.iter().map(|job| alone(job).map(|counts| counts.into_iter().sum())).collect()
            }
        };
        for (job, count) in jobs.into_iter().zip(counts) {
            let count = match (&job.command, count) {
                (Command::ForgetUser(_), Ok(count)) => self.wipe().map(|()| count),
                (_, count) => count,
            };
            job.answer(count);
        }
    }

    fn writing<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, DocumentsError> {
        let mut writer = self.writer.lock();
        let connection = match &mut *writer {
            Some(connection) => connection,
            closed => {
                let opened = schema::open(self.path.as_deref()).map_err(|error| DocumentsError(error.to_string()))?;
                closed.insert(opened)
            }
        };
        work(connection).map_err(|error| failed(&error))
    }

    fn reading<T>(
        &self,
        question: Question,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DocumentsError> {
        let Some(path) = &self.path else {
            return self.writing(|connection| work(connection));
        };
        let mut reader = match question {
            Question::One => self.getter.lock(),
            Question::Many => self.lister.lock(),
        };
        let connection = match &mut *reader {
            Some(connection) => connection,
            closed => closed.insert(views::open_read_only(path).map_err(|error| failed(&error))?),
        };
        work(connection).map_err(|error| failed(&error))
    }
}

fn failed(error: &rusqlite::Error) -> DocumentsError {
    let advice = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "the disk is full: free some space".to_owned(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            format!("{FILE} is damaged: stop Haltline and move it away, what it keeps is lost")
        }
        _ => format!("check the disk and {FILE} in the data directory"),
    };
    DocumentsError(format!("documents could not be read or written: {error}. Spending is not affected; {advice}"))
}

#[cfg(test)]
mod tests;
