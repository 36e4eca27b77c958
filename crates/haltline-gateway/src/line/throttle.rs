//! Throttle: rate limits, before anything costs money.

use crate::gateway::Gateway;
use crate::line::accept::Request;
use crate::line::trip::Trip;
use crate::problem::Problem;
use haltline_policy::limits::{KeyedRunning, LimitKind, LimitRefusal, LimitReport};
use haltline_ports::What;
use haltline_types::{Code, Subjects, Tokens};

/// Asks every rate limit; all or none counts the request. The places that it takes in concurrency
/// limits are noted for its end.
pub(crate) fn throttle(gateway: &Gateway, request: Request, trip: &mut Trip) -> Result<Admitted, Problem> {
    let (report, running) = ask(gateway, &request.subjects, request.tokens_at_most).map_err(|refusal| {
        trip.step(What::Throttled { limit: refusal.limit.clone(), retry_after: refusal.retry_after });
        refused(&refusal)
    })?;
    trip.running = Some(running);
    trip.rate_limit = report.nearest;
    Ok(Admitted { request })
}

/// Takes one request of so many tokens from every limit, or nothing from any. Whoever is admitted
/// must leave.
pub(crate) fn admit(
    gateway: &Gateway,
    subjects: &Subjects,
    tokens: Tokens,
) -> Result<(LimitReport, KeyedRunning), Problem> {
    ask(gateway, subjects, tokens).map_err(|refusal| refused(&refusal))
}

/// Counts a request that is made now and runs at another time, unless that is too many.
pub(crate) fn note(gateway: &Gateway, subjects: &Subjects) -> Result<(), Problem> {
    let now = gateway.clock.now();
    gateway.limiter.lock().note(now, subjects, Tokens::ZERO).map_err(|refusal| refused(&refusal))
}

fn ask(gateway: &Gateway, subjects: &Subjects, tokens: Tokens) -> Result<(LimitReport, KeyedRunning), LimitRefusal> {
    let now = gateway.clock.now();
    gateway.limiter.lock().admit(now, subjects, tokens)
}

fn refused(refusal: &LimitRefusal) -> Problem {
    let (name, seconds) = (&refusal.limit, refusal.retry_after.as_secs().max(1));
    let message = match refusal.kind {
        LimitKind::Rate => {
            format!("The rate limit \"{name}\" is reached. Slow down; the next request fits in {seconds} s.")
        }
        LimitKind::Concurrency => {
            format!("The limit \"{name}\" lets {} requests run at once. Wait for one to end.", refusal.quota)
        }
        LimitKind::TooLarge => {
            let message = format!(
                "This request alone is more than the rate limit \"{name}\" ever lets through ({}). Shorten it, or lower its max_tokens.",
                refusal.quota
            );
            return Problem::new(Code::InvalidRequest, message);
        }
    };
    Problem::new(Code::RateLimited, message).retry_after(refusal.retry_after)
}

/// A request that rate limits have let pass.
pub(crate) struct Admitted {
    pub(crate) request: Request,
}
