//! Watches the configuration file and those that it names. Editors and orchestrators replace files
//! rather than write them, so their folders are watched, and only another content counts as a change.

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// A file is often written in several steps, and a key after its certificate; the last one counts.
const SETTLE: Duration = Duration::from_millis(200);

/// Watched files.
pub(super) struct Watcher {
    main: PathBuf,
    /// With what they held when last seen.
    files: Vec<(PathBuf, Option<u64>)>,
    folders: BTreeSet<PathBuf>,
    events: mpsc::Receiver<()>,
    watcher: RecommendedWatcher,
}

impl Watcher {
    /// Watches `main`, which must be possible, and `others`.
    pub(super) fn start(main: &Path, others: Vec<PathBuf>) -> anyhow::Result<Self> {
        let (sender, events) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |_event| {
            // A full channel says already that something happened.
            let _ = sender.try_send(());
        })?;
        let folder = folder(main);
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        let mut watcher = Self {
            main: main.to_path_buf(),
            files: vec![(main.to_path_buf(), fingerprint(main))],
            folders: BTreeSet::from([folder]),
            events,
            watcher,
        };
        watcher.follow(others);
        Ok(watcher)
    }

    /// Watches these besides the main one from now on, and no others.
    pub(super) fn follow(&mut self, others: Vec<PathBuf>) {
        let wanted: BTreeSet<PathBuf> =
            others.iter().map(PathBuf::as_path).chain([self.main.as_path()]).map(folder).collect();
        for gone in self.folders.difference(&wanted) {
            if let Err(error) = self.watcher.unwatch(gone) {
                tracing::debug!(%error, folder = %gone.display(), "a folder was not watched any more");
            }
        }
        for new in wanted.difference(&self.folders) {
            if let Err(error) = self.watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, folder = %new.display(), "changes in it are not seen; send SIGHUP after one");
            }
        }
        self.folders = wanted;
        self.files.retain(|(path, _)| *path == self.main || others.contains(path));
        for path in others {
            if self.files.iter().all(|(known, _)| *known != path) {
                let content = fingerprint(&path);
                self.files.push((path, content));
            }
        }
    }

    /// Waits until one of the files has another content.
    pub(super) async fn changed(&mut self) {
        loop {
            if self.events.recv().await.is_none() {
                return std::future::pending().await;
            }
            tokio::time::sleep(SETTLE).await;
            let mut changed = false;
            for (path, known) in &mut self.files {
                let content = fingerprint(path);
                if content.is_some() && content != *known {
                    *known = content;
                    changed = true;
                }
            }
            if changed {
                return;
            }
        }
    }
}

fn folder(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

fn fingerprint(path: &Path) -> Option<u64> {
    let content = Zeroizing::new(fs::read(path).ok()?);
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    Some(hasher.finish())
}
