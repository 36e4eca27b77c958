//! Ask: a provider's own count of a request's tokens. Free, so it takes no permit; the upstream
//! refuses whatever is no such count. Not a stage, and decides nothing.

use crate::gateway::Live;
use crate::line::accept::Request;
use crate::line::call;
use futures_util::StreamExt;
use haltline_ports::{AnswerBody, Call};
use haltline_types::{Billing, Fault, FaultKind, ModelName, Origin, Tokens};
use haltline_wire::canon::Target;
use haltline_wire::count;
use std::time::Duration;

/// Whoever has waited so long goes on without the count.
const PATIENCE: Duration = Duration::from_secs(2);

/// No count is as long as this, in bytes.
const ANSWER_MAX: usize = 64 << 10;

/// The count of the request as the endpoint would get it.
pub(crate) async fn ask(live: &Live, request: &Request, endpoint: &ModelName) -> Result<Tokens, Fault> {
    let asked = &request.asked;
    let dialect = call::dialect(live, asked, &endpoint.provider);
    let unsayable = |detail: String| Fault {
        billing: Billing::NotSent,
        ..Fault::new(FaultKind::InvalidRequest, Origin::Gateway, detail)
    };
    let upstream = live.upstreams.get(&endpoint.provider);
    let upstream = upstream.ok_or_else(|| unsayable("the provider is not configured any more".to_owned()))?;
    let target = Target { model: &endpoint.model, cap: asked.client_cap().unwrap_or(request.default_cap) };
    let outgoing = asked.outgoing(dialect, &target).map_err(|error| unsayable(error.message))?;
    let question = count::question(dialect, &endpoint.model, &outgoing);
    let question = question.ok_or_else(|| unsayable("the provider's dialect has no count of tokens".to_owned()))?;
    let call = Call {
        endpoint: endpoint.clone(),
        target: question.path,
        headers: call::headers(live, request, endpoint, dialect).0,
        body: question.body,
        stream: false,
        affinity: None,
    };
    let asking = async {
        let answer = read(upstream.count(call).await?.body).await?;
        count::read(dialect, &answer).map_err(|malformed| malformed_count(malformed.detail))
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| {
        Err(Fault::new(FaultKind::FirstTokenTimeout, Origin::Provider, "no count of tokens in time"))
    })
}

async fn read(mut body: AnswerBody) -> Result<Vec<u8>, Fault> {
    let mut answer = Vec::new();
    while let Some(bytes) = body.next().await {
        answer.extend_from_slice(&bytes?);
        if answer.len() > ANSWER_MAX {
            return Err(malformed_count(format!("a count of tokens has more than {ANSWER_MAX} bytes")));
        }
    }
    Ok(answer)
}

fn malformed_count(detail: String) -> Fault {
    Fault::new(FaultKind::Malformed, Origin::Provider, detail)
}
