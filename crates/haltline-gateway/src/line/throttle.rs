//! Throttle: rate limits, before anything costs money.

use crate::gateway::Gateway;
use crate::line::accept::Request;
use crate::line::trip::Trip;
use crate::problem::Problem;
use haltline_types::Code;

/// Asks every rate limit; all or none counts the request. The places that it takes in concurrency
/// limits are noted for its end.
pub(crate) fn throttle(gateway: &Gateway, request: Request, trip: &mut Trip) -> Result<Admitted, Problem> {
    let now = gateway.clock.now();
    let mut limiter = gateway.limiter.lock();
    match limiter.admit(now, &request.subjects, request.tokens_at_most) {
        Ok(report) => {
            trip.running = Some(report.running);
            Ok(Admitted { request })
        }
        Err(refusal) => Err(Problem::new(
            Code::RateLimited,
            format!(
                "The rate limit \"{}\" is reached. Slow down; the next request fits in {} s.",
                refusal.limit,
                refusal.retry_after.as_secs().max(1)
            ),
        )
        .retry_after(refusal.retry_after)),
    }
}

/// A request that rate limits have let pass.
pub(crate) struct Admitted {
    pub(crate) request: Request,
}
