//! `admin.json` in the data directory: how the command line finds the running gateway. Only its
//! owner can read it; it goes when the gateway does.

use crate::cli::AdminFile;
use anyhow::Context;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file while the gateway runs.
pub(crate) struct WrittenAdminFile {
    path: PathBuf,
}

impl WrittenAdminFile {
    /// Writes it whole or not at all.
    pub(crate) fn write(directory: &Path, address: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let path = directory.join(AdminFile::NAME);
        let draft = directory.join("admin.json.new");
        let content = AdminFile {
            url: format!("http://{}", reachable(address)),
            token: token.to_owned(),
            pid: std::process::id(),
        };
        match fs::remove_file(&draft) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot replace {}", draft.display())),
        }
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(&serde_json::to_vec(&content)?)?;
            fs::rename(&draft, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path })
    }
}

/// From an address to listen on to one to call: every interface is called by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(loopback, address.port())
}

impl Drop for WrittenAdminFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "admin.json was gone already");
        }
    }
}
