//! Responses that are made in the background: jobs underneath, which go by the response's id. The
//! response is a document from the moment at which the client hears of it.

use super::{Standing, input_of, place, with_status};
use crate::gateway::{Gateway, draining};
use crate::incoming::Incoming;
use crate::jobs::{Order, RESPONSE, Sheet, unavailable};
use crate::line;
use crate::problem::Problem;
use crate::shelf::Shelved;
use bytes::Bytes;
use haltline_ports::{Document, DocumentsError, Owner, Shelf as DocumentShelf};
use haltline_types::{Code, NanoUsd, RequestId};
use haltline_wire::client::ClientRequest;
use haltline_wire::openai::responses::{ResponsesRequest, StoredResponse};
use serde_json::{Value, json};
use std::sync::Arc;

impl Gateway {
    /// Checks the request, writes the response and its job down, and gives the response.
    pub(super) async fn begin_background(self: Arc<Self>, id: RequestId, incoming: Incoming) -> Result<Bytes, Problem> {
        if self.is_draining() {
            return Err(draining());
        }
        let caller = line::caller(&self, &incoming)?;
        let owner = caller.owner();
        let mut order = Order::of(&incoming, "/v1/responses", &caller);
        let inspected = line::submitted(&self, incoming).await?;
        let ClientRequest::Responses(request) = &*inspected.asked else {
            return Err(Problem::new(Code::Internal, "The request is none for a response."));
        };
        order.max_attempts = if order.no_retry { 1 } else { self.live.load().settings.jobs.max_attempts };
        order.model = inspected.model.to_string();
        order.ceiling = inspected.ceiling.map(NanoUsd::get);
        order.bytes = inspected.body.len();
        let now = self.clock.now();
        let name = format!("{RESPONSE}{:032x}", id.as_u128());
        let made = object(request, &name, now.as_millis().div_euclid(1000));
        let shelved = Shelved { owner, response: made.clone(), input: input_of(request) };
        let document = self.response_document(&name, &shelved, Standing::Open);
        let sheet = Sheet::new(name, order, now);
        self.enqueue(&sheet, inspected.body, document.into_iter().collect()).await?;
        Ok(made)
    }

    /// The finished response of a job, to be written before the job says that it has succeeded.
    pub(crate) async fn background_result(&self, sheet: &Sheet, answer: &Bytes) -> Vec<Document> {
        let response = match StoredResponse::read(answer) {
            Some(response) => with_background(&response.under_id(&sheet.id)),
            None => return self.background_failed(sheet, "The answer is no response.").await,
        };
        self.finished(sheet, response).await
    }

    /// The failed response of a job.
    pub(crate) async fn background_failed(&self, sheet: &Sheet, message: &str) -> Vec<Document> {
        let begun = self.kept(&sheet.order.owner(), &sheet.id).await.map(|(shelved, _)| shelved.response);
        match begun {
            Ok(begun) => self.finished(sheet, with_status(&begun, "failed", Some(message))).await,
            // Forgotten meanwhile.
            Err(_) => Vec::new(),
        }
    }

    async fn finished(&self, sheet: &Sheet, response: Bytes) -> Vec<Document> {
        let Ok((begun, _)) = self.kept(&sheet.order.owner(), &sheet.id).await else { return Vec::new() };
        let ready = Shelved { response, ..begun };
        let document = self.response_document(&sheet.id, &ready, Standing::Ready);
        if let Some(document) = &document {
            self.make_room(document).await;
        }
        document.into_iter().collect()
    }

    /// Was the response of this job finished before the process ended?
    pub(crate) async fn background_is_ready(&self, sheet: &Sheet) -> Result<bool, DocumentsError> {
        let Some(place) = place(&sheet.order.owner(), &sheet.id) else { return Ok(false) };
        let found = self.documents.get(DocumentShelf::Response, &place, self.clock.now()).await?;
        Ok(found.is_some_and(|found| !found.labels.iter().any(|label| label == super::OPEN)))
    }

    /// Ends the job of a response, under its turn; `stopped` is what becomes of the response.
    pub(super) async fn stop_background(
        &self,
        owner: &Owner,
        id: &str,
        stopped: Option<&Shelved>,
    ) -> Result<(), Problem> {
        let document = stopped.and_then(|stopped| self.response_document(id, stopped, Standing::Ready));
        let documents: Vec<Document> = document.into_iter().collect();
        let sheet = self.sheet(id).await.map_err(unavailable)?;
        match sheet.filter(|sheet| sheet.order.owner() == *owner && !sheet.state.is_final()) {
            Some(sheet) => self.cancelled(sheet, documents).await.map(|_| ()),
            None => self.documents.put(documents).await.map_err(unavailable),
        }
    }
}

/// The response object before there is an answer.
fn object(request: &ResponsesRequest, id: &str, created: i64) -> Bytes {
    let mut object = json!({
        "id": id, "object": "response", "created_at": created, "status": "queued", "background": true,
        "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "model": request.model(),
        "output": [], "parallel_tool_calls": true, "temperature": null, "tool_choice": "auto", "tools": [],
        "top_p": null, "usage": null,
    });
    if let Some(object) = object.as_object_mut() {
        object.extend(request.echo());
        object.insert("background".to_owned(), Value::Bool(true));
        object.insert("id".to_owned(), id.into());
        object.insert("status".to_owned(), "queued".into());
    }
    Bytes::from(object.to_string())
}

fn with_background(response: &Bytes) -> Bytes {
    let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(response) else { return response.clone() };
    object.insert("background".to_owned(), Value::Bool(true));
    Bytes::from(Value::Object(object).to_string())
}
