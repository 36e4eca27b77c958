//! Watches the configuration file. Editors and orchestrators replace files rather than write them,
//! so its folder is watched, and only another content counts as a change.

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// A file is often written in several steps; the last one counts.
const SETTLE: Duration = Duration::from_millis(200);

/// A watched file.
pub(super) struct Watcher {
    path: PathBuf,
    content: Option<u64>,
    events: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Watcher {
    pub(super) fn start(path: &Path) -> anyhow::Result<Self> {
        let (sender, events) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |_event| {
            // A full channel says already that something happened.
            let _ = sender.try_send(());
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(Self { content: fingerprint(path), path: path.to_path_buf(), events, _watcher: watcher })
    }

    /// Waits until the file has another content.
    pub(super) async fn changed(&mut self) {
        loop {
            if self.events.recv().await.is_none() {
                return std::future::pending().await;
            }
            tokio::time::sleep(SETTLE).await;
            let content = fingerprint(&self.path);
            if content.is_some() && content != self.content {
                self.content = content;
                return;
            }
        }
    }
}

fn fingerprint(path: &Path) -> Option<u64> {
    let content = fs::read(path).ok()?;
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    Some(hasher.finish())
}
