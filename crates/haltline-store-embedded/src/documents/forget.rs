//! What makes bytes gone for good that were removed. Deleted cells are overwritten by SQLite itself
//! (`secure_delete`), but a cell that was once moved to another page leaves a copy in the room that
//! is free there: only writing the whole file anew is sure. Older copies of pages in the write-ahead
//! log go with it.

use super::{DocumentFile, schema};
use haltline_ports::DocumentsError;

impl DocumentFile {
    /// Writes the file anew and empties the write-ahead log, with every reader held off; writes wait
    /// meanwhile, some seconds for each gigabyte. Removed bytes are then nowhere in
    /// the file.
    pub(super) fn wipe(&self) -> Result<(), DocumentsError> {
        let Some(path) = &self.path else { return Ok(()) };
        for aside in schema::set_aside_files(path) {
            tracing::warn!(file = %aside.display(), "a damaged file that was set aside may still hold what a forgotten user said; remove it");
        }
        let _getter = self.getter.lock();
        let _lister = self.lister.lock();
        if self.writing(|connection| schema::write_anew(connection))? {
            return Ok(());
        }
        Err(DocumentsError(
            "the documents are removed, and their bytes may still be in the write-ahead log, because another process reads the file; \
             end it and forget again"
                .to_owned(),
        ))
    }
}
