//! Accept: is this a request that we understand, for a model that exists and that the caller may
//! use? What comes out is validated once and for all.

use crate::auth::note::IdentityNote;
use crate::cache::CacheAsk;
use crate::gateway::{Gateway, Live};
use crate::incoming::{Incoming, Surface};
use crate::line::identify::Caller;
use crate::problem::Problem;
use crate::routing::Routing;
use crate::sessions::{self, Sent, SessionName, Supplied};
use crate::streams::Again;
use bytes::Bytes;
use haltline_ports::{KeyRecord, Owner, UserClaims};
use haltline_types::{Code, ModelName, Name, NanoUsd, Subjects, Tokens};
use haltline_wire::client::{Address, ClientDialect, ClientRequest};
use haltline_wire::{PassFields, RequestError};
use serde::Deserialize;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

/// A client that has counted more repetitions of its own than this is asking for ever.
const CLIENT_RETRIES_MAX: u32 = 3;

/// A request that can be sent.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) asked: Arc<ClientRequest>,
    /// The model by the name under which it was asked for.
    pub(crate) model: Name,
    /// Whose answer it is, if it is kept.
    pub(crate) owner: Owner,
    /// What is written down of its caller for a process that goes on with its answer.
    pub(crate) note: Option<IdentityNote>,
    /// Where it may go.
    pub(crate) routing: Routing,
    /// The output cap where the client gives none.
    pub(crate) default_cap: Tokens,
    /// Whom it is for; provider and model are added when the route is known.
    pub(crate) subjects: Subjects,
    pub(crate) max_cost: Option<NanoUsd>,
    pub(crate) retries_forbidden: bool,
    /// Does the client want guards to be strict?
    pub(crate) strict: bool,
    /// May the key speak for whomever it names? Then a user's numbers are not only its own.
    pub(crate) speaks_for_any: bool,
    /// May the key speak for more than one user?
    pub(crate) speaks_for_several: bool,
    /// Is it the key's owner who asks, and none of its users?
    pub(crate) is_key_itself: bool,
    pub(crate) pass_headers: http::HeaderMap,
    /// Input, as its bytes bound it, plus the cap: what token rate limits count.
    pub(crate) tokens_at_most: Tokens,
    /// How often the client has repeated it by its own count.
    pub(crate) retry_count: u32,
    /// Does the client count them at all?
    pub(crate) counts_retries: bool,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) original_timing: bool,
    /// Does a job wait for the answer, and no client?
    pub(crate) is_job: bool,
    /// Identifies the same request of the same caller.
    pub(crate) fingerprint: Fingerprint,
    /// What it says of the response cache.
    pub(crate) cache: CacheAsk,
    /// The session that it is a part of.
    pub(crate) session: Option<SessionName>,
    /// What the client itself has sent, where its session supplied the turns before.
    pub(crate) own: Option<Arc<ClientRequest>>,
    pub(crate) sent: Sent,
    /// The turns that the session supplied are not all there are.
    pub(crate) history_is_partial: bool,
}

impl Request {
    /// The same for the same caller, with another thing asked: no more than its own rest.
    /// `given`: output that there is already.
    pub(crate) fn asking(&self, asked: ClientRequest, given: Tokens) -> Self {
        let body = Bytes::copy_from_slice(asked.material());
        Self {
            fingerprint: Fingerprint { body, ..self.fingerprint.clone() },
            default_cap: self.default_cap.saturating_sub(given).max(Tokens::new(1)),
            asked: Arc::new(asked),
            ..self.clone()
        }
    }

    /// What a later process needs besides the body to ask for the rest of the answer.
    pub(crate) fn again(&self) -> Again {
        let address = &self.fingerprint.address;
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            value.to_str().ok().map(|value| (name.to_string(), value.to_owned()))
        };
        Again {
            identity: self.note.clone(),
            model: address.model.clone(),
            leave_hosted_tools_out: address.leave_hosted_tools_out,
            tags: self.subjects.tags.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            max_cost_nano_usd: self.max_cost.map(NanoUsd::get),
            no_retry: self.retries_forbidden,
            strict: self.strict,
            pass_headers: self.pass_headers.iter().filter_map(header).collect(),
        }
    }

    /// The body as the client sent it.
    pub(crate) fn body(&self) -> &Bytes {
        &self.fingerprint.body
    }

    /// The session in which clients find its answer while it runs. Nobody watches a guard.
    pub(crate) fn watched_in(&self) -> Option<Name> {
        self.subjects.session.clone().filter(|_| self.surface() != Surface::Guard)
    }

    /// The way by which it came.
    pub(crate) fn surface(&self) -> Surface {
        self.fingerprint.surface
    }

    /// What stands outside the body and decides how it is read.
    pub(crate) fn address(&self) -> &Address {
        &self.fingerprint.address
    }
}

/// What identifies a request; hashed only when somebody needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    key: Name,
    user: Option<Name>,
    surface: Surface,
    address: Address,
    body: Bytes,
}

static HASHERS: LazyLock<(RandomState, RandomState)> = LazyLock::new(|| (RandomState::new(), RandomState::new()));

impl Fingerprint {
    /// Bytes of the body.
    pub(crate) fn body_len(&self) -> usize {
        self.body.len()
    }

    /// What is hashed where the hash must outlive this process.
    pub(crate) fn material(&self) -> String {
        let (surface, model) = (self.surface.word(), self.address.model.as_deref().unwrap_or_default());
        format!("{surface}\0{model}\0{}\0{}", self.address.stream, String::from_utf8_lossy(&self.body))
    }

    /// 128 bits under a secret of this process, so that nobody can aim at another's.
    pub(crate) fn hash(&self) -> u128 {
        let material = (&self.key, &self.user, self.surface, &self.address.model, self.address.stream, &self.body);
        (u128::from(HASHERS.0.hash_one(material)) << 64) | u128::from(HASHERS.1.hash_one(material))
    }
}

/// Validates.
pub(crate) async fn accept(
    gateway: &Gateway,
    live: &Live,
    caller: Caller,
    incoming: Incoming,
) -> Result<Request, Problem> {
    if incoming.claims.retry_count > CLIENT_RETRIES_MAX {
        return Err(Problem::new(
            Code::RetryLimit,
            format!(
                "The client has repeated this request {} times; it will not be sent again.",
                incoming.claims.retry_count
            ),
        ));
    }
    let (asked, mut route) = understand(live, &caller, incoming.surface.dialect(), &incoming.address, &incoming.body)?;
    // What guards ask is no part of a conversation.
    let keeps_none = live.settings.sessions.keep_for.is_zero() || incoming.surface == Surface::Guard;
    let mut conversation = Conversation::of(gateway, &caller, &asked, keeps_none);
    let (asked, body) = conversation.complete(gateway, live, &mut route, asked, &incoming).await?;
    let (asked, body) = with_turns_before(gateway, live, &caller, &mut route, asked, &incoming.address, body)?;
    let model = meant(live, asked.model());
    let Resolved { routing, max_output_tokens } = route;
    let owner = caller.owner();
    let caller = caller.or_user_of_body(asked.user()).or_session_of_body(asked.session());
    let caller = caller.or_session_of_body(conversation.named.take());
    let fingerprint = Fingerprint {
        key: caller.key.name.clone(),
        user: caller.user.clone(),
        surface: incoming.surface,
        address: incoming.address,
        body,
    };
    // Whoever waits between repetitions does not storm.
    if incoming.on_behalf.is_none() {
        repeat_failure(gateway, &fingerprint)?;
    }
    let default_cap = max_output_tokens;
    let cap = asked.client_cap().unwrap_or(default_cap);
    let bytes = u64::try_from(fingerprint.body.len()).unwrap_or(u64::MAX);
    Ok(Request {
        owner,
        note: caller.note(),
        routing,
        default_cap,
        subjects: Subjects { model: Some(model.clone()), ..caller.subjects() },
        model,
        max_cost: incoming.claims.max_cost,
        retries_forbidden: incoming.claims.no_retry,
        strict: incoming.claims.strict,
        retry_count: incoming.claims.retry_count,
        counts_retries: incoming.claims.counts_retries,
        idempotency_key: incoming.claims.idempotency_key,
        original_timing: incoming.claims.original_timing,
        is_job: incoming.on_behalf.is_some(),
        speaks_for_any: caller.key.users == UserClaims::Any,
        speaks_for_several: caller.key.users != UserClaims::None,
        is_key_itself: !caller.is_of_user(),
        pass_headers: incoming.pass_headers,
        cache: incoming.claims.cache,
        tokens_at_most: Tokens::new(bytes).checked_add(cap).unwrap_or(Tokens::new(u64::MAX)),
        fingerprint,
        asked: Arc::new(asked),
        session: conversation.session,
        own: conversation.own,
        sent: conversation.sent,
        history_is_partial: conversation.partial,
    })
}

/// What a request is a part of.
struct Conversation {
    session: Option<SessionName>,
    /// What the body calls it, in words that only its dialect has.
    named: Option<String>,
    own: Option<Arc<ClientRequest>>,
    sent: Sent,
    partial: bool,
}

impl Conversation {
    fn of(gateway: &Gateway, caller: &Caller, asked: &ClientRequest, keeps_none: bool) -> Self {
        let named = sessions::conversation(asked);
        let caller = caller.clone().or_user_of_body(asked.user()).or_session_of_body(asked.session());
        let id = named.as_deref().or(caller.session.as_deref()).filter(|_| !keeps_none);
        let session = id.map(|id| SessionName::new(gateway.keys.as_ref(), caller.owner(), id));
        Self { session, named, own: None, sent: Sent::Whole, partial: false }
    }

    /// The request with the turns before it, where the client has sent only what is new. What is
    /// measured, held for and sent from here on is the whole.
    async fn complete(
        &mut self,
        gateway: &Gateway,
        live: &Live,
        route: &mut Resolved,
        asked: ClientRequest,
        incoming: &Incoming,
    ) -> Result<(ClientRequest, Bytes), Problem> {
        if !sessions::is_wanted(&asked, incoming.claims.history_of_session) {
            return Ok((asked, incoming.body.clone()));
        }
        let pass = vouched(live, route);
        let supplied =
            sessions::supply(gateway, live, self.session.as_ref(), asked, incoming.body.len(), &pass).await?;
        let Supplied { asked, own, sent, partial } = supplied;
        (self.own, self.sent, self.partial) = (Some(own), sent, partial);
        let body = Bytes::copy_from_slice(body_of(&asked));
        keep_vouching(live, route, incoming.surface.dialect(), &incoming.address, &body, &pass);
        Ok((asked, body))
    }
}

/// The bytes of a request.
pub(crate) fn body_of(asked: &ClientRequest) -> &[u8] {
    match asked {
        ClientRequest::Chat(request) => request.fingerprint_material(),
        ClientRequest::Responses(request) => request.fingerprint_material(),
        ClientRequest::Embeddings(request) => request.fingerprint_material(),
        ClientRequest::Messages(request) => request.fingerprint_material(),
        ClientRequest::Gemini(request) => request.fingerprint_material(),
        ClientRequest::Ui(request) => request.fingerprint_material(),
    }
}

/// Reads the body and finds where it may go. Fields that we do not know pass only if the operator
/// vouches for them at every provider that may get them.
fn understand(
    live: &Live,
    caller: &Caller,
    dialect: ClientDialect,
    address: &Address,
    body: &Bytes,
) -> Result<(ClientRequest, Resolved), Problem> {
    let refused = match ClientRequest::parse(dialect, address, body.clone(), &PassFields::none()) {
        Ok(asked) => {
            let route = route_for(live, caller, &meant(live, asked.model()))?;
            return Ok((asked, route));
        }
        Err(error) => error,
    };
    if refused.code != Code::UnknownField {
        return Err(invalid(refused));
    }
    let model = match &address.model {
        Some(model) => meant(live, model),
        None => match serde_json::from_slice::<ModelOnly<'_>>(body) {
            Ok(peek) => meant(live, &peek.model),
            Err(_) => return Err(invalid(refused)),
        },
    };
    let mut route = route_for(live, caller, &model)?;
    if route.routing.first().is_none() {
        return Err(invalid(refused));
    }
    let pass = vouched(live, &route);
    let asked = ClientRequest::parse(dialect, address, body.clone(), &pass).map_err(invalid)?;
    keep_vouching(live, &mut route, dialect, address, body, &pass);
    Ok((asked, route))
}

/// What the operator vouches for at the first endpoint of the route.
fn vouched(live: &Live, route: &Resolved) -> PassFields {
    let provider = route.routing.first().and_then(|target| live.settings.providers.get(&target.provider));
    provider.map_or_else(PassFields::none, |provider| provider.pass_fields.clone())
}

/// Leaves the endpoints out at which the operator does not vouch for all of a body that was read
/// with `pass`: a field may stand at any depth, so it is read again as each of them would take it.
fn keep_vouching(
    live: &Live,
    route: &mut Resolved,
    dialect: ClientDialect,
    address: &Address,
    body: &Bytes,
    pass: &PassFields,
) {
    if *pass == PassFields::none() {
        return;
    }
    route.routing.retain(|target| {
        live.settings.providers.get(&target.provider).is_some_and(|provider| {
            provider.pass_fields == *pass
                || ClientRequest::parse(dialect, address, body.clone(), &provider.pass_fields).is_ok()
        })
    });
}

/// The request with the turns before it, where it names a response that was kept. What is measured
/// and sent from here on is the whole conversation.
fn with_turns_before(
    gateway: &Gateway,
    live: &Live,
    caller: &Caller,
    route: &mut Resolved,
    asked: ClientRequest,
    address: &Address,
    body: Bytes,
) -> Result<(ClientRequest, Bytes), Problem> {
    let request = match asked {
        ClientRequest::Responses(request)
            if request.previous_response_id().is_some() || request.conversation().is_some() =>
        {
            request
        }
        other => return Ok((other, body)),
    };
    let pass = vouched(live, route);
    let request = gateway.with_turns_before(*request, &caller.owner(), &pass).map_err(invalid)?;
    let body = Bytes::copy_from_slice(request.fingerprint_material());
    keep_vouching(live, route, ClientDialect::Responses, address, &body, &pass);
    Ok((ClientRequest::Responses(Box::new(request)), body))
}

/// Where a model's requests go, as far as the caller's key allows it.
fn route_for(live: &Live, caller: &Caller, asked: &Name) -> Result<Resolved, Problem> {
    let mut route = resolve(live, asked)?;
    route.routing.retain(|target| allowed(&caller.key, asked, target));
    if route.routing.first().is_none() {
        return Err(Problem::new(
            Code::ModelNotAllowed,
            format!(
                "The key \"{}\" may not use the model `{asked}`; GET /v1/models lists those it may.",
                caller.key.name
            ),
        )
        .about("model"));
    }
    Ok(route)
}

#[derive(Deserialize)]
struct ModelOnly<'a> {
    #[serde(borrow)]
    model: std::borrow::Cow<'a, str>,
}

pub(crate) fn invalid(error: RequestError) -> Problem {
    let mut problem = Problem::new(error.code, error.message);
    problem.param = error.param;
    problem
}

/// Where a model's requests go.
pub(crate) struct Resolved {
    pub(crate) routing: Routing,
    pub(crate) max_output_tokens: Tokens,
}

/// The model that is meant: a page may leave the choice to the gateway, where there is none to make.
fn meant(live: &Live, asked: &str) -> Name {
    let models = &live.settings.models;
    match models.keys().next() {
        Some(only) if asked.is_empty() && models.len() == 1 => only.clone(),
        _ => Name::new(asked),
    }
}

/// A configured name, `provider/model`, or a bare model id when only one provider has it.
pub(crate) fn resolve(live: &Live, asked: &Name) -> Result<Resolved, Problem> {
    let settings = &live.settings;
    if asked.is_empty() {
        let names: Vec<&str> = settings.models.keys().map(|name| &**name).collect();
        let message = format!("The request names no model; send `model`, one of: {}.", names.join(", "));
        return Err(Problem::new(Code::InvalidRequest, message).about("model"));
    }
    if let Some(model) = settings.models.get(asked) {
        return Ok(Resolved {
            routing: Routing::of_model(settings, asked, model),
            max_output_tokens: model.max_output_tokens,
        });
    }
    let direct = |target: ModelName| Resolved {
        routing: Routing::direct(settings, target),
        max_output_tokens: settings.headroom.default_output_tokens,
    };
    if let Some(endpoint) = ModelName::parse(asked)
        && settings.providers.contains_key(&endpoint.provider)
    {
        return if settings.prices.contains_key(&endpoint) { Ok(direct(endpoint)) } else { Err(unpriced(&endpoint)) };
    }
    let mut owners = settings
        .prices
        .keys()
        .filter(|endpoint| endpoint.model == *asked && settings.providers.contains_key(&endpoint.provider));
    match (owners.next(), owners.next()) {
        (Some(endpoint), None) => Ok(direct(endpoint.clone())),
        (Some(first), Some(second)) => {
            Err(Problem::new(Code::UnknownModel, format!("`{asked}` is ambiguous: ask for `{first}` or `{second}`."))
                .about("model"))
        }
        (None, _) => Err(unknown(live, asked)),
    }
}

fn unpriced(endpoint: &ModelName) -> Problem {
    Problem::new(
        Code::UnpricedModel,
        format!("`{endpoint}` has no price, so its cost cannot be bounded. The operator can add one: [prices.\"{endpoint}\"]."),
    )
    .about("model")
}

fn unknown(live: &Live, asked: &Name) -> Problem {
    let known = live
        .settings
        .models
        .keys()
        .map(ToString::to_string)
        .chain(live.settings.prices.keys().map(ToString::to_string));
    let nearest = known
        .map(|name| (strsim::jaro_winkler(&name, asked), name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = nearest.map_or_else(
        || " GET /v1/models lists those there are.".to_owned(),
        |(_, name)| format!(" Did you mean `{name}`?"),
    );
    Problem::new(Code::UnknownModel, format!("There is no model `{asked}`.{hint}")).about("model")
}

/// May a key use this model?
pub(crate) fn allowed(key: &KeyRecord, asked: &Name, target: &ModelName) -> bool {
    let models = &key.models;
    let endpoint = || target.to_string();
    models.is_empty() || models.iter().any(|model| model == asked || **model == *endpoint())
}

/// The same request that failed for good a moment ago gets the same answer, without a call.
fn repeat_failure(gateway: &Gateway, fingerprint: &Fingerprint) -> Result<(), Problem> {
    let failures = gateway.failures.lock();
    if failures.is_empty() {
        return Ok(());
    }
    match failures.get(gateway.clock.now(), fingerprint.hash()) {
        Some(problem) => Err(problem.clone()),
        None => Ok(()),
    }
}
