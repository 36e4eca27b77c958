//! One client of the storm: asks, reads, vanishes, comes back after the last event that it has, up
//! to five times; and perhaps a second screen that looks at the same stream.

use super::chance::Chance;
use super::reader::{Ended, Manner, Numbered, Reader};
use super::surface::Surface;
use haltline_testkit::http_client::{Call, Stream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Drops of one client.
const DROPS_MAX: u64 = 5;
/// Tries to get through to a gateway that is down, busy, or takes streams up.
const TRIES_MAX: u32 = 2_000;

/// What all clients of a storm share.
pub(super) struct Place {
    pub(super) origin: String,
    pub(super) secret: String,
    pub(super) seed: u64,
    /// Waits are multiplied by it.
    pub(super) slower: u64,
    /// The longest that a connection may be silent.
    pub(super) silence: Duration,
    /// Nobody waits for a gateway after this.
    pub(super) until: Instant,
}

/// What became of a client.
pub(super) enum Outcome {
    Told(Box<Told>),
    /// It was refused, in words of this status and code.
    Refused(String),
}

/// What a client was told.
pub(super) struct Told {
    pub(super) surface: Surface,
    pub(super) user: String,
    pub(super) id: String,
    pub(super) reader: Reader,
    /// What a second screen saw.
    pub(super) watched: Option<Reader>,
    pub(super) connections: u64,
    /// Of these, asked for again after a drop or a break.
    pub(super) resumes: u64,
    /// Requests repeated because there was no head.
    pub(super) repeats: u64,
}

/// The whole life of client `number`.
pub(super) async fn live(place: Arc<Place>, number: u64) -> Result<Outcome, String> {
    let mut client = Client::new(place, number);
    let told = client.run().await;
    told.map_err(|error| format!("client {number} ({:?}, stream {}): {error}", client.surface, client.id))
}

struct Client {
    place: Arc<Place>,
    chance: Chance,
    number: u64,
    surface: Surface,
    id: String,
    user: String,
    chat: String,
    pause: Duration,
    connections: u64,
}

impl Client {
    fn new(place: Arc<Place>, number: u64) -> Self {
        let mut chance = Chance::new(place.seed, number);
        let surface = chance.one_of(&Surface::ALL);
        let pause = if chance.one_in(5) { chance.millis(5, 40) } else { Duration::ZERO };
        Self {
            chat: format!("chat-{}-{number}", place.seed),
            user: format!("user-{}", number % 40),
            place,
            chance,
            number,
            surface,
            id: String::new(),
            pause,
            connections: 0,
        }
    }

    async fn run(&mut self) -> Result<Outcome, String> {
        let slower = self.place.slower;
        tokio::time::sleep(self.chance.millis(0, 300 + 60 * slower)).await;
        let mut repeats = 0;
        let stream = match self.ask(&mut repeats).await? {
            Ok(stream) => stream,
            Err(refused) => return Ok(Outcome::Refused(refused)),
        };
        let id = stream.headers.get("x-haltline-stream-id").and_then(|id| id.to_str().ok());
        self.id = id.ok_or("no x-haltline-stream-id")?.to_owned();
        let screen = self.chance.one_in(2).then(|| tokio::spawn(watch(self.second())));
        let mut reader = Reader::default();
        let mut resumes = 0;
        let mut drops = self.chance.between(0, DROPS_MAX);
        let mut stream = Some((stream, if self.surface.is_numbered_at_first() { Numbered::Yes } else { Numbered::No }));
        loop {
            let (open, numbered) = match stream.take() {
                Some(open) => open,
                None => {
                    resumes += 1;
                    let call = self.surface.come_back(&self.place.origin, &self.chat, &self.id);
                    (self.again(call, reader.last()).await?, Numbered::Yes)
                }
            };
            self.connections += 1;
            let leave_after = (drops > 0).then(|| self.chance.between(1, 40));
            let manner = Manner { leave_after, pause: self.pause };
            match reader.read(open, numbered, manner, &mut self.chance).await? {
                Ended::Clean => break,
                Ended::Dropped => {
                    drops -= 1;
                    tokio::time::sleep(self.chance.millis(0, 120 * slower)).await;
                }
                Ended::Broken => tokio::time::sleep(self.chance.millis(1, 50)).await,
            }
        }
        let watched = match screen {
            Some(screen) => Some(screen.await.map_err(|error| error.to_string())??),
            None => None,
        };
        let (surface, connections) = (self.surface, self.connections);
        let (id, user) = (self.id.clone(), self.user.clone());
        Ok(Outcome::Told(Box::new(Told { surface, user, id, reader, watched, connections, resumes, repeats })))
    }

    /// A stream's head, or the words of a refusal.
    async fn ask(&mut self, repeats: &mut u64) -> Result<Result<Stream, String>, String> {
        let text = format!("seed {}, question {}: tell me something.", self.place.seed, self.number);
        // With a key a repetition is the same request; without one it is a new one.
        let once = self.chance.one_in(2).then(|| format!("once-{}-{}", self.place.seed, self.number));
        let mut tries = 0;
        loop {
            let mut call = self.surface.ask(&self.place.origin, &self.chat, &text);
            if let Some(once) = &once {
                call = call.header("idempotency-key", once);
            }
            match self.dress(call).open().await {
                Ok(open) if open.status == 200 => return Ok(Ok(open)),
                Ok(open) => {
                    let status = open.status;
                    let body = open.read().await.text();
                    let value: serde_json::Value =
                        serde_json::from_str(&body).map_err(|_| format!("{status} without words: {body}"))?;
                    let code =
                        [&value["error"]["haltline"]["doc"], &value["haltline"]["doc"], &value["error"]["status"]]
                            .into_iter()
                            .find_map(|code| code.as_str())
                            .ok_or_else(|| format!("a refusal of no known shape: {body}"))?;
                    return Ok(Err(format!("{} {code}", status.as_u16())));
                }
                Err(_) => {
                    *repeats += 1;
                    self.wait(&mut tries).await?;
                }
            }
        }
    }

    /// The stream from after an event.
    async fn again(&mut self, call: Call, after: u64) -> Result<Stream, String> {
        let mut tries = 0;
        let by_header = self.chance.one_in(2);
        loop {
            let call = if by_header {
                call.clone().header("last-event-id", &after.to_string())
            } else {
                call.clone().query("starting_after", &after.to_string())
            };
            match self.dress(call).open().await {
                Ok(open) if open.status == 200 => return Ok(open),
                Ok(open) if open.status == 503 => {
                    let body = open.read().await.text();
                    if !body.contains("overloaded") {
                        return Err(format!("503 instead of the stream after {after}: {body}"));
                    }
                }
                Ok(open) => {
                    let status = open.status;
                    return Err(format!("{status} instead of the stream after {after}: {}", open.read().await.text()));
                }
                Err(_) => {}
            }
            self.wait(&mut tries).await?;
        }
    }

    fn dress(&self, call: Call) -> Call {
        let call = call.bearer(&self.place.secret).header("x-haltline-user", &self.user).limit(self.place.silence);
        if self.pause.is_zero() { call } else { call.receive_buffer(2048) }
    }

    async fn wait(&mut self, tries: &mut u32) -> Result<(), String> {
        *tries += 1;
        if *tries > TRIES_MAX || Instant::now() > self.place.until {
            return Err(format!("no way to the gateway after {tries} tries"));
        }
        tokio::time::sleep(self.chance.millis(20, 150)).await;
        Ok(())
    }

    /// The same user at another screen.
    fn second(&mut self) -> Self {
        let mut chance = Chance::new(self.chance.u64(), self.number);
        let pause = if chance.one_in(4) { chance.millis(5, 40) } else { Duration::ZERO };
        Self {
            place: Arc::clone(&self.place),
            chance,
            number: self.number,
            surface: self.surface,
            id: self.id.clone(),
            user: self.user.clone(),
            chat: self.chat.clone(),
            pause,
            connections: 0,
        }
    }
}

/// Comes at some moment and looks at the stream, from its beginning or from about where it is.
async fn watch(mut screen: Client) -> Result<Reader, String> {
    let run = async {
        tokio::time::sleep(screen.chance.millis(0, 600 * screen.place.slower)).await;
        let mut reader = Reader::default();
        loop {
            let call = Call::get(format!("{}/v1/streams/{}", screen.place.origin, screen.id));
            let open = screen.again(call, reader.last()).await?;
            let leave_after = screen.chance.one_in(2).then(|| screen.chance.between(1, 60));
            let manner = Manner { leave_after, pause: screen.pause };
            match reader.read(open, Numbered::Yes, manner, &mut screen.chance).await? {
                Ended::Clean => return Ok(reader),
                Ended::Dropped | Ended::Broken => tokio::time::sleep(screen.chance.millis(1, 80)).await,
            }
        }
    };
    let seen: Result<Reader, String> = run.await;
    seen.map_err(|error| format!("at a second screen: {error}"))
}
