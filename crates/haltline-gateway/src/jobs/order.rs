//! What a job was told to do: everything that its runs need, but for the request's bytes. The key
//! stands here by name; no secret is ever written down.

use crate::auth::{Identity, Presented};
use crate::incoming::{Claims, Incoming, Surface};
use crate::problem::Problem;
use bytes::Bytes;
use haltline_ports::{KeyRecord, Owner};
use haltline_types::{Code, Name, NanoUsd};
use haltline_wire::client::Address;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The path of a model surface, as a job may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEndpoint {
    /// Which surface.
    pub surface: Surface,
    /// What the path says of the request.
    pub address: Address,
}

impl JobEndpoint {
    /// Reads a path: `/v1/chat/completions`, `/v1/responses`, `/v1/embeddings`, `/v1/messages`,
    /// `/v1beta/models/{model}:generateContent`.
    ///
    /// # Errors
    /// `invalid_request` with the paths there are.
    pub fn parse(path: &str) -> Result<Self, Problem> {
        let plain = |surface| Ok(Self { surface, address: Address::default() });
        match path {
            "/v1/chat/completions" => return plain(Surface::ChatCompletions),
            "/v1/responses" => return plain(Surface::Responses),
            "/v1/embeddings" => return plain(Surface::Embeddings),
            "/v1/messages" => return plain(Surface::Messages),
            _ => {}
        }
        let rest = path.strip_prefix("/v1beta/models/").or_else(|| path.strip_prefix("/v1/models/"));
        if let Some(model) = rest.and_then(|rest| rest.strip_suffix(":generateContent")).filter(|m| !m.is_empty()) {
            let address = Address { model: Some(model.to_owned()), ..Address::default() };
            return Ok(Self { surface: Surface::GenerateContent { array: false }, address });
        }
        let shown: String = path.chars().take(100).collect();
        let message = format!(
            "A job cannot be made for `{shown}`; `endpoint` is one of /v1/chat/completions, /v1/responses, /v1/embeddings, /v1/messages, /v1beta/models/MODEL:generateContent."
        );
        Err(Problem::new(Code::InvalidRequest, message).about("endpoint"))
    }
}

/// The order behind a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The path of the surface.
    pub(crate) endpoint: String,
    pub(crate) model: String,
    /// The key, by name.
    pub(crate) key: String,
    /// The user that it belongs to.
    pub(crate) owner_user: Option<String>,
    /// The user as it was claimed.
    pub(crate) user: Option<String>,
    pub(crate) session: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<(String, String)>,
    /// In nanodollars, for each run.
    pub(crate) max_cost: Option<i64>,
    #[serde(default)]
    pub(crate) no_retry: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) strict: bool,
    #[serde(default)]
    pub(crate) pass_headers: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) dropped: Vec<String>,
    #[serde(default)]
    pub(crate) leave_hosted_tools_out: bool,
    pub(crate) trace_id: Option<String>,
    pub(crate) metadata: Option<Value>,
    pub(crate) webhook: Option<String>,
    pub(crate) max_attempts: u8,
    /// The most that one attempt can be billed, in nanodollars; none where it was not known when
    /// the job was made.
    pub(crate) ceiling: Option<i64>,
    /// The size of the request.
    pub(crate) bytes: usize,
}

impl Order {
    /// What a request says of itself besides its body.
    pub(crate) fn of(incoming: &Incoming, endpoint: &str, owner: &Owner) -> Self {
        let claims = &incoming.claims;
        let pass_headers = incoming
            .pass_headers
            .iter()
            .filter_map(|(name, value)| value.to_str().ok().map(|value| (name.as_str().to_owned(), value.to_owned())));
        Self {
            endpoint: endpoint.to_owned(),
            model: String::new(),
            key: owner.key.to_string(),
            owner_user: owner.user.as_ref().map(ToString::to_string),
            user: claims.user.clone(),
            session: claims.session.clone(),
            tags: claims.tags.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            max_cost: claims.max_cost.map(NanoUsd::get),
            no_retry: claims.no_retry,
            strict: claims.strict,
            pass_headers: pass_headers.collect(),
            dropped: incoming.dropped.clone(),
            leave_hosted_tools_out: incoming.address.leave_hosted_tools_out,
            trace_id: incoming.trace_id.clone(),
            metadata: None,
            webhook: None,
            max_attempts: 1,
            ceiling: None,
            bytes: incoming.body.len(),
        }
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> Owner {
        Owner { key: Name::new(&self.key), user: self.owner_user.as_deref().map(Name::new) }
    }

    /// The request of a run.
    pub(crate) fn incoming(
        &self,
        key: Arc<KeyRecord>,
        body: Bytes,
        stop: Option<CancellationToken>,
    ) -> Result<Incoming, Problem> {
        let JobEndpoint { surface, mut address } = JobEndpoint::parse(&self.endpoint)?;
        address.leave_hosted_tools_out = self.leave_hosted_tools_out;
        let mut pass_headers = HeaderMap::new();
        for (name, value) in &self.pass_headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value)) {
                pass_headers.append(name, value);
            }
        }
        Ok(Incoming {
            surface,
            address,
            presented: Presented::default(),
            on_behalf: Some(Identity::of_key(key)),
            claims: Claims {
                user: self.user.clone(),
                session: self.session.clone(),
                tags: self.tags.iter().map(|(name, value)| (Name::new(name), Name::new(value))).collect(),
                max_cost: self.max_cost.map(NanoUsd::new),
                no_retry: self.no_retry,
                strict: self.strict,
                ..Claims::default()
            },
            trace_id: self.trace_id.clone(),
            pass_headers,
            dropped: self.dropped.clone(),
            stop,
            body,
            arrived: Instant::now(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_surface() {
        let gemini = JobEndpoint::parse("/v1beta/models/google/flash:generateContent").expect("a surface");
        assert_eq!(gemini.address.model.as_deref(), Some("google/flash"));
        assert_eq!(JobEndpoint::parse("/v1/messages").map(|e| e.surface), Ok(Surface::Messages));
        for other in ["", "/v1/chat", "/api/chat", "/v1/models/x:streamGenerateContent", "/v1/models/:generateContent"]
        {
            let problem = JobEndpoint::parse(other).expect_err(other);
            assert_eq!((problem.code, problem.param.as_deref()), (Code::InvalidRequest, Some("endpoint")));
        }
    }
}
