//! Responses that clients asked us to keep: read again, listed, stopped, forgotten, gone on from,
//! and made in the background. They are documents; a shelf in memory stands before them. What the
//! line does with them is one step before `accept`, one in it, and one at its end.

mod background;
mod room;

pub(crate) use room::Rooms;

use crate::deliver::{Delivery, Notes};
use crate::forget::still_running;
use crate::gateway::Gateway;
use crate::incoming::{Incoming, Surface};
use crate::jobs::{State, unavailable};
use crate::line::Keeping;
use crate::metrics::RequestLabels;
use crate::problem::Problem;
use crate::shelf::Shelved;
use bytes::Bytes;
use haltline_ports::{Document, Owner, Shelf as DocumentShelf};
use haltline_types::{Code, RequestId, Timestamp, format_duration};
use haltline_wire::openai::responses::{ResponsesRequest, StoredResponse, input_items, list_page};
use haltline_wire::{PassFields, RequestError};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// The largest list of input items that is given at once.
const ITEMS_MAX: usize = 100;
/// The longest id of a response, in bytes.
const ID_MAX: usize = 256;
/// The label of a response that is not ready.
const OPEN: &str = "state=open";

/// Is there an answer?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Ready,
    /// It is made in the background.
    Open,
}

#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    response: &'a RawValue,
    #[serde(borrow)]
    input: &'a RawValue,
}

impl Gateway {
    /// A response that was kept, as JSON.
    ///
    /// # Errors
    /// When this owner has no such response, or it cannot be read.
    pub async fn kept_response(&self, owner: &Owner, id: &str) -> Result<Bytes, Problem> {
        let (shelved, standing) = self.kept(owner, id).await?;
        match standing {
            Standing::Ready => Ok(shelved.response),
            Standing::Open => {
                let sheet = self.sheet(id).await.map_err(unavailable)?;
                let is_queued = sheet.is_some_and(|sheet| sheet.state == State::Queued);
                Ok(with_status(&shelved.response, if is_queued { "queued" } else { "in_progress" }, None))
            }
        }
    }

    /// A page of the items that were a kept response's input, as JSON.
    ///
    /// # Errors
    /// As `kept_response`.
    pub async fn kept_input(
        &self,
        owner: &Owner,
        id: &str,
        after: Option<&str>,
        limit: usize,
        newest_first: bool,
    ) -> Result<Value, Problem> {
        let (shelved, _) = self.kept(owner, id).await?;
        let input: Value = serde_json::from_slice(&shelved.input).unwrap_or_default();
        let mut items = input_items(&input, id.trim_start_matches("resp_"));
        if newest_first {
            items.reverse();
        }
        Ok(list_page(&items, after, limit.clamp(1, ITEMS_MAX)))
    }

    /// Stops a response that is made in the background; one that is ready stays as it is.
    ///
    /// # Errors
    /// As `kept_response`.
    pub async fn stop_response(&self, owner: &Owner, id: &str) -> Result<Bytes, Problem> {
        let _turn = self.jobs.turn(id).await;
        let (shelved, standing) = self.kept(owner, id).await?;
        if standing == Standing::Ready {
            return Ok(shelved.response);
        }
        let response = with_status(&shelved.response, "cancelled", None);
        let stopped = Shelved { response: response.clone(), ..shelved };
        self.stop_background(owner, id, Some(&stopped)).await?;
        Ok(response)
    }

    /// Forgets a kept response, and its stream.
    ///
    /// # Errors
    /// As `kept_response`.
    pub async fn forget_response(&self, owner: &Owner, id: &str) -> Result<(), Problem> {
        let (_, standing) = self.kept(owner, id).await?;
        let stream = self.response_stream(id);
        // What still runs would be kept at its end.
        let (_, is_over) = self.stop_and_wait(&[], |id, asked| asked.owner == *owner && stream == Some(id)).await;
        let _turn = self.jobs.turn(id).await;
        if standing == Standing::Open {
            self.stop_background(owner, id, None).await?;
        }
        let place = place(owner, id).unwrap_or_default();
        self.documents.remove(DocumentShelf::Response, vec![place]).await.map_err(unavailable)?;
        self.shelf.lock().remove(id, owner);
        self.forget_streams(owner, stream.into_iter().collect()).await?;
        if is_over { Ok(()) } else { Err(still_running()) }
    }

    async fn kept(&self, owner: &Owner, id: &str) -> Result<(Shelved, Standing), Problem> {
        let now = self.clock.now();
        if let Some(shelved) = self.shelf.lock().get(now, id, owner) {
            return Ok((shelved.clone(), Standing::Ready));
        }
        let missing = || self.not_kept(id);
        let place = place(owner, id).ok_or_else(missing)?;
        let found = self.documents.get(DocumentShelf::Response, &place, now).await.map_err(unavailable)?;
        let found = found.filter(|found| found.owner.as_ref() == Some(owner)).ok_or_else(missing)?;
        let standing = if found.labels.iter().any(|label| label == OPEN) { Standing::Open } else { Standing::Ready };
        let shelved = read(owner, &found).ok_or_else(missing)?;
        if standing == Standing::Ready {
            self.shelf.lock().put(now, id.to_owned(), shelved.clone());
        }
        Ok((shelved, standing))
    }

    /// Fetches the response that a request goes on from, so that `accept` finds it on the shelf.
    pub(crate) async fn fetch_turns_before(
        &self,
        owner: &Owner,
        surface: Surface,
        body: &Bytes,
    ) -> Result<(), Problem> {
        #[derive(Deserialize)]
        struct Peek<'a> {
            #[serde(borrow)]
            previous_response_id: Option<std::borrow::Cow<'a, str>>,
        }
        // Most requests name none, and need not be parsed twice.
        if surface != Surface::Responses || !names(body, "previous_response_id") {
            return Ok(());
        }
        let Ok(Peek { previous_response_id: Some(id) }) = serde_json::from_slice::<Peek<'_>>(body) else {
            return Ok(());
        };
        match self.kept(owner, &id).await {
            // That it is not there is told where it is looked for.
            Ok(_) => Ok(()),
            Err(problem) if problem.code == Code::NotFound => Ok(()),
            Err(problem) => Err(problem),
        }
    }

    /// The request with the turns before it in its body, where it names a response that was kept.
    pub(crate) fn with_turns_before(
        &self,
        request: ResponsesRequest,
        owner: &Owner,
        pass: &PassFields,
    ) -> Result<ResponsesRequest, RequestError> {
        if request.conversation().is_some() {
            let message = "Conversations are not kept here; send the turns in `input`, or name the response before in `previous_response_id`.";
            return Err(refused("conversation", message.to_owned()));
        }
        let Some(before) = request.previous_response_id() else { return Ok(request) };
        let known = self.shelf.lock().get(self.clock.now(), before, owner).cloned();
        let Some(known) = known else {
            let message = format!(
                "This key has no finished response `{before}` here: responses are kept for {}, unless `store` is false. Send its turns in `input`.",
                self.responses_kept_for()
            );
            return Err(refused("previous_response_id", message));
        };
        // A few bytes must not become a body that nobody could send.
        let most = self.body_bytes_max();
        let parts = [known.input.len(), known.response.len(), request.fingerprint_material().len()];
        if parts.into_iter().fold(0, usize::saturating_add) > most {
            let message = format!(
                "The conversation up to `{before}` has grown beyond {most} bytes, the most that one request may have. Send the turns that matter in `input`."
            );
            let refused = refused("previous_response_id", message);
            return Err(RequestError { code: Code::BodyTooLarge, ..refused });
        }
        let input: Vec<Value> = serde_json::from_slice(&known.input).unwrap_or_default();
        let mut items: Vec<Bytes> = input.iter().map(|item| Bytes::from(item.to_string())).collect();
        items.extend(StoredResponse::read(&known.response).map(|response| response.history()).unwrap_or_default());
        request.with_history(&items, pass)
    }

    /// Keeps a response that is ready. When the future is done, it survives a restart.
    pub(crate) async fn keep(&self, keeping: Keeping, response: &StoredResponse, json: Bytes) {
        let id = response.id().to_owned();
        let shelved = Shelved { owner: keeping.owner, response: json, input: keeping.input };
        let Some(document) = self.response_document(&id, &shelved, Standing::Ready) else { return };
        self.make_room(&document).await;
        match self.documents.put(vec![document]).await {
            Ok(()) => self.shelf.lock().put(self.clock.now(), id, shelved),
            // The answer itself is not lost: the client has it.
            Err(error) => tracing::error!(%error, response = id, "a response could not be kept"),
        }
    }

    /// Keeps the answer of a job as a response, where its surface would have kept it.
    pub(crate) async fn keep_response_of_job(&self, sheet: &crate::jobs::Sheet, body: &Bytes, answer: &Bytes) {
        if sheet.order.endpoint != "/v1/responses" {
            return;
        }
        let Ok(request) = ResponsesRequest::parse(body.clone(), &PassFields::new(["*"])) else { return };
        let Some(response) = StoredResponse::read(answer).filter(|_| request.store() != Some(false)) else { return };
        let keeping = Keeping { owner: sheet.order.owner(), input: input_of(&request) };
        self.keep(keeping, &response, answer.clone()).await;
    }

    /// Puts a response into the queue, whose client does not wait for it.
    pub(crate) async fn in_background(self: &Arc<Self>, id: RequestId, incoming: Incoming) -> Delivery {
        let trace_id = incoming.trace_id.clone().unwrap_or_else(|| format!("{:032x}", self.entropy.u128()));
        let (surface, notes) = (incoming.surface.word(), Box::new(Notes::new(id, trace_id)));
        let gateway = Arc::clone(self);
        // A client that leaves now must not leave half a response behind.
        let begun = self.journeys.spawn(async move { gateway.begin_background(id, incoming).await }).await;
        let begun = begun.unwrap_or_else(|_| Err(Problem::new(Code::Internal, "The response could not be begun.")));
        match begun {
            Ok(body) => Delivery::Whole { notes, body },
            Err(problem) => {
                let labels = RequestLabels { surface, outcome: "refused", code: problem.code.word() };
                self.metrics.requests.get_or_create(&labels).inc();
                Delivery::Problem { notes, problem: Box::new(problem) }
            }
        }
    }

    fn response_document(&self, id: &str, shelved: &Shelved, standing: Standing) -> Option<Document> {
        let (now, keep_for) = (self.clock.now(), self.live.load().settings.responses.keep_for);
        let text = |bytes: &Bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
        let body = format!("{{\"response\":{},\"input\":{}}}", text(&shelved.response)?, text(&shelved.input)?);
        let (labels, expires): (Vec<String>, Option<Timestamp>) = match standing {
            Standing::Ready => (Vec::new(), Some(now.saturating_add(keep_for))),
            Standing::Open => (vec![OPEN.to_owned()], None),
        };
        Some(Document {
            shelf: DocumentShelf::Response,
            id: place(&shelved.owner, id)?,
            owner: Some(shelved.owner.clone()),
            labels,
            changed: now,
            expires,
            body: Bytes::from(body),
        })
    }

    fn responses_kept_for(&self) -> String {
        format_duration(self.live.load().settings.responses.keep_for)
    }

    fn not_kept(&self, id: &str) -> Problem {
        let shown: String = id.chars().take(64).collect();
        let message = format!(
            "This key has no response `{shown}` here. Responses are kept for {}, unless `store` is false.",
            self.responses_kept_for()
        );
        Problem::new(Code::NotFound, message)
    }
}

/// Does the body ask for a response whose client does not wait?
pub(crate) fn asks_for_background(incoming: &Incoming) -> bool {
    if incoming.surface != Surface::Responses || !names(&incoming.body, "background") {
        return false;
    }
    // What is wrong with it is said by the journey.
    ResponsesRequest::parse(incoming.body.clone(), &PassFields::new(["*"]))
        .is_ok_and(|request| request.background() && !request.stream())
}

/// The id of the document of an owner's response; none for what no response is called.
fn place(owner: &Owner, id: &str) -> Option<String> {
    let fits = !id.is_empty() && id.len() <= ID_MAX && owner.key.len() <= ID_MAX;
    fits.then(|| format!("{}:{id}", owner.key))
}

fn read(owner: &Owner, document: &Document) -> Option<Shelved> {
    let written: Written<'_> = serde_json::from_slice(&document.body).ok()?;
    let bytes = |raw: &RawValue| Bytes::copy_from_slice(raw.get().as_bytes());
    Some(Shelved { owner: owner.clone(), response: bytes(written.response), input: bytes(written.input) })
}

/// The items of a request's input, as a JSON array.
pub(crate) fn input_of(request: &ResponsesRequest) -> Bytes {
    let body: Value = serde_json::from_slice(request.fingerprint_material()).unwrap_or_default();
    let input = body.get("input").cloned().unwrap_or_default();
    let items = match input {
        Value::Array(items) => items,
        Value::String(text) => vec![json!({"type": "message", "role": "user", "content": text})],
        _ => Vec::new(),
    };
    Bytes::from(Value::Array(items).to_string())
}

/// May a member of this name be in the body?
fn names(body: &[u8], name: &str) -> bool {
    let quoted = format!("\"{name}\"");
    body.windows(quoted.len()).any(|window| window == quoted.as_bytes())
}

fn with_status(response: &Bytes, status: &str, error: Option<&str>) -> Bytes {
    let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(response) else { return response.clone() };
    object.insert("status".to_owned(), status.into());
    if let Some(message) = error {
        object.insert("error".to_owned(), json!({"code": "server_error", "message": message}));
    }
    Bytes::from(Value::Object(object).to_string())
}

fn refused(param: &str, message: String) -> RequestError {
    RequestError { code: Code::InvalidRequest, message, param: Some(param.to_owned()) }
}
