//! A directory of the file system, owned by one process at a time.

use super::{Disk, DiskFile, PlacedFile};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOCK: &str = "lock";
const UNFINISHED: &str = ".new";

/// Why the directory could not be taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process owns it.
    Taken {
        /// The directory.
        dir: PathBuf,
        /// What the owner wrote about itself: its process id.
        owner: String,
    },
    /// It cannot be made or written.
    Io {
        /// The directory.
        dir: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { dir, owner } => write!(
                f,
                "the data directory {} is in use by {owner}; stop that process first, or give this one a directory of its own. \
                 Commands reach a running Haltline through its admin API",
                dir.display()
            ),
            Self::Io { dir, error } => write!(
                f,
                "the data directory {} cannot be used: {error}; check that it exists, is not full, and that this user may write to it",
                dir.display()
            ),
        }
    }
}

impl std::error::Error for LockError {}

/// A directory under a lock that ends with the process, whatever ends it.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
    boot_id: String,
    lock: File,
}

impl RealDisk {
    /// Makes the directory where it is absent (only its owner may look inside), and takes it.
    ///
    /// # Errors
    /// When another process owns it, or it cannot be used.
    pub fn lock(dir: &Path) -> Result<Self, LockError> {
        let io_error = |error| LockError::Io { dir: dir.to_path_buf(), error };
        if !dir.is_dir() {
            make_private_dir(dir).map_err(io_error)?;
        }
        let disk = Self::take(dir)?;
        let owner = format!("process {}\n", std::process::id());
        // The text is only for the message to a second owner: a full disk must keep nobody from starting.
        let mut lock = &disk.lock;
        let _ =
            lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0))).and_then(|_| lock.write_all(owner.as_bytes()));
        disk.remove_unfinished().map_err(io_error)?;
        Ok(disk)
    }

    /// Takes a directory that is there, to look at it: nothing is made, written or cleared away.
    ///
    /// # Errors
    /// When another process owns it, or it cannot be used.
    pub fn inspect(dir: &Path) -> Result<Self, LockError> {
        Self::take(dir)
    }

    fn take(dir: &Path) -> Result<Self, LockError> {
        let io_error = |error| LockError::Io { dir: dir.to_path_buf(), error };
        let mut lock =
            private().read(true).write(true).create(true).truncate(false).open(dir.join(LOCK)).map_err(io_error)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_path_buf(), boot_id: boot_id(), lock }),
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let known = lock.read_to_string(&mut owner).is_ok() && !owner.trim().is_empty();
                let owner = if known { owner.trim().to_owned() } else { "another process".to_owned() };
                Err(LockError::Taken { dir: dir.to_path_buf(), owner })
            }
            Err(TryLockError::Error(error)) => Err(io_error(error)),
        }
    }

    /// Files that were being written when a process died under them.
    fn remove_unfinished(&self) -> io::Result<()> {
        for name in self.list()? {
            if name.ends_with(UNFINISHED) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        if cfg!(unix) { File::open(&self.dir)?.sync_all() } else { Ok(()) }
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            if let (true, Ok(name)) = (entry.file_type()?.is_file(), entry.file_name().into_string()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, name: &str, offset: u64, len_max: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.dir.join(name))?;
        let rest = usize::try_from(file.metadata()?.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(rest.min(len_max));
        file.take(u64::try_from(len_max).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(OpenOptions::new().append(true).open(self.dir.join(name))?)))
    }

    fn open_placed(&self, name: &str) -> io::Result<Arc<dyn PlacedFile>> {
        // Not for appending: systems then ignore the place of a write.
        let file = private().read(true).write(true).create(true).truncate(false).open(self.dir.join(name))?;
        Ok(Arc::new(RealPlaced(file)))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.dir.join(format!("{name}{UNFINISHED}"));
        let written = (|| {
            let mut file = private().write(true).create(true).truncate(true).open(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()
        })();
        if let Err(error) = written {
            // Left behind it would only hold space; the next start removes it too.
            let _ = std::fs::remove_file(&unfinished);
            return Err(error);
        }
        std::fs::rename(&unfinished, self.dir.join(name))?;
        self.sync_dir()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.dir.join(name))?;
        self.sync_dir()
    }

    fn boot_id(&self) -> String {
        self.boot_id.clone()
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.dir)
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

struct RealPlaced(File);

impl PlacedFile for RealPlaced {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match read_some(&self.0, offset + done as u64, rest) {
                Ok(0) => break,
                Ok(taken) => done += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_whole(&self.0, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|data| data.len())
    }
}

#[cfg(unix)]
fn read_some(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(unix)]
fn write_whole(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_some(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

#[cfg(windows)]
fn write_whole(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match std::os::windows::fs::FileExt::seek_write(file, rest, offset + done as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            taken => done += taken,
        }
    }
    Ok(())
}

fn private() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "the mode is a matter of Unix"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Where the machine cannot say, every start counts as one after a power loss: that costs some
/// headroom and is never wrong.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .ok()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            format!("unknown-{}-{}", std::process::id(), since.as_nanos())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_has_it() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let first = RealDisk::lock(dir.path()).expect("free");
        let refused = RealDisk::lock(dir.path()).expect_err("taken").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        RealDisk::lock(dir.path()).expect("free again");
    }

    #[test]
    fn a_file_is_replaced_whole_and_what_was_unfinished_is_cleared_away() {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("x.new"), b"half").expect("write");
        let disk = RealDisk::lock(dir.path()).expect("free");
        disk.replace("x", b"one").expect("replace");
        disk.open("x").expect("open").append(b" two").expect("append");
        assert_eq!(disk.read_all("x").expect("read"), b"one two");
        assert_eq!(disk.read("x", 4, 2).expect("read"), b"tw");
        assert_eq!(disk.list().expect("list"), ["lock", "x"]);
    }

    #[test]
    fn a_placed_file_is_read_and_written_anywhere() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let disk = RealDisk::lock(dir.path()).expect("free");
        let file = disk.open_placed("x").expect("open");
        assert!(file.is_empty().expect("length"));
        file.write_at(0, b"one two").expect("write");
        file.write_at(4, b"2").expect("write");
        let mut bytes = [0; 16];
        assert_eq!(file.read_at(2, &mut bytes).expect("read"), 5);
        assert_eq!(&bytes[..5], b"e 2wo");
        file.truncate(3).expect("cut");
        assert_eq!(disk.open_placed("x").expect("open").len().expect("length"), 3);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_look() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().expect("temporary directory");
        let dir = parent.path().join("data");
        let disk = RealDisk::lock(&dir).expect("free");
        disk.replace("x", b"secret").expect("replace");
        disk.open_placed("y").expect("make");
        let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join("x")), mode(&dir.join("y"))), (0o700, 0o600, 0o600));
    }
}
