//! What is made of an accepted connection before HTTP is spoken on it, and what routes may know of
//! its other end. TLS itself is not here: whoever brings it implements `Accept`.

use crate::patient::Patient;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The other end of a connection; an extension of every request that came by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address: of the nearest hop, so of a proxy where there is one.
    pub address: SocketAddr,
    /// Is the connection encrypted?
    pub is_tls: bool,
    /// Has it shown a certificate that the operator's `client_ca` vouches for?
    pub is_certified: bool,
}

/// A connection on which HTTP can be spoken.
#[derive(Debug)]
pub struct Accepted<S> {
    /// Its bytes.
    pub stream: S,
    /// Is it encrypted?
    pub is_tls: bool,
    /// Has the other end shown a certificate that was verified?
    pub is_certified: bool,
}

/// Makes of a TCP connection one that HTTP is spoken on.
pub trait Accept: Clone + Send + Sync + 'static {
    /// What it makes.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Does it exchange bytes first? Then connections that have not come through wait in a room of
    /// their own, and hold no place of those that speak.
    const SHAKES_HANDS: bool;

    /// Does what is to be done first.
    ///
    /// # Errors
    /// Why the connection is of no use; it has been said in the log then, and the connection is closed.
    fn accept(&self, stream: Raw) -> impl Future<Output = io::Result<Accepted<Self::Stream>>> + Send;
}

/// A connection as it was accepted: its writes must make progress.
pub struct Raw {
    stream: TcpStream,
    /// Where it comes from.
    pub peer: SocketAddr,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raw").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Raw {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr) -> Self {
        Self { stream, peer }
    }

    /// The first byte, which stays where it is; `None` when nothing comes any more.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0_u8; 1];
        Ok(match self.stream.peek(&mut first).await? {
            0 => None,
            _ => first.first().copied(),
        })
    }

    /// The bytes, both ways.
    #[must_use]
    pub fn into_stream(self) -> Patient {
        Patient::new(self.stream)
    }
}

/// HTTP as it is, in the clear.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Accept for Plain {
    type Stream = Patient;

    const SHAKES_HANDS: bool = false;

    async fn accept(&self, stream: Raw) -> io::Result<Accepted<Patient>> {
        Ok(Accepted { stream: stream.into_stream(), is_tls: false, is_certified: false })
    }
}
