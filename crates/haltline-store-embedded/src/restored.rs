//! The mark that a data directory came from a backup: what was spent since then is in no journal,
//! so spending stays shut until an operator has said it (promise, rule 9).

use crate::disk::{Disk, RealDisk};
use crate::error::OpenError;
use std::io;
use std::path::Path;

const FILE: &str = "restored";
const TEXT: &[u8] = b"This directory was restored from a backup. Spending is shut until an operator accepts it.\n";

/// Marks a directory into which a backup was just restored.
///
/// # Errors
/// When a running Haltline owns the directory, or it cannot be written.
pub fn mark_restored(dir: &Path) -> Result<(), OpenError> {
    let disk = RealDisk::lock(dir)?;
    disk.replace(FILE, TEXT).map_err(OpenError::io("marking the directory as restored"))
}

pub(crate) fn is_marked(disk: &dyn Disk) -> Result<bool, OpenError> {
    let names = disk.list().map_err(OpenError::io("reading the data directory"))?;
    Ok(names.iter().any(|name| name == FILE))
}

pub(crate) fn unmark(disk: &dyn Disk) -> io::Result<()> {
    match disk.remove(FILE) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
