//! Screen input: does the latest turn try to take over the model? Local rules look first, then
//! external services; what follows is decided by the strictest mode that applies. What is forwarded
//! is always what was sent.

use crate::gateway::{Gateway, Live};
use crate::guard::redactor;
use crate::guard::settings::{Mode, Part, Reach};
use crate::guard::{CaseFinding, Found, Matter, Verdict, case_id, case_material};
use crate::incoming::Surface;
use crate::line::accept::Request;
use crate::line::consulted;
use crate::line::trip::Trip;
use crate::metrics::GuardTimeLabels;
use crate::problem::Problem;
use haltline_guard::Category;
use haltline_guard::input::{Allow, Finding, Findings, Severity, ViewKind};
use haltline_ports::{Direction, What};
use haltline_types::{Code, Name};
use haltline_wire::spoken::{By, Extent, Spoken, spoken, spoken_by_user};
use std::borrow::Cow;
use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Looks at the texts of a request.
pub(crate) async fn screen_input(
    gateway: &Arc<Gateway>,
    live: &Live,
    request: &Request,
    trip: &mut Trip,
) -> Result<(), Problem> {
    // A judge is asked about texts that are attacks.
    if request.surface() == Surface::Guard {
        return Ok(());
    }
    let guard = &live.settings.guard.input;
    let mode = guard.mode_for(&request.model, request.subjects.team.as_ref(), request.strict);
    let is_off = mode == Mode::Off && guard.secrets == Mode::Off;
    let is_off = is_off && !gateway.consults(Direction::Input);
    if is_off && guard.rules.values().all(|mode| *mode == Mode::Off) {
        return Ok(());
    }
    let began = Instant::now();
    trip.guard.looked = true;
    let scanned = scan(live, texts_of(live, request)).await;
    let session = request.subjects.session.as_ref().filter(|_| guard.reach == Reach::Session);
    let carried = session.map_or(0, |session| gateway.carried.of(&request.owner, session));
    let (mut refused, mut cases): (Option<Refused>, u32) = (None, 0);
    if scanned.iter().any(|one| !one.findings.findings.is_empty())
        && let Err(error) = gateway.cases.prepare(gateway.clock.now()).await
    {
        tracing::warn!(%error, "what operators have allowed cannot be read; nothing is allowed");
    }
    for Scanned { text, findings } in &scanned {
        let mut judged = judge(gateway, live, request, findings, mode, carried);
        if judged.verdict == Verdict::Allowed {
            continue;
        }
        // Some cases tell people enough of one request: it must not drive others' out of the queue.
        cases += u32::from(judged.verdict >= Verdict::Flagged);
        let is_case = cases <= CASES_MAX || (judged.verdict == Verdict::Blocked && refused.is_none());
        let id = remember(gateway, live, request, trip, (text, is_case), findings, &mut judged).await;
        if let (Verdict::Blocked, Some(id), None) = (judged.verdict, id, &refused) {
            refused = Some((id, text.place.clone(), judged.category));
        }
    }
    if let Some(session) = session {
        let points = scanned.iter().map(|one| one.findings.points).fold(0, u32::saturating_add);
        gateway.carried.add(&request.owner, session, points);
    }
    let waited = trip.waited;
    let services = match refused {
        Some(_) => Ok(None),
        None => ask_services(gateway, live, request, trip, &scanned).await,
    };
    trip.guard.input_took = began.elapsed();
    // Waiting for others is no time of the gateway's own.
    let own = trip.guard.input_took.saturating_sub(trip.waited.saturating_sub(waited));
    if trip.guard.looked {
        let labels = GuardTimeLabels { what: "input" };
        gateway.metrics.guard_time.get_or_create(&labels).observe(own.as_secs_f64());
    }
    if let Some(step) = trip.guard.step(Direction::Input) {
        trip.step(What::Guarded(Box::new(step)));
    }
    match services?.or(refused) {
        None => Ok(()),
        Some((id, place, category)) => Err(blocked(&id, category).about(place)),
    }
}

/// The case, where the text stands, and what kind of thing it is.
type Refused = (String, String, Category);

/// What external services think of all texts together.
async fn ask_services(
    gateway: &Arc<Gateway>,
    live: &Live,
    request: &Request,
    trip: &mut Trip,
    scanned: &[Scanned],
) -> Result<Option<Refused>, Problem> {
    let texts: Vec<&Spoken> = scanned.iter().map(|one| &one.text).filter(|text| !text.joined).collect();
    let flagged = trip.guard.input > Verdict::Allowed;
    let Some(objection) = consulted::about_input(gateway, request, trip, &texts, flagged).await? else {
        return Ok(None);
    };
    let (mut verdict, mut found) = (objection.verdict, objection.found);
    if verdict < Verdict::Flagged {
        return Ok(None);
    }
    found.retain(|one| one.verdict >= Verdict::Flagged && one.verdict != Verdict::Error);
    let said: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
    let said = said.join("\n");
    let now = gateway.clock.now();
    let id = case_id(&gateway.keys.hash(&case_material(&request.owner, Direction::Input.word(), &said)));
    if verdict == Verdict::Blocked && gateway.cases.passes_once(&id, now).await {
        verdict = Verdict::Flagged;
    }
    let findings = found.iter().map(|one| CaseFinding {
        rule: one.rule.to_string(),
        category: one.category.word().to_owned(),
        place: one.place.clone(),
        span: None,
        points: 0,
        view: "service".to_owned(),
    });
    let matter = Matter {
        owner: &request.owner,
        session: request.subjects.session.as_ref(),
        model: &request.model,
        request: trip.id.to_string(),
        found: &found,
        findings: findings.collect(),
        rules_version: "-",
        text: &said,
        now,
    };
    let shown = shown(&said).await;
    gateway.cases.note(id.clone(), matter, &shown, live.settings.guard.review).await;
    let place = texts.first().map(|text| text.place.clone()).unwrap_or_default();
    Ok((verdict == Verdict::Blocked).then_some((id, place, Category::External)))
}

/// A text and what rules found in it.
struct Scanned {
    text: Spoken,
    findings: Findings,
}

/// Texts of more bytes are looked at by threads that serve nobody meanwhile.
const ON_THE_SPOT: usize = 64 << 10;
/// Cases of one request.
const CASES_MAX: u32 = 8;

/// Long texts are looked at by half of the processors, so that whoever sends many of them delays
/// nobody else.
static LONG: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    Semaphore::new(processors.div_ceil(2))
});

async fn scan(live: &Live, texts: Vec<Spoken>) -> Vec<Scanned> {
    let guard = &live.settings.guard.input;
    let (ruleset, secrets) = (Arc::clone(&guard.ruleset), guard.secrets != Mode::Off);
    let bytes: usize = texts.iter().map(|text| text.text.len()).sum();
    let scan = move || -> Vec<Scanned> {
        let mut scanned = Vec::with_capacity(texts.len());
        for text in texts {
            let mut findings = ruleset.scan_all(&text.text, &Allow::none());
            if secrets {
                note_secrets(&text.text, &mut findings);
            }
            scanned.push(Scanned { text, findings });
        }
        once(&mut scanned);
        scanned
    };
    if bytes <= ON_THE_SPOT {
        return scan();
    }
    // It goes with the work: whoever leaves meanwhile makes no room.
    let room = LONG.acquire().await;
    let scan = move || {
        let _room = room;
        scan()
    };
    match tokio::task::spawn_blocking(scan).await {
        Ok(scanned) => scanned,
        Err(broken) => std::panic::resume_unwind(broken.into_panic()),
    }
}

/// What was read in pieces and in one counts once: as it weighs more.
fn once(scanned: &mut [Scanned]) {
    for place in 0..scanned.len() {
        let (pieces, rest) = scanned.split_at_mut(place);
        let Some(whole) = rest.first_mut().filter(|one| one.text.joined) else { continue };
        let mut pieces: Vec<&mut Scanned> =
            pieces.iter_mut().filter(|one| !one.text.joined && whole.is_made_of(&one.text)).collect();
        if pieces.iter().any(|piece| piece.findings.points >= whole.findings.points) {
            whole.findings = Findings::default();
        } else {
            pieces.iter_mut().for_each(|piece| piece.findings = Findings::default());
        }
    }
}

impl Scanned {
    fn is_made_of(&self, piece: &Spoken) -> bool {
        self.text.by == piece.by && piece.place.starts_with(&self.text.place)
    }
}

/// Credentials count no points: what follows from them is a setting of its own.
fn note_secrets(text: &str, findings: &mut Findings) {
    for hit in redactor::secrets(text) {
        let from = usize::try_from(hit.at).unwrap_or(usize::MAX);
        let known = findings.findings.iter().any(|finding| finding.rule == hit.rule);
        if !known {
            findings.findings.push(Finding {
                rule: hit.rule,
                category: Category::Secret,
                severity: Severity::High,
                points: 0,
                span: Some(from..from.saturating_add(hit.length)),
                view: ViewKind::Plain,
                quoted: false,
            });
        }
    }
}

/// What a client is told: the category, and a reference for whoever can look at the case. Not the
/// rule: that would be a lesson.
fn blocked(id: &str, category: Category) -> Problem {
    let what = match category {
        Category::Secret => "a credential",
        Category::Personal => "personal data",
        Category::External => "a guard service objects",
        Category::Phrase => "a forbidden phrase",
        Category::PromptExtraction | Category::PromptLeak => "it asks for confidential instructions",
        _ => "it reads like a prompt injection",
    };
    let message = format!(
        "This request is blocked by policy ({what}). Rephrase it; if that is wrong, tell the operator the reference {id}."
    );
    Problem::new(Code::ContentBlocked, message)
}

/// What follows from the findings in one text.
struct Judged {
    verdict: Verdict,
    /// Of the finding that weighs most.
    category: Category,
    /// What each finding leads to, in their order.
    modes: Vec<Mode>,
}

fn judge(gateway: &Gateway, live: &Live, request: &Request, findings: &Findings, mode: Mode, carried: u32) -> Judged {
    let guard = &live.settings.guard.input;
    let mode_of = |finding: &Finding| {
        if gateway.cases.is_rule_allowed(&finding.rule, &request.owner.key) {
            return Mode::Off;
        }
        if finding.category == Category::Secret {
            let own = if request.strict { guard.secrets.max(Mode::Block) } else { guard.secrets };
            return if guard.secrets == Mode::Off { Mode::Off } else { own };
        }
        guard.mode_of(&finding.rule, mode, request.strict)
    };
    let modes: Vec<Mode> = findings.findings.iter().map(mode_of).collect();
    // Points of rules under a mode count for it and for everything more lenient.
    let points = |at_least: Mode| -> u32 {
        let counted = findings.findings.iter().zip(&modes).filter(|(_, mode)| **mode >= at_least);
        let own = counted.map(|(finding, _)| finding.points).fold(0, u32::saturating_add).min(findings.points);
        // What turns before have counted weighs only where this one counts as well.
        if own > 0 && mode >= at_least { own.saturating_add(carried) } else { own }
    };
    let verdict = if points(Mode::Block) >= guard.threshold.block_at {
        Verdict::Blocked
    } else if points(Mode::Flag) >= guard.threshold.flag_at {
        Verdict::Flagged
    } else if points(Mode::Shadow) >= guard.threshold.flag_at {
        Verdict::Shadow
    } else {
        Verdict::Allowed
    };
    let secrets = findings.findings.iter().zip(&modes).filter(|(finding, _)| finding.category == Category::Secret);
    let verdict = secrets.map(|(_, mode)| Verdict::under(*mode)).fold(verdict, Verdict::max);
    let category = findings.findings.first().map_or(Category::Override, |finding| finding.category);
    Judged { verdict, category, modes }
}

/// The texts that are looked at.
fn texts_of(live: &Live, request: &Request) -> Vec<Spoken> {
    let guard = &live.settings.guard.input;
    let extent = if guard.reach == Reach::All { Extent::All } else { Extent::LatestTurn };
    // Turns that a session supplied were looked at when they came.
    let asked = match (&request.own, extent) {
        (Some(own), Extent::LatestTurn) => own,
        _ => &request.asked,
    };
    let tools = guard.parts.contains(&Part::ToolDescription);
    // What a browser sends is its user's, whoever it claims to be.
    let read = if request.is_key_itself { spoken } else { spoken_by_user };
    let mut texts = read(asked.dialect(), asked.material(), extent, tools);
    texts.retain(|text| part_of(text.by).is_some_and(|part| guard.parts.contains(&part)));
    texts
}

fn part_of(by: By) -> Option<Part> {
    match by {
        By::User => Some(Part::User),
        By::Tool => Some(Part::ToolResult),
        By::Document => Some(Part::Document),
        By::ToolDescription => Some(Part::ToolDescription),
        // The operator's own words, and the model's, are no attack on the model.
        By::System | By::Assistant => None,
    }
}

/// Notes what was found. Gives the case where there is one, and makes the verdict milder where an
/// operator has allowed this text to pass once.
async fn remember(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    trip: &mut Trip,
    (text, is_case): (&Spoken, bool),
    findings: &Findings,
    judged: &mut Judged,
) -> Option<String> {
    let now = gateway.clock.now();
    let mut case = None;
    if judged.verdict >= Verdict::Flagged {
        let id = case_id(&gateway.keys.hash(&case_material(&request.owner, Direction::Input.word(), &text.text)));
        if judged.verdict == Verdict::Blocked && gateway.cases.passes_once(&id, now).await {
            judged.verdict = Verdict::Flagged;
        }
        case = Some(id);
    }
    let mut found = Vec::with_capacity(findings.findings.len());
    for (finding, mode) in findings.findings.iter().zip(&judged.modes).filter(|(_, mode)| **mode > Mode::Off) {
        found.push(Found {
            rule: Name::new(&finding.rule),
            category: finding.category,
            direction: Direction::Input,
            verdict: Verdict::under(*mode).min(judged.verdict),
            place: text.place.clone(),
            bytes: finding.span.as_ref().map_or(0, |span| span.len()),
            times: 1,
        });
    }
    for one in &found {
        trip.guard.note(one.clone());
        gateway.metrics.note_guard(one);
    }
    let id = case.filter(|_| is_case)?;
    let noted = findings.findings.iter().map(|finding| CaseFinding {
        rule: finding.rule.to_string(),
        category: finding.category.word().to_owned(),
        place: text.place.clone(),
        span: finding.span.as_ref().map(|span| (span.start, span.end)),
        points: finding.points,
        view: finding.view.word().to_owned(),
    });
    let matter = Matter {
        owner: &request.owner,
        session: request.subjects.session.as_ref(),
        model: &request.model,
        request: trip.id.to_string(),
        found: &found,
        findings: noted.collect(),
        rules_version: live.settings.guard.input.ruleset.version(),
        text: &text.text,
        now,
    };
    let shown = shown(&text.text).await;
    gateway.cases.note(id.clone(), matter, &shown, live.settings.guard.review).await;
    Some(id)
}

/// What people see of a text; a long one is cleaned by threads that serve nobody meanwhile.
async fn shown(text: &str) -> Cow<'_, str> {
    if text.len() <= ON_THE_SPOT {
        return redactor::redacted(text);
    }
    let said = text.to_owned();
    let clean = tokio::task::spawn_blocking(move || redactor::redacted(&said).into_owned()).await;
    Cow::Owned(clean.unwrap_or_default())
}
