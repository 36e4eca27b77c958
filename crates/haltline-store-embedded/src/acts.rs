//! The audit log: `audit.log`, a line of JSON for each act, sealed by SHA-256 over the seal before it, and
//! `audit.head`, which says how far it goes. A line that is changed, taken out or put in breaks the chain;
//! a log that is cut falls behind its head. Nothing is ever removed.
//!
//! Whoever can write both files can write a whole log anew: against that helps only a seal that was
//! noted elsewhere.

mod line;

use crate::disk::{Disk, DiskFile};
use crate::error::OpenError;
use crate::store::EmbeddedStore;
use haltline_ports::{Act, ActQuery, Acts, ActsError, ActsReport, BoxFuture, SealedAct};
use line::{Head, Line};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

const LOG: &str = "audit.log";
const HEAD: &str = "audit.head";
/// So much of the log is read at once.
const CHUNK: usize = 256 << 10;

/// The audit log of an embedded store.
pub(crate) struct ActLog {
    disk: Arc<dyn Disk>,
    writing: Mutex<Writing>,
}

struct Writing {
    file: Option<Arc<dyn DiskFile>>,
    number: u64,
    seal: String,
    bytes: u64,
    /// A write failed: what is on the disk is not known, so that nothing more is written.
    failed: Option<String>,
}

impl ActLog {
    /// Finds the end of the log. A last line that was not written whole was never acknowledged, and is cut.
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let names = disk.list().map_err(OpenError::io("reading the data directory"))?;
        let mut writing = Writing { file: None, number: 0, seal: line::first_seal(), bytes: 0, failed: None };
        let mut before = None;
        if names.iter().any(|name| name == LOG) {
            let reading = "reading the audit log";
            let end = each_line(disk.as_ref(), |bytes| {
                if let Some(line) = Line::read(bytes) {
                    before = line.is_sealed_after(&writing.seal).then(|| std::mem::take(&mut writing.seal));
                    writing.number = line.n;
                    writing.seal = line.seal;
                }
                true
            });
            let end = end.map_err(OpenError::io(reading))?;
            let file = disk.open(LOG).map_err(OpenError::io(reading))?;
            file.truncate(end).map_err(OpenError::io("cutting an unfinished line off the audit log"))?;
            (writing.file, writing.bytes) = (Some(file), end);
        }
        let head = match names.iter().any(|name| name == HEAD) {
            true => Head::read(&disk.read_all(HEAD).map_err(OpenError::io("reading the head of the audit log"))?),
            false => None,
        };
        // A log that does not end where its head says was cut or added to. The next act is sealed after the head, so
        // that this stays to be seen when the head has moved on.
        if let Some(head) = head.filter(|head| !head.fits(writing.number, &writing.seal, before.as_deref())) {
            tracing::error!("the audit log does not end where it was written last; `haltline audit verify` says more");
            (writing.number, writing.seal) = (head.n, head.seal);
        }
        Ok(Self { disk, writing: Mutex::new(writing) })
    }

    fn append(&self, act: Act) -> Result<u64, ActsError> {
        let mut writing = self.writing.lock();
        if let Some(why) = &writing.failed {
            return Err(ActsError(why.clone()));
        }
        self.write(&mut writing, act).map_err(|error| {
            let why = format!(
                "the audit log could not be written, so that nothing can be administered: {error}. Check the space \
                 on the disk, and start the gateway again"
            );
            writing.failed = Some(why.clone());
            ActsError(why)
        })
    }

    fn write(&self, writing: &mut Writing, act: Act) -> io::Result<u64> {
        let number = writing.number.saturating_add(1);
        let line = Line::sealed(number, &writing.seal, act);
        let mut bytes = line.to_bytes()?;
        bytes.push(b'\n');
        let file = match &writing.file {
            Some(file) => Arc::clone(file),
            None => {
                self.disk.replace(LOG, b"")?;
                let file = self.disk.open(LOG)?;
                writing.file = Some(Arc::clone(&file));
                file
            }
        };
        file.append(&bytes)?;
        file.sync()?;
        // Behind the log at most by the line that a crash came after.
        self.disk.replace(HEAD, &Head { n: number, seal: line.seal.clone() }.to_bytes()?)?;
        writing.bytes += bytes.len() as u64;
        (writing.number, writing.seal) = (number, line.seal);
        Ok(number)
    }

    fn query(&self, query: &ActQuery) -> io::Result<Vec<SealedAct>> {
        let mut found = Vec::new();
        if self.writing.lock().file.is_none() {
            return Ok(found);
        }
        each_line(self.disk.as_ref(), |bytes| {
            let Some(line) = Line::read(bytes) else { return true };
            if line.n > query.after
                && let Some(sealed) = line.act()
                && query.fits(&sealed.act)
            {
                found.push(sealed);
            }
            found.len() < query.limit
        })?;
        Ok(found)
    }

    fn verify(&self) -> io::Result<ActsReport> {
        // With the lock: what is written meanwhile is not half seen.
        let writing = self.writing.lock();
        let mut report = ActsReport { entries: 0, last_seal: line::first_seal(), wrong: None };
        if writing.file.is_some() {
            each_line(self.disk.as_ref(), |bytes| {
                let place = report.entries + 1;
                match Line::read(bytes) {
                    Some(line) if line.n == place && line.is_sealed_after(&report.last_seal) => {
                        report.entries = place;
                        report.last_seal = line.seal;
                    }
                    Some(line) => {
                        report.wrong = Some(format!(
                            "the entry in place {place} says number {} and is not sealed after the one before it: \
                             something was changed, taken out or put in here",
                            line.n
                        ));
                    }
                    None => report.wrong = Some(format!("the entry in place {place} cannot be read")),
                }
                report.wrong.is_none()
            })?;
        }
        if report.wrong.is_none() {
            report.wrong = self.behind_head(&report)?;
        }
        Ok(report)
    }

    /// The head may be behind by what a crash came between, and never ahead.
    fn behind_head(&self, report: &ActsReport) -> io::Result<Option<String>> {
        if !self.disk.list()?.iter().any(|name| name == HEAD) {
            let is_fine = report.entries <= 1;
            return Ok((!is_fine).then(|| format!("{HEAD} is missing")));
        }
        let head = Head::read(&self.disk.read_all(HEAD)?);
        Ok(match head {
            None => Some(format!("{HEAD} cannot be read")),
            Some(head) if head.n > report.entries => {
                Some(format!("{} entries are missing at the end", head.n - report.entries))
            }
            Some(head) if head.n == report.entries && head.seal != report.last_seal => {
                Some("the last entry is not the one that was written last".to_owned())
            }
            Some(head) if head.n.saturating_add(1) < report.entries => {
                Some(format!("{} entries were put in at the end", report.entries - head.n))
            }
            Some(_) => None,
        })
    }
}

/// Calls `each` with every whole line until it says no. Returns how many bytes the whole lines have.
fn each_line(disk: &dyn Disk, mut each: impl FnMut(&[u8]) -> bool) -> io::Result<u64> {
    let (mut offset, mut done) = (0_u64, 0_u64);
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let chunk = disk.read(LOG, offset, CHUNK)?;
        if chunk.is_empty() {
            return Ok(done);
        }
        offset += chunk.len() as u64;
        rest.extend_from_slice(&chunk);
        let mut begin = 0;
        while let Some(length) = rest.get(begin..).and_then(|open| open.iter().position(|byte| *byte == b'\n')) {
            let line = rest.get(begin..begin + length).unwrap_or_default();
            done += length as u64 + 1;
            if !each(line) {
                return Ok(done);
            }
            begin += length + 1;
        }
        rest.drain(..begin);
    }
}

impl Acts for EmbeddedStore {
    fn note_act(&self, act: Act) -> BoxFuture<'_, Result<u64, ActsError>> {
        Box::pin(async move { self.shared().acts.append(act) })
    }

    fn acts(&self, query: ActQuery) -> BoxFuture<'_, Result<Vec<SealedAct>, ActsError>> {
        Box::pin(async move { self.shared().acts.query(&query).map_err(unread) })
    }

    fn verify_acts(&self) -> BoxFuture<'_, Result<ActsReport, ActsError>> {
        Box::pin(async move { self.shared().acts.verify().map_err(unread) })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn unread(error: io::Error) -> ActsError {
    ActsError(format!("the audit log cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
