//! The views: what operators ask for, derived from the journal and kept in SQLite beside it.
//! They may lag behind and may be lost: the journal is the truth, and they are projected from it
//! again. Nothing here decides about money.

mod project;
mod query;
mod schema;

pub(crate) use schema::open_read_only;

use crate::disk::Disk;
use crate::error::OpenError;
use crate::frame::Place;
use haltline_ports::{RecordsError, RequestRecord, RequestsQuery, SpendQuery, SpendRow};
use haltline_types::{RequestId, Timestamp};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

/// The file of the views in the data directory.
pub(crate) const FILE: &str = "views.db";

/// The open views.
pub(crate) struct Views {
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
    /// Long questions have a connection of their own, so that they hold nobody up.
    reader: Option<Mutex<Connection>>,
}

struct State {
    connection: Connection,
    position: Place,
}

impl Views {
    /// Opens the views beside the journal on `disk`, in memory where the disk is not a real one.
    /// `oldest` is the first segment of the journal that is left. `end` is where the journal ends:
    /// what the views have beyond it, a power loss took away from it.
    pub(crate) fn open(disk: Arc<dyn Disk>, oldest: u64, end: Place) -> Result<Self, OpenError> {
        let path = disk.path().map(|dir| dir.join(FILE));
        let connection = schema::open(path.as_deref())?;
        let reader = path.as_deref().map(schema::open_reader).transpose()?.map(Mutex::new);
        let kept = project::position(&connection).map_err(|error| schema::failed(&error))?;
        let position = kept.max(Place { segment: oldest, offset: 0 }).min(end);
        Ok(Self { disk, state: Mutex::new(State { connection, position }), reader })
    }

    /// Up to where the journal is in the views.
    #[cfg(test)]
    pub(crate) fn position(&self) -> Place {
        self.state.lock().position
    }

    /// Brings the views up to `end`, which is behind a whole frame of the journal.
    pub(crate) fn project(&self, end: Place) -> Result<(), RecordsError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        project::catch_up(self.disk.as_ref(), &mut state.connection, &mut state.position, end)
    }

    /// Makes what was projected survive a power loss, and says up to where the journal is not
    /// needed any more; `None` when a long question keeps the file busy.
    pub(crate) fn checkpoint(&self) -> Result<Option<Place>, RecordsError> {
        let state = self.state.lock();
        let complete = schema::checkpoint(&state.connection).map_err(|error| failed(&error))?;
        Ok(complete.then_some(state.position))
    }

    /// Forgets a part of what is older than views are kept.
    pub(crate) fn forget_before(&self, oldest: Timestamp) -> Result<(), RecordsError> {
        schema::forget_before(&self.state.lock().connection, oldest).map_err(|error| failed(&error))
    }

    /// The record of one request.
    pub(crate) fn generation(&self, id: RequestId) -> Result<Option<RequestRecord>, RecordsError> {
        query::generation(&self.state.lock().connection, id)
    }

    /// Records of requests that belong together.
    pub(crate) fn requests(&self, asked: &RequestsQuery) -> Result<Vec<RequestRecord>, RecordsError> {
        match &self.reader {
            Some(reader) => query::requests(&reader.lock(), asked),
            None => query::requests(&self.state.lock().connection, asked),
        }
    }

    /// Spend, grouped.
    pub(crate) fn spend(&self, asked: &SpendQuery) -> Result<Vec<SpendRow>, RecordsError> {
        match &self.reader {
            Some(reader) => query::spend(&reader.lock(), asked),
            None => query::spend(&self.state.lock().connection, asked),
        }
    }
}

/// Up to where the journal is in the views of a data directory; `None` when there are none, or
/// none that can be read.
pub(crate) fn position_in(dir: &Path) -> Option<Place> {
    let path = dir.join(FILE);
    let connection = path.exists().then(|| schema::open_reader(&path).ok())??;
    project::position(&connection).ok()
}

fn failed(error: &rusqlite::Error) -> RecordsError {
    RecordsError(format!(
        "the records could not be read or written: {error}. Spending is not affected; check the space on the disk. \
         {FILE} may be removed while Haltline is stopped: it is made again from the journal"
    ))
}

#[cfg(test)]
mod tests;
