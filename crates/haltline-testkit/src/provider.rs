//! The fake provider as a whole: its configuration, its listener, its connections, and what a
//! test can ask it. What it answers is decided in `serve.rs`.

use crate::bill::{Bill, Book, Calls, CutBilling, Outcome, Prices};
use crate::control;
use crate::script::Script;
use crate::socket::Socket;
use bytes::Bytes;
use haltline_types::Tokens;
use http::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How a fake provider is set up.
#[derive(Clone, Debug)]
pub struct FakeConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Prices of every model that has none of its own.
    pub prices: Prices,
    /// Prices by model.
    pub model_prices: BTreeMap<String, Prices>,
    /// What happens to calls.
    pub script: Script,
    /// Output of each choice when the behaviour wishes nothing and the request has a cap.
    pub tokens: Tokens,
    /// Output of each choice when the behaviour wishes nothing and the request has no cap: a cap
    /// that was forgotten shows on the bill.
    pub uncapped_output: Tokens,
    /// What is billed of answers that are broken off.
    pub cut_billing: CutBilling,
    /// Bytes of message text in one input token; 1 makes every byte a token.
    pub bytes_per_token: u64,
    /// The only key that is accepted; `None` accepts everything.
    pub api_key: Option<String>,
    /// What `/v1/models` lists. Every model is answered.
    pub models: Vec<String>,
    /// How many of the last requests are kept for `seen`.
    pub keep_seen: usize,
}

impl Default for FakeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            prices: Prices::default(),
            model_prices: BTreeMap::new(),
            script: Script::default(),
            tokens: Tokens::new(16),
            uncapped_output: Tokens::new(256),
            cut_billing: CutBilling::default(),
            bytes_per_token: 4,
            api_key: None,
            models: vec!["m".to_owned()],
            keep_seen: 256,
        }
    }
}

impl FakeConfig {
    /// The default set-up with this script.
    #[must_use]
    pub fn with_script(script: impl Into<Script>) -> Self {
        Self { script: script.into(), ..Self::default() }
    }
}

/// A request as it reached the provider.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its path, without the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A running fake provider. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct FakeProvider {
    shared: Arc<Shared>,
    address: SocketAddr,
    _running: watch::Sender<()>,
}

impl FakeProvider {
    /// Starts a provider on the current runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(config: FakeConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let rules = Rules { tokens: config.tokens, cut_billing: config.cut_billing };
        let shared = Arc::new(Shared {
            script: Mutex::new(config.script.clone()),
            rules: Mutex::new(rules),
            book: Arc::default(),
            seen: Mutex::default(),
            config,
        });
        let (running, stopped) = watch::channel(());
        tokio::spawn(accept(listener, Arc::clone(&shared), stopped));
        Ok(Self { shared, address, _running: running })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `http://127.0.0.1:PORT/v1`: what a gateway is given.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The true bill at this moment, attempts that still run included.
    #[must_use]
    pub fn bill(&self) -> Bill {
        self.shared.book.bill()
    }

    /// The counters at this moment.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.shared.book.calls()
    }

    /// The last requests, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().iter().cloned().collect()
    }

    /// Replaces the script.
    pub fn set_script(&self, script: impl Into<Script>) {
        *self.shared.script.lock() = script.into();
    }

    /// Forgets the bill, the counters and what was seen. Attempts that still run stay unbilled.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Waits until no attempt runs, at most for `limit`, and gives the bill.
    ///
    /// # Errors
    /// When attempts still run after `limit`.
    pub async fn settled_bill(&self, limit: Duration) -> io::Result<Bill> {
        let until = Instant::now() + limit;
        loop {
            let bill = self.bill();
            let running = bill.attempts.iter().filter(|line| line.outcome == Outcome::Running).count();
            if running == 0 {
                return Ok(bill);
            }
            if Instant::now() >= until {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{running} attempts still run")));
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// The settings that can be changed while the provider runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) tokens: Tokens,
    pub(crate) cut_billing: CutBilling,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: FakeConfig,
    pub(crate) book: Arc<Book>,
    script: Mutex<Script>,
    rules: Mutex<Rules>,
    seen: Mutex<VecDeque<Seen>>,
}

impl Shared {
    pub(crate) fn rules(&self) -> Rules {
        *self.rules.lock()
    }

    pub(crate) fn change(&self, script: Option<Script>, change: impl FnOnce(&mut Rules)) {
        if let Some(script) = script {
            *self.script.lock() = script;
        }
        change(&mut self.rules.lock());
    }

    pub(crate) fn draw(&self) -> crate::Behaviour {
        self.script.lock().draw()
    }

    pub(crate) fn prices(&self, model: &str) -> Prices {
        self.config.model_prices.get(model).copied().unwrap_or(self.config.prices)
    }

    pub(crate) fn note(&self, seen: Seen) {
        let mut kept = self.seen.lock();
        kept.push_back(seen);
        while kept.len() > self.config.keep_seen {
            kept.pop_front();
        }
    }

    pub(crate) fn reset(&self) {
        self.book.reset();
        self.seen.lock().clear();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<()>) {
    loop {
        tokio::select! {
            // An error means that the provider was dropped.
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, Arc::clone(&shared), stopped.clone()));
                }
                // Out of descriptors, for one: wait until some are given back.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, mut stopped: watch::Receiver<()>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (socket, reset) = Socket::new(stream);
    let service = service_fn(move |request| {
        let (shared, reset) = (Arc::clone(&shared), reset.clone());
        async move { control::route(&shared, request, &reset).await }
    });
    let serving = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        _ = stopped.changed() => {}
        // Broken connections are what many behaviours are about.
        _ = serving => {}
    }
}
