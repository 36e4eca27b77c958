//! What an id means: a request, a trace or a session; and its timelines, whoever has them.

use crate::cli::admin::{Admin, TimelinesAsk};
use crate::cli::exit::{CliError, Exit};
use haltline_http::timeline::Timeline;
use haltline_ports::Together;
use haltline_types::{Name, RequestId};

/// More requests than this of one session are not asked for.
const REQUESTS_MAX: usize = 2_000;

/// The timelines of a request, or of all requests of a trace or session, the oldest first. Never
/// empty.
///
/// # Errors
/// When there is nothing of this id, or nobody can be asked.
pub(in crate::cli) async fn find(
    admin: &dyn Admin,
    id: &str,
    key: Option<&str>,
    user: Option<&str>,
) -> Result<Vec<Timeline>, CliError> {
    if id.parse::<RequestId>().is_ok() {
        return Ok(vec![admin.timeline(id).await?]);
    }
    let ask =
        |together| TimelinesAsk { together, key: key.map(str::to_owned), user: user.map(str::to_owned), after: None };
    let session = || Together::Session(Name::new(id));
    let is_trace = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let found = match is_trace {
        // A session may look like a trace.
        true => match pages(admin, ask(Together::Trace(id.to_owned()))).await {
            Err(error) if error.exit == Exit::NotFound => pages(admin, ask(session())).await,
            found => found,
        },
        false => pages(admin, ask(session())).await,
    };
    found.map_err(|error| match error.exit {
        Exit::NotFound => CliError::new(Exit::NotFound, format!("there is no request, trace or session `{id}`"))
            .help("a request is named by the `x-request-id` of its answer; records are kept for a time only"),
        _ => error,
    })
}

async fn pages(admin: &dyn Admin, mut ask: TimelinesAsk) -> Result<Vec<Timeline>, CliError> {
    let mut found = Vec::new();
    loop {
        let page = admin.timelines(&ask).await?;
        let is_empty = page.requests.is_empty();
        found.extend(page.requests);
        match page.next {
            Some(next) if !is_empty && found.len() < REQUESTS_MAX => ask.after = Some(next),
            _ => return Ok(found),
        }
    }
}
