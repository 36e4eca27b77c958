//! Sessions over documents in memory: what is kept of requests in several dialects, in which order,
//! and what a session supplies.

use super::head::Head;
use super::kept::{Facts, Kept};
use super::write::{Answered, Arrived, Said};
use super::*;
use haltline_ports::{DocumentQuery, KeyRecord, Keys, KeysError, MemoryDocuments, Owner, Shelf};
use haltline_types::{Name, RequestId, Timestamp};
use haltline_wire::PassFields;
use haltline_wire::canon::{Part, Role};
use haltline_wire::client::{Address, ClientDialect, ClientRequest};
use serde_json::{Value, json};

struct Plain;

impl Keys for Plain {
    fn hash(&self, secret: &str) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        Sha256::digest(secret).into()
    }
    fn find(&self, _: &[u8; 32]) -> Option<Arc<KeyRecord>> {
        None
    }
    fn list(&self) -> Vec<Arc<KeyRecord>> {
        Vec::new()
    }
    fn add(&self, _: KeyRecord) -> Result<(), KeysError> {
        Ok(())
    }
    fn replace(&self, _: KeyRecord) -> Result<(), KeysError> {
        Ok(())
    }
    fn remove(&self, _: &Name, _: Timestamp) -> Result<(), KeysError> {
        Ok(())
    }
}

const DAY: Duration = Duration::from_secs(86_400);
const RULES: Rules = Rules { keep_for: Duration::from_secs(30 * 86_400), content: true };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_795_514_400 + seconds)
}

fn owner(user: Option<&str>) -> Owner {
    Owner { key: "app".into(), user: user.map(Into::into) }
}

fn name(id: &str) -> SessionName {
    SessionName::new(&Plain, owner(Some("alice")), id)
}

struct Room {
    documents: Arc<MemoryDocuments>,
    sessions: Sessions,
}

impl Room {
    fn new(process: u64) -> Self {
        Self::over(Arc::default(), process)
    }

    fn over(documents: Arc<MemoryDocuments>, process: u64) -> Self {
        let door = Arc::clone(&documents) as Arc<dyn Documents>;
        Self::behind(door, documents, process)
    }

    /// Sessions that see the documents through `door`.
    fn behind(door: Arc<dyn Documents>, documents: Arc<MemoryDocuments>, process: u64) -> Self {
        let sessions =
            Sessions::new(door, Arc::new(haltline_ports::MemoryStreams::default()), process, TaskTracker::new());
        Self { documents, sessions }
    }

    fn arrive(&self, id: &str, request: u128, seconds: i64, body: &Value, sent: Sent) {
        let asked = ClientRequest::parse(
            ClientDialect::Chat,
            &Address::default(),
            body.to_string().into(),
            &PassFields::none(),
        );
        let arrived = Arrived {
            name: name(id),
            request: RequestId::from_u128(request),
            at: at(seconds),
            rules: RULES,
            model: "chat".into(),
            surface: "chat.completions",
            asked: Arc::new(asked.expect("a request")),
            sent,
        };
        self.sessions.push(&name(id), Turn::Arrived(Box::new(arrived)));
    }

    fn answer(&self, id: &str, request: u128, seconds: i64, text: &str, outcome: &str) {
        let body = json!({
            "id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        });
        let facts = Facts { outcome: outcome.to_owned(), cost: 5, attempts: 1, ..Facts::default() };
        let said =
            if text.is_empty() { Said::Nothing } else { Said::Whole(ClientDialect::Chat, body.to_string().into()) };
        let answered = Answered {
            name: name(id),
            request: RequestId::from_u128(request),
            at: at(seconds),
            rules: RULES,
            said,
            facts,
        };
        self.sessions.push(&name(id), Turn::Answered(Box::new(answered)));
    }

    async fn head(&self, id: &str, seconds: i64) -> Option<Head> {
        self.sessions.flush(&name(id)).await.expect("written");
        self.sessions.inner.head(name(id).key(), at(seconds)).await.expect("readable")
    }

    /// The thread, as `u: text`.
    async fn thread(&self, id: &str, seconds: i64) -> Vec<String> {
        self.sessions.flush(&name(id)).await.expect("written");
        let outline = self.sessions.inner.outline(&name(id), at(seconds)).await.expect("readable");
        let read = self.sessions.inner.read(&name(id), &outline.live, at(seconds)).await.expect("readable");
        assert_eq!(read.len(), outline.live.len());
        read.iter().map(|(_, kept)| shown(kept)).collect()
    }

    async fn all(&self, shelf: Shelf, seconds: i64) -> usize {
        self.documents.list(DocumentQuery::of(shelf, 100_000), at(seconds)).await.expect("list").len()
    }
}

fn shown(kept: &Kept) -> String {
    let message = kept.message().expect("content");
    let who = if message.role == Role::Assistant { "a" } else { "u" };
    let text: String = message
        .parts
        .iter()
        .filter_map(|part| if let Part::Text(text) = part { Some(&*text.text) } else { None })
        .collect();
    format!("{who}: {text}")
}

fn chat(turns: &[&str]) -> Value {
    let roles = ["user", "assistant"].into_iter().cycle();
    let messages: Vec<Value> =
        turns.iter().zip(roles).map(|(text, role)| json!({"role": role, "content": text})).collect();
    json!({"model": "chat", "messages": messages})
}

#[tokio::test]
async fn a_conversation_that_is_sent_whole_is_written_once() {
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    room.answer("s", 1, 1, "two", "answered");
    room.arrive("s", 2, 2, &chat(&["one", "two", "three"]), Sent::Whole);
    room.answer("s", 2, 3, "four", "answered");
    assert_eq!(room.thread("s", 3).await, ["u: one", "a: two", "u: three", "a: four"]);
    assert_eq!(room.all(Shelf::Message, 3).await, 4);
    let head = room.head("s", 3).await.expect("there");
    assert_eq!((head.messages, head.requests, head.cost, head.title.as_deref()), (4, 2, 10, Some("one")));
    assert!(head.open.is_empty());
    assert_eq!(room.all(Shelf::Session, 3).await, 3, "head, outline, and one place in the list");
}

#[tokio::test]
async fn an_edit_replaces_the_thread_from_there_on() {
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    room.answer("s", 1, 1, "two", "answered");
    room.arrive("s", 2, 2, &chat(&["one", "two", "three"]), Sent::Whole);
    room.answer("s", 2, 3, "four", "answered");
    room.arrive("s", 3, 4, &chat(&["one", "two", "other"]), Sent::Whole);
    room.answer("s", 3, 5, "five", "answered");
    assert_eq!(room.thread("s", 5).await, ["u: one", "a: two", "u: other", "a: five"]);
    assert_eq!(room.head("s", 5).await.expect("there").replaced, 2);
    room.arrive("s", 4, 6, &chat(&["one", "two", "three"]), Sent::Whole);
    room.answer("s", 4, 7, "again", "answered");
    assert_eq!(room.thread("s", 7).await, ["u: one", "a: two", "u: three", "a: again"]);
    assert_eq!(room.all(Shelf::Message, 7).await, 7, "what is known is not written again");
}

#[tokio::test]
async fn an_answer_to_a_thread_that_went_another_way_is_no_part_of_it() {
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    room.arrive("s", 2, 1, &chat(&["eins"]), Sent::Whole);
    room.answer("s", 1, 2, "two", "answered");
    room.answer("s", 2, 3, "zwei", "answered");
    assert_eq!(room.thread("s", 3).await, ["u: eins", "a: zwei"]);
    room.arrive("s", 3, 4, &chat(&["one", "two", "three"]), Sent::Whole);
    assert_eq!(room.thread("s", 4).await, ["u: one", "a: two", "u: three"]);
    assert_eq!(room.all(Shelf::Message, 4).await, 5);
}

#[tokio::test]
async fn a_repetition_after_a_broken_answer_takes_its_place() {
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::New);
    room.answer("s", 1, 1, "tw", "failed");
    room.arrive("s", 2, 2, &chat(&["one"]), Sent::New);
    room.answer("s", 2, 3, "two", "answered");
    room.arrive("s", 3, 4, &chat(&["three"]), Sent::New);
    room.answer("s", 3, 5, "", "failed");
    assert_eq!(room.thread("s", 5).await, ["u: one", "a: two", "u: three"]);
    room.arrive("s", 4, 6, &chat(&["three"]), Sent::New);
    assert_eq!(room.thread("s", 6).await, ["u: one", "a: two", "u: three"]);
}

#[tokio::test]
async fn what_is_deleted_does_not_come_back_with_its_answer() {
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    room.sessions.flush(&name("s")).await.expect("written");
    room.documents.forget_user(&"alice".into()).await.expect("forget");
    room.answer("s", 1, 1, "two", "answered");
    assert_eq!(room.head("s", 1).await, None);
    assert_eq!(room.all(Shelf::Message, 1).await, 0);
}

#[tokio::test]
async fn requests_of_a_process_that_died_are_lost() {
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    room.sessions.flush(&name("s")).await.expect("written");
    let next = Room::over(Arc::clone(&room.documents), 2);
    let head = next.head("s", 1).await.expect("there");
    assert_eq!((head.shown(2)["requests_lost"].clone(), head.shown(1)["requests_lost"].clone()), (json!(1), json!(0)));
    next.answer("s", 1, 2, "two", "lost");
    assert_eq!(next.thread("s", 2).await, ["u: one", "a: two"], "a restart may still say what was said");
}

#[tokio::test]
async fn a_session_that_is_used_stays_whole() {
    let room = Room::new(1);
    let mut turns = vec!["one"];
    let day = i64::try_from(DAY.as_secs()).expect("small");
    for round in 0..20_i64 {
        let seconds = round * 20 * day;
        room.arrive("s", 1 + u128::try_from(round).expect("small"), seconds, &chat(&turns), Sent::Whole);
        room.answer("s", 1 + u128::try_from(round).expect("small"), seconds, "a", "answered");
        turns.extend(["a", "u"]);
        room.sessions.flush(&name("s")).await.expect("written");
        room.documents.sweep(at(seconds)).expect("sweep");
    }
    assert_eq!(room.thread("s", 380 * day).await.len(), 40);
    assert!(room.head("s", 409 * day).await.is_some());
    assert_eq!(room.head("s", 411 * day).await, None);
    room.documents.sweep(at(414 * day)).expect("sweep");
    assert_eq!(room.all(Shelf::Message, 0).await + room.all(Shelf::Session, 0).await, 0);
}

#[tokio::test]
async fn names_cannot_be_forged() {
    let keys = [
        SessionName::new(&Plain, Owner { key: "a".into(), user: Some("b".into()) }, "c"),
        SessionName::new(&Plain, Owner { key: "a".into(), user: None }, "c"),
        SessionName::new(&Plain, Owner { key: "a".into(), user: Some("-".into()) }, "c"),
        SessionName::new(&Plain, Owner { key: "a/1:b".into(), user: None }, "c"),
        SessionName::new(&Plain, Owner { key: "a".into(), user: Some("b/1:c".into()) }, ""),
        SessionName::new(&Plain, Owner { key: "a".into(), user: Some("b".into()) }, "c/outline"),
        SessionName::new(&Plain, Owner { key: "a".into(), user: Some("b".into()) }, "../../\0%"),
    ];
    let mut seen: Vec<&str> = keys.iter().map(|name| name.key()).collect();
    assert!(seen.iter().all(|key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), keys.len());
}

/// How a door behaves.
const FINE: u8 = 0;
const PANICS: u8 = 1;
const HANGS: u8 = 2;

/// Documents behind a door that can jam.
struct Jammed {
    documents: Arc<MemoryDocuments>,
    how: std::sync::atomic::AtomicU8,
}

impl Jammed {
    fn room(how: u8) -> (Arc<Self>, Room) {
        let documents = Arc::new(MemoryDocuments::default());
        let door = Arc::new(Self { documents: Arc::clone(&documents), how: how.into() });
        (Arc::clone(&door), Room::behind(door, documents, 1))
    }

    fn set(&self, how: u8) {
        self.how.store(how, std::sync::atomic::Ordering::SeqCst);
    }
}

type Done<'a, T> = haltline_ports::BoxFuture<'a, Result<T, DocumentsError>>;

impl Documents for Jammed {
    fn put(&self, documents: Vec<haltline_ports::Document>) -> Done<'_, ()> {
        match self.how.load(std::sync::atomic::Ordering::SeqCst) {
            PANICS => panic!("a defect"),
            HANGS => Box::pin(std::future::pending()),
            _ => self.documents.put(documents),
        }
    }
    fn put_if(&self, document: haltline_ports::Document, expected: Option<Timestamp>) -> Done<'_, bool> {
        self.documents.put_if(document, expected)
    }
    fn get(&self, shelf: Shelf, id: &str, now: Timestamp) -> Done<'_, Option<haltline_ports::Document>> {
        self.documents.get(shelf, id, now)
    }
    fn list(&self, query: DocumentQuery, now: Timestamp) -> Done<'_, Vec<haltline_ports::Document>> {
        self.documents.list(query, now)
    }
    fn remove(&self, shelf: Shelf, ids: Vec<String>) -> Done<'_, u64> {
        self.documents.remove(shelf, ids)
    }
    fn remove_prefix(&self, shelf: Shelf, prefix: &str) -> Done<'_, u64> {
        self.documents.remove_prefix(shelf, prefix)
    }
    fn forget_user(&self, user: &Name) -> Done<'_, u64> {
        self.documents.forget_user(user)
    }
    fn sweep(&self, now: Timestamp) -> Result<(), DocumentsError> {
        self.documents.sweep(now)
    }
}

#[tokio::test]
async fn a_turn_that_panics_takes_no_other_with_it() {
    let (door, room) = Jammed::room(PANICS);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    room.sessions.flush(&name("s")).await.expect("those behind it are written");
    door.set(FINE);
    room.arrive("s", 2, 1, &chat(&["one"]), Sent::Whole);
    room.answer("s", 2, 1, "two", "answered");
    assert_eq!(room.thread("s", 1).await, ["u: one", "a: two"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_would_miss_turns_is_told() {
    let (_door, room) = Jammed::room(HANGS);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    let told = room.sessions.flush(&name("s")).await.expect_err("it is not written");
    assert_eq!((told.code, told.retry_after.is_some()), (Code::Overloaded, true));
    assert!(room.sessions.flush_all().await.is_err());
    assert!(room.sessions.hold_still().await.is_err());
    assert!(room.sessions.forget(&name("s"), at(1)).await.is_err());
}

#[tokio::test]
async fn a_session_that_is_forgotten_under_its_writer_does_not_come_back() {
    use crate::incoming::Surface;
    use crate::streams::{Ending, Live};
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    room.sessions.flush(&name("s")).await.expect("written");
    // Its head is in a writer's hands, who waits for the rest of the answer.
    let (id, cut) = (RequestId::from_u128(1), tokio_util::sync::CancellationToken::new());
    let live = Arc::new(Live::new(id, Surface::ChatCompletions, cut));
    let said = Said::Stream(ClientDialect::Chat, Arc::clone(&live));
    let facts = Facts { outcome: "stopped".to_owned(), ..Facts::default() };
    let answered = Answered { name: name("s"), request: id, at: at(1), rules: RULES, said, facts };
    room.sessions.push(&name("s"), Turn::Answered(Box::new(answered)));
    tokio::task::yield_now().await;
    let whole = name("s");
    let forgetting = room.sessions.forget(&whole, at(1));
    let ending = async {
        tokio::task::yield_now().await;
        live.end(Ending::Complete);
    };
    let (forgotten, ()) = tokio::join!(forgetting, ending);
    assert_eq!(forgotten.expect("forgotten"), Some(vec![id]));
    room.sessions.flush(&name("s")).await.expect("written");
    assert_eq!(room.all(Shelf::Session, 1).await + room.all(Shelf::Message, 1).await, 0);
    assert_eq!(room.sessions.forget(&name("s"), at(1)).await.expect("nothing"), None);
}

#[tokio::test]
async fn nothing_is_written_while_all_lanes_are_held_still() {
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    let still = room.sessions.hold_still().await.expect("still");
    assert_eq!(room.all(Shelf::Message, 1).await, 1, "what came before is written");
    room.arrive("s", 2, 1, &chat(&["two"]), Sent::New);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(room.all(Shelf::Message, 1).await, 1);
    drop(still);
    assert_eq!(room.thread("s", 1).await, ["u: one", "u: two"]);
}

#[tokio::test]
async fn a_request_that_a_restart_goes_on_with_counts_once() {
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::New);
    room.sessions.flush(&name("s")).await.expect("written");
    let next = Room::over(Arc::clone(&room.documents), 2);
    next.arrive("s", 1, 5, &chat(&["one"]), Sent::New);
    let head = next.head("s", 5).await.expect("there");
    assert_eq!((head.requests, head.lost, head.open.len(), head.messages), (1, 0, 1, 1));
    assert_eq!(head.shown(2)["requests_lost"], 0);
    next.answer("s", 1, 6, "two", "answered");
    assert_eq!(next.thread("s", 6).await, ["u: one", "a: two"]);
}

#[tokio::test]
async fn a_request_that_died_without_a_word_is_lost() {
    let room = Room::new(1);
    room.arrive("s", 1, 0, &chat(&["one"]), Sent::Whole);
    room.sessions.flush(&name("s")).await.expect("written");
    let next = Room::over(Arc::clone(&room.documents), 2);
    next.answer("s", 1, 2, "", "lost");
    let head = next.head("s", 2).await.expect("there");
    assert_eq!((head.requests, head.lost, head.open.len(), head.cost), (1, 1, 0, 5));
}
