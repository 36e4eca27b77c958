//! Responses that clients asked us to keep: read again, listed, stopped, forgotten, made in the
//! background, and gone on from. What the line does with them is one step in `accept` and one at
//! its end; everything else is here.

use crate::deliver::{Delivery, Notes};
use crate::gateway::Gateway;
use crate::incoming::{Incoming, Surface};
use crate::line::Keeping;
use crate::problem::Problem;
use crate::shelf::Shelved;
use bytes::Bytes;
use haltline_types::{Code, Name, RequestId};
use haltline_wire::openai::responses::{StoredResponse, input_items, list_page};
use haltline_wire::{PassFields, RequestError, openai::responses::ResponsesRequest};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A request that will be refused is refused within this time, before it is called accepted.
const REFUSED_WITHIN: Duration = Duration::from_millis(300);

/// The largest list of input items that is given at once.
const ITEMS_MAX: usize = 100;

impl Gateway {
    /// A response that was kept, as JSON.
    ///
    /// # Errors
    /// When the key may not be used, or keeps no such response.
    pub fn kept_response(&self, secret: Option<&str>, id: &str) -> Result<Bytes, Problem> {
        self.kept(secret, id).map(|shelved| shelved.response)
    }

    /// A page of the items that were a kept response's input, as JSON.
    ///
    /// # Errors
    /// As `kept_response`.
    pub fn kept_input(
        &self,
        secret: Option<&str>,
        id: &str,
        after: Option<&str>,
        limit: usize,
        newest_first: bool,
    ) -> Result<Value, Problem> {
        let shelved = self.kept(secret, id)?;
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
    pub fn stop_response(&self, secret: Option<&str>, id: &str) -> Result<Bytes, Problem> {
        let key = self.key_of(secret)?;
        let now = self.clock.now();
        // One lock for both: a result that is ready meanwhile is not lost.
        let mut shelf = self.shelf.lock();
        let shelved = shelf.get(now, id, &key.name).cloned().ok_or_else(|| not_kept(id))?;
        let Some(running) = &shelved.running else { return Ok(shelved.response) };
        running.cancel();
        let response = with_status(&shelved.response, "cancelled", None);
        shelf.put(now, id.to_owned(), Shelved { response: response.clone(), running: None, ..shelved });
        Ok(response)
    }

    /// Forgets a kept response.
    ///
    /// # Errors
    /// As `kept_response`.
    pub fn forget_response(&self, secret: Option<&str>, id: &str) -> Result<(), Problem> {
        let key = self.key_of(secret)?;
        let mut shelf = self.shelf.lock();
        if shelf.get(self.clock.now(), id, &key.name).is_none() {
            return Err(not_kept(id));
        }
        if let Some(running) = shelf.remove(id, &key.name).and_then(|shelved| shelved.running) {
            running.cancel();
        }
        Ok(())
    }

    fn kept(&self, secret: Option<&str>, id: &str) -> Result<Shelved, Problem> {
        let key = self.key_of(secret)?;
        let shelf = self.shelf.lock();
        shelf.get(self.clock.now(), id, &key.name).cloned().ok_or_else(|| not_kept(id))
    }

    /// The request with the turns before it in its body, where it names a response that was kept.
    pub(crate) fn with_turns_before(
        &self,
        request: ResponsesRequest,
        owner: &Name,
        pass: &PassFields,
    ) -> Result<ResponsesRequest, RequestError> {
        if request.conversation().is_some() {
            let message = "Conversations are not kept here; send the turns in `input`, or name the response before in `previous_response_id`.";
            return Err(refused("conversation", message.to_owned()));
        }
        let Some(before) = request.previous_response_id() else { return Ok(request) };
        let known = self.shelf.lock().get(self.clock.now(), before, owner).cloned();
        let Some(known) = known.filter(|known| known.running.is_none()) else {
            let message = format!(
                "This key has no finished response `{before}` here: responses are kept for an hour, unless `store` is false. Send its turns in `input`."
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

    /// Keeps a response that is ready.
    pub(crate) fn keep(&self, keeping: Keeping, response: &StoredResponse, json: Bytes) {
        if response.id().is_empty() {
            return;
        }
        let shelved = Shelved { owner: keeping.owner, response: json, input: keeping.input, running: None };
        self.shelf.lock().put(self.clock.now(), response.id().to_owned(), shelved);
    }

    /// Answers at once that the request is accepted, and keeps what becomes of it.
    pub(crate) async fn in_background(
        self: &Arc<Self>,
        id: RequestId,
        incoming: Incoming,
        asked: &Background,
    ) -> Delivery {
        let name = format!("resp_{:032x}", id.as_u128());
        let stop = self.cut.child_token();
        let notes = Notes::new(id, incoming.trace_id.clone().unwrap_or_default());
        let incoming = Incoming { stop: Some(stop.clone()), ..incoming };
        let (gateway, waited) = (Arc::clone(self), name.clone());
        let made = asked.object(&name, self.clock.now().as_millis().div_euclid(1000));
        let mut journey = tokio::spawn(async move { gateway.journey(id, incoming).await });
        let early = match tokio::time::timeout(REFUSED_WITHIN, &mut journey).await {
            Ok(Ok(refused @ Delivery::Problem { .. })) => return refused,
            Ok(done) => Some(done.ok()),
            Err(_) => None,
        };
        let shelved = Shelved {
            owner: asked.owner.clone(),
            response: with_status(&made, "in_progress", None),
            input: asked.input.clone(),
            running: Some(stop),
        };
        self.shelf.lock().put(self.clock.now(), name, shelved.clone());
        let gateway = Arc::clone(self);
        self.journeys.spawn(async move {
            let delivery = match early {
                Some(done) => done,
                None => journey.await.ok(),
            };
            gateway.put_result(&waited, &shelved, delivery);
        });
        Delivery::Whole { notes: Box::new(notes), body: with_status(&made, "queued", None) }
    }

    fn put_result(&self, id: &str, begun: &Shelved, delivery: Option<Delivery>) {
        let mut shelf = self.shelf.lock();
        // Stopped or forgotten meanwhile.
        if shelf.get(self.clock.now(), id, &begun.owner).is_none_or(|shelved| shelved.running.is_none()) {
            return;
        }
        let response = match delivery {
            Some(Delivery::Whole { body, .. }) => match StoredResponse::read(&body) {
                Some(response) => with_background(&response.under_id(id)),
                None => with_status(&begun.response, "failed", Some("The answer is no response.")),
            },
            Some(Delivery::Problem { problem, .. }) => with_status(&begun.response, "failed", Some(&problem.message)),
            Some(Delivery::Stream { .. }) | None => {
                with_status(&begun.response, "failed", Some("The gateway failed in the middle of this request."))
            }
        };
        let ready = Shelved { response, running: None, ..begun.clone() };
        shelf.put(self.clock.now(), id.to_owned(), ready);
    }
}

/// What a background request says of itself, read before its journey.
#[derive(Clone, Debug)]
pub(crate) struct Background {
    owner: Name,
    input: Bytes,
    echo: serde_json::Map<String, Value>,
    model: String,
}

impl Background {
    /// `None` unless the body asks for it: then the journey itself says what is wrong with it.
    pub(crate) fn of(gateway: &Gateway, incoming: &Incoming, owner: &Name) -> Option<Self> {
        // Most requests are none, and need not be parsed twice.
        if incoming.surface != Surface::Responses || memchr_background(&incoming.body).is_none() {
            return None;
        }
        let pass = PassFields::new(["*"]);
        let request = ResponsesRequest::parse(incoming.body.clone(), &pass).ok()?;
        if !request.background() || request.stream() {
            return None;
        }
        let (echo, model) = (request.echo(), request.model().to_owned());
        // The turns before are a part of what a later turn goes on from. Without them the journey
        // is refused.
        let whole = gateway.with_turns_before(request, owner, &pass);
        let input = whole.map_or_else(|_| Bytes::from_static(b"[]"), |whole| input_of(&whole));
        Some(Self { owner: owner.clone(), input, echo, model })
    }

    fn object(&self, id: &str, created: i64) -> Bytes {
        let mut object = json!({
            "id": id, "object": "response", "created_at": created, "status": "queued", "background": true,
            "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "model": self.model,
            "output": [], "parallel_tool_calls": true, "temperature": null, "tool_choice": "auto", "tools": [],
            "top_p": null, "usage": null,
        });
        if let Some(object) = object.as_object_mut() {
            object.extend(self.echo.clone());
            object.insert("background".to_owned(), Value::Bool(true));
        }
        Bytes::from(object.to_string())
    }
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

fn memchr_background(body: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\"background\"";
    body.windows(NAME.len()).position(|window| window == NAME)
}

fn with_status(response: &Bytes, status: &str, error: Option<&str>) -> Bytes {
    let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(response) else { return response.clone() };
    object.insert("status".to_owned(), status.into());
    if let Some(message) = error {
        object.insert("error".to_owned(), json!({"code": "server_error", "message": message}));
    }
    Bytes::from(Value::Object(object).to_string())
}

fn with_background(response: &Bytes) -> Bytes {
    let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(response) else { return response.clone() };
    object.insert("background".to_owned(), Value::Bool(true));
    Bytes::from(Value::Object(object).to_string())
}

fn not_kept(id: &str) -> Problem {
    let message =
        format!("This key has no response `{id}` here. Responses are kept for an hour, unless `store` is false.");
    Problem::new(Code::NotFound, message)
}

fn refused(param: &str, message: String) -> RequestError {
    RequestError { code: Code::InvalidRequest, message, param: Some(param.to_owned()) }
}
