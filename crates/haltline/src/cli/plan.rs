//! `haltline check --plan MODEL`: where requests would go under this configuration, why, and what
//! each attempt may cost. The same plan as the line's, of endpoints that are all well, except for
//! what the command line says has failed.

use super::args::CheckArgs;
use super::exit::{CliError, Exit};
use super::ui::{Format, Ui};
use super::when::now;
use haltline_gateway::routing::Routing;
use haltline_gateway::settings::Settings;
use haltline_policy::plan::{Degrade, EndpointState, Offer, Plan, PlanInput, Step, affinity, plan};
use haltline_policy::price::{Multiplier, Price};
use haltline_policy::quote::{Framing, QuoteInput, TextMeasure, TokenBound, quote};
use haltline_policy::retry::{GiveUp, RetrySituation, RetryVerdict, decide, rest};
use haltline_policy::route::{FallbackOn, Tried};
use haltline_types::{
    Fault, FaultKind, ModelName, Name, NanoUsd, Origin, PicoUsdPerToken, Timestamp, Tokens, format_duration,
};
use serde_json::{Value, json};

const PROMPT_TOKENS: u64 = 1_000;
/// Nothing is added to the tokens that the command line names.
const NO_FRAMING: Framing = Framing {
    per_request: Tokens::ZERO,
    per_message: Tokens::ZERO,
    per_name: Tokens::ZERO,
    with_tools: Tokens::ZERO,
    per_tool: Tokens::ZERO,
};
/// A draw of chance, the same each time; `--session` gives another.
const CHANCE: u64 = 0;

pub(super) fn run(model: &str, args: &CheckArgs, settings: &Settings, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let name = Name::new(model);
    let (routing, cap) = routing(settings, &name)?;
    let now = now();
    let asked = Asked { settings, prompt: Tokens::new(args.prompt_tokens.unwrap_or(PROMPT_TOKENS)), cap };
    let degrade = args.short.as_deref().map(|budget| short(settings, &routing, budget)).transpose()?;
    let (mut tried, mut fault) = (Vec::new(), None);
    for failed in &args.failed {
        let (endpoint, kind) = read_failed(failed)?;
        let failure = Fault::new(kind, Origin::Provider, "named on the command line");
        let rest = rest(&settings.retry, &failure, now);
        tried.push(Tried { endpoint, class: FallbackOn::of(&failure), rest, avoid_next: false });
        fault = Some(failure);
    }
    let make = |tried: &[Tried], now: Timestamp| {
        let input = PlanInput {
            models: routing.models(),
            degrade: degrade.as_ref(),
            tried,
            fault: fault.as_ref(),
            affinity: args.session.as_deref().map(affinity),
            chance: CHANCE,
            now,
        };
        plan(&input, &|endpoint| asked.state(endpoint))
    };
    let mut made = make(&tried, now);
    let mut after = None;
    if let (Some(fault), Some(last)) = (&fault, tried.last().map(|last| last.endpoint.clone())) {
        let allowed = routing.models().get(degrade.as_ref().map_or(0, |degrade| degrade.level));
        let situation = RetrySituation {
            attempts_made: u8::try_from(tried.len()).unwrap_or(u8::MAX),
            first_byte_delivered: false,
            client_forbids: false,
            now,
            deadline: now.saturating_add(settings.deadlines.total),
            other_endpoints: made.leads_elsewhere(&last),
            fallback_allowed: allowed.is_some_and(|model| model.rules.allows(fault)),
        };
        // The longest that chance can make the wait.
        let verdict = decide(&settings.retry, fault, &situation, u64::MAX);
        if let (RetryVerdict::Again { wait, avoid_endpoint }, Some(newest)) = (verdict, tried.last_mut()) {
            newest.avoid_next = avoid_endpoint;
            made = make(&tried, now.saturating_add(wait));
        }
        after = Some(verdict);
    }
    show(&asked, &made, after, ui)
}

/// A request of which only its sizes are known.
struct Asked<'a> {
    settings: &'a Settings,
    prompt: Tokens,
    cap: Tokens,
}

impl Asked<'_> {
    fn state(&self, endpoint: &ModelName) -> EndpointState {
        let price = self.settings.prices.get(endpoint);
        let max_input = price.and_then(|price| price.max_input);
        let offer = match price {
            None => Offer::Unpriced,
            Some(_) if max_input.is_some_and(|most| self.prompt > most) => Offer::TooLong,
            Some(price) => self.ceiling(price),
        };
        EndpointState { open_until: None, exhausted_until: None, latency: None, offer, max_input }
    }

    fn ceiling(&self, price: &Price) -> Offer {
        let input = QuoteInput {
            text: TextMeasure { ascii: self.prompt.get(), other: 0 },
            messages: 0,
            tools: 0,
            media_tokens: Tokens::ZERO,
            exact: None,
            counted: None,
            names: 0,
            segments: 0,
            n: 1,
            client_cap: None,
            default_cap: self.cap,
            price,
            bound: TokenBound::Bytes,
            framing: NO_FRAMING,
            multiplier: Multiplier::ONE,
        };
        quote(&input).map_or(Offer::Unpriced, |quote| Offer::Ceiling(quote.ceiling.usd))
    }

    /// What a million tokens of input and of output cost, as the ceiling takes them.
    fn rates(&self, endpoint: &ModelName) -> (String, String) {
        let price = self.settings.prices.get(endpoint);
        if price.is_some_and(|price| price.free) {
            return ("free".to_owned(), "free".to_owned());
        }
        match price.and_then(|price| price.dearest(self.prompt)) {
            Some(dearest) => (per_million(dearest.input), per_million(dearest.output)),
            None => ("-".to_owned(), "-".to_owned()),
        }
    }
}

/// A picodollar a token is a thousand nanodollars a million of them.
fn per_million(rate: PicoUsdPerToken) -> String {
    let nano = rate.get().checked_mul(1_000).and_then(|nano| i64::try_from(nano).ok());
    nano.map_or_else(|| "-".to_owned(), |nano| NanoUsd::new(nano).to_string())
}

fn routing(settings: &Settings, name: &Name) -> Result<(Routing, Tokens), CliError> {
    if let Some(model) = settings.models.get(name) {
        return Ok((Routing::of_model(settings, name, model), model.max_output_tokens));
    }
    let endpoint = ModelName::parse(name).filter(|endpoint| settings.providers.contains_key(&endpoint.provider));
    if let Some(endpoint) = endpoint {
        return Ok((Routing::direct(settings, endpoint), settings.headroom.default_output_tokens));
    }
    let known: Vec<&str> = settings.models.keys().map(Name::as_str).collect();
    let there_are = if known.is_empty() { "no [models.NAME]".to_owned() } else { known.join(", ") };
    Err(CliError::new(Exit::NotFound, format!("there is no model `{name}`"))
        .help(format!("there are: {there_are}; or write provider/model")))
}

fn short(settings: &Settings, routing: &Routing, budget: &str) -> Result<Degrade, CliError> {
    let name = Name::new(budget);
    if settings.budgets.find(budget).is_none() {
        return Err(CliError::new(Exit::NotFound, format!("there is no budget `{budget}`")));
    }
    if !settings.degrade.budgets.contains_key(&name) {
        return Err(CliError::usage(format!("budget `{budget}` refuses; it has no `on_full = \"degrade\"`")));
    }
    Ok(Degrade { level: usize::from(routing.models().len() > 1), budget: name })
}

/// `openai/gpt-5=server_error`.
fn read_failed(text: &str) -> Result<(ModelName, FaultKind), CliError> {
    let form = || CliError::usage(format!("`{text}` is not of the form provider/model=fault"));
    let (endpoint, word) = text.rsplit_once('=').ok_or_else(form)?;
    let endpoint = ModelName::parse(endpoint).ok_or_else(form)?;
    let kind = FaultKind::ALL.into_iter().find(|kind| kind.word() == word);
    let kind = kind.ok_or_else(|| {
        let words: Vec<&str> = FaultKind::ALL.into_iter().map(FaultKind::word).collect();
        CliError::usage(format!("`{word}` is not a fault")).help(format!("there are: {}", words.join(", ")))
    })?;
    Ok((endpoint, kind))
}

fn show(asked: &Asked<'_>, made: &Plan, after: Option<RetryVerdict>, ui: &mut Ui<'_>) -> Result<(), CliError> {
    if ui.format == Format::Json {
        let mut place = 0;
        for step in &made.steps {
            place += usize::from(step.reason.is_used());
            ui.json(&step_json(asked, made, step, step.reason.is_used().then_some(place)))?;
        }
        return after.map_or(Ok(()), |verdict| ui.json(&after_json(verdict)));
    }
    if ui.format == Format::Table {
        let (model, prompt, cap) = (&made.model, asked.prompt.get(), asked.cap.get());
        ui.text(&format!("Plan for `{model}`: a prompt of {prompt} tokens, an answer of at most {cap}.\n\n"))?;
    }
    let mut place = 0;
    let rows: Vec<Vec<String>> = made
        .steps
        .iter()
        .map(|step| {
            place += usize::from(step.reason.is_used());
            let (input, output) = asked.rates(&step.endpoint);
            vec![
                if step.reason.is_used() { place.to_string() } else { "-".to_owned() },
                step.endpoint.to_string(),
                step.ceiling.map_or_else(|| "-".to_owned(), |usd| usd.to_string()),
                input,
                output,
                step.reason.word().to_owned(),
                step.reason.to_string(),
            ]
        })
        .collect();
    let headers = ["", "endpoint", "ceiling", "input per million", "output per million", "reason", ""];
    ui.list(&headers, &rows, Clone::clone)?;
    match after {
        Some(verdict) if ui.format == Format::Table => ui.text(&format!("\n{}\n", sentence(verdict))),
        _ => Ok(()),
    }
}

/// `{"kind":"plan_step","place":1,"endpoint":"openai/gpt-5","reason":"chosen",…}`; `place` is null
/// for what is left out.
fn step_json(asked: &Asked<'_>, made: &Plan, step: &Step, place: Option<usize>) -> Value {
    let (input, output) = asked.rates(&step.endpoint);
    json!({
        "kind": "plan_step",
        "model": made.model.as_str(),
        "place": place,
        "endpoint": step.endpoint.to_string(),
        "reason": step.reason.word(),
        "sentence": step.reason.to_string(),
        "ceiling": step.ceiling.map(|usd| usd.to_decimal()),
        "input_per_million": input,
        "output_per_million": output,
        "prompt_tokens": asked.prompt.get(),
        "max_output_tokens": asked.cap.get(),
    })
}

/// `{"kind":"plan_after","verdict":"again","wait_at_most":"2s"}`.
fn after_json(verdict: RetryVerdict) -> Value {
    match verdict {
        RetryVerdict::Again { wait, avoid_endpoint } => json!({
            "kind": "plan_after", "verdict": "again", "wait_at_most": format_duration(wait),
            "elsewhere": avoid_endpoint,
        }),
        RetryVerdict::GiveUp(why) => {
            json!({ "kind": "plan_after", "verdict": "give_up", "sentence": give_up(why) })
        }
    }
}

fn sentence(verdict: RetryVerdict) -> String {
    match verdict {
        RetryVerdict::Again { wait, .. } if wait.is_zero() => "The next attempt follows at once.".to_owned(),
        RetryVerdict::Again { wait, .. } => format!("The next attempt follows within {}.", format_duration(wait)),
        RetryVerdict::GiveUp(why) => format!("No further attempt is made: {}.", give_up(why)),
    }
}

fn give_up(why: GiveUp) -> &'static str {
    match why {
        GiveUp::NotRetryable => "a repetition cannot help, or might be billed twice, and there is no other endpoint",
        GiveUp::AttemptsSpent => "the request has had all its attempts (retry.max_retries)",
        GiveUp::WaitTooLong { .. } => "the provider asks for more patience than retry.max_wait",
        GiveUp::ClientAskedNotTo => "the client said so",
        GiveUp::PastDeadline => "the wait would end after deadlines.total",
        GiveUp::BytesDelivered => "the client has bytes of the answer already",
    }
}
