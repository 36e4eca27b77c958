//! Reading a request's body: bounded in size and time.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use haltline_gateway::Problem;
use haltline_types::Code;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Between two pieces of a body.
const IDLE: Duration = Duration::from_secs(10);
/// For a whole body.
const TOTAL: Duration = Duration::from_secs(60);

/// A body above this needs one of the places for large bodies, so that memory stays bounded.
const LARGE: usize = 256 * 1024;
/// Places for large bodies.
const LARGE_PLACES: usize = 32;

static LARGE_BODIES: Semaphore = Semaphore::const_new(LARGE_PLACES);

/// Reads the body.
///
/// # Errors
/// A problem that says why: too large, too slow, compressed, cut.
pub(crate) async fn read(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err(Problem::new(Code::InvalidRequest, "Send the body without compression (no Content-Encoding)."));
    }
    let declared =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<usize>().ok());
    if declared.is_some_and(|length| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    tokio::time::timeout(TOTAL, collect(body, declared.unwrap_or(0), bytes_max))
        .await
        .unwrap_or_else(|_| Err(too_slow()))
}

async fn collect(mut body: Body, expected: usize, bytes_max: usize) -> Result<Bytes, Problem> {
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(too_large(bytes_max));
    }
    if first.len() == expected {
        return Ok(first);
    }
    let mut place = None;
    let mut whole = BytesMut::with_capacity(expected.min(LARGE).max(first.len()));
    whole.extend_from_slice(&first);
    while let Some(piece) = next(&mut body).await? {
        if whole.len() + piece.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        if place.is_none() && whole.len() + piece.len() > LARGE {
            place = Some(large_place().await?);
        }
        whole.extend_from_slice(&piece);
    }
    drop(place);
    Ok(whole.freeze())
}

/// A place for a large body, if one comes free soon.
async fn large_place() -> Result<SemaphorePermit<'static>, Problem> {
    match tokio::time::timeout(IDLE, LARGE_BODIES.acquire()).await {
        Ok(Ok(place)) => Ok(place),
        _ => {
            let problem = Problem::new(Code::Overloaded, "Too many large bodies are being read at once.");
            Err(problem.retry_after(Duration::from_secs(2)))
        }
    }
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        match tokio::time::timeout(IDLE, body.frame()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => {
                return Err(Problem::new(Code::InvalidRequest, "The body ended before it was complete."));
            }
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("The body is larger than {bytes_max} bytes, the most that this gateway takes."),
    )
}

fn too_slow() -> Problem {
    Problem::new(
        Code::InvalidRequest,
        "The body did not arrive in time; send it without pauses of ten seconds and within a minute.",
    )
}
