//! Throttle: rate limits, before anything costs money.

use crate::gateway::Gateway;
use crate::line::accept::Request;
use crate::line::trip::Trip;
use crate::problem::Problem;
use haltline_policy::limits::{LimitKind, LimitRefusal};
use haltline_types::Code;

/// Asks every rate limit; all or none counts the request. The places that it takes in concurrency
/// limits are noted for its end.
pub(crate) fn throttle(gateway: &Gateway, request: Request, trip: &mut Trip) -> Result<Admitted, Problem> {
    let now = gateway.clock.now();
    let mut limiter = gateway.limiter.lock();
    match limiter.admit(now, &request.subjects, request.tokens_at_most) {
        Ok(report) => {
            trip.running = Some(report.running);
            trip.rate_limit = report.nearest;
            Ok(Admitted { request })
        }
        Err(refusal) => Err(refused(&refusal)),
    }
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
