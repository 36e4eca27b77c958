//! `haltline replay`: a stream or a session as its client saw it, with the pauses that there were.
//! What is shown when is decided in `replay/score.rs`, before anything is shown.

mod score;
mod text;

use super::admin::{Admin, IfAbsent, configuration, connect};
use super::args::Global;
use super::block_on;
use super::exit::{CliError, Exit};
use super::trace::{Glyphs, Style, find};
use super::ui::{Format, Ui};
use crate::config::Paint;
use clap::Args;
use haltline_http::timeline::{BatchLine, StreamLine, Timeline};
use haltline_types::RequestId;
use score::{Cue, Show, score};
use serde_json::json;
use std::time::Duration;

/// More events than this are not loaded, in bytes.
const EVENTS_BYTES_MAX: usize = 256 << 20;

/// `haltline replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// A request (req_…), a trace id, or a session
    pub id: String,
    /// How fast: 4x is four times as fast as it was, 0.5x half as fast, max without pauses
    #[arg(long, default_value = "1x", value_name = "N", value_parser = speed)]
    pub speed: Speed,
    /// The bytes of the events as they went out, and nothing else
    #[arg(long)]
    pub raw: bool,
    /// Of a trace or session: only this key's requests
    #[arg(long)]
    pub key: Option<String>,
    /// Of a trace or session: only this user's requests
    #[arg(long)]
    pub user: Option<String>,
}

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it was: from 0.01 to 1000.
    Times(f64),
    /// Without pauses.
    Max,
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let times = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    times
        .filter(|times| (0.01..=1000.0).contains(times))
        .map(Speed::Times)
        .ok_or_else(|| format!("`{text}` is no speed; write one like 4x or 0.5x, from 0.01x to 1000x, or max"))
}

impl Speed {
    /// A pause at this speed.
    fn pause(self, pause: Duration) -> Duration {
        match self {
            Self::Times(times) => pause.div_f64(times.clamp(0.01, 1000.0)),
            Self::Max => Duration::ZERO,
        }
    }
}

/// A stream with all its events.
#[derive(Clone, Debug, Default)]
struct Kept {
    stream: StreamLine,
    batches: Vec<BatchLine>,
}

pub(super) fn run(
    args: &ReplayArgs,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    let (all, is_whole) = block_on(async {
        let admin = connect(&loaded, IfAbsent::Refuse, env)?;
        load(admin.as_ref(), args).await
    })?;
    if !is_whole {
        ui.note("Not everything is shown: there are more events than can be loaded.");
    }
    if all.iter().all(|(_, kept)| kept.is_none()) {
        let message = format!("no stream of `{}` is kept", args.id);
        return Err(CliError::new(Exit::NotFound, message)
            .help("streams are kept for `[streams] keep_for`; `haltline trace` shows what happened all the same"));
    }
    let style = Style { paint: ui.out_paint, glyphs: Glyphs::of(env) };
    play(&score(&all), args, style, ui, &mut std::thread::sleep)
}

/// The requests that are meant, each with its stream where it is kept; and whether that is all.
async fn load(admin: &dyn Admin, args: &ReplayArgs) -> Result<(Vec<(Timeline, Option<Kept>)>, bool), CliError> {
    let found = match find(admin, &args.id, args.key.as_deref(), args.user.as_deref()).await {
        // A request that runs, or died with its process, has a stream and no record.
        Err(error) if error.exit == Exit::NotFound && args.id.parse::<RequestId>().is_ok() => {
            vec![Timeline { id: args.id.clone(), ..Timeline::default() }]
        }
        found => found?,
    };
    let mut all = Vec::with_capacity(found.len());
    let mut room = EVENTS_BYTES_MAX;
    for timeline in found {
        if room == 0 {
            return Ok((all, false));
        }
        let kept = stream(admin, &timeline.id, &mut room).await?;
        all.push((timeline, kept));
    }
    Ok((all, room > 0))
}

/// All events of a stream, as far as there is room; none when it is not kept.
async fn stream(admin: &dyn Admin, id: &str, room: &mut usize) -> Result<Option<Kept>, CliError> {
    let mut kept = Kept::default();
    let mut after = 0;
    loop {
        let (stream, batches) = match admin.stream(id, after).await {
            Ok(page) => page,
            Err(error) if error.exit == Exit::NotFound && after == 0 => return Ok(None),
            Err(error) => return Err(error),
        };
        kept.stream = stream;
        let Some(last) = batches.last() else { return Ok(Some(kept)) };
        let last = last.first.saturating_add(u64::try_from(last.events.len()).unwrap_or(0)).saturating_sub(1);
        let bytes = batches.iter().flat_map(|batch| &batch.events).map(String::len).sum();
        *room = room.saturating_sub(bytes);
        kept.batches.extend(batches);
        if last <= after || *room == 0 {
            return Ok(Some(kept));
        }
        after = last;
    }
}

/// Shows one cue after the other.
fn play(
    cues: &[Cue],
    args: &ReplayArgs,
    style: Style,
    ui: &mut Ui<'_>,
    sleep: &mut dyn FnMut(Duration),
) -> Result<(), CliError> {
    // Does the cursor stand at the beginning of a line?
    let mut at_start = true;
    for cue in cues {
        let pause = args.speed.pause(cue.pause);
        if !pause.is_zero() {
            sleep(pause);
        }
        match (&cue.show, args.raw, ui.format) {
            (Show::Event { raw, .. }, true, _) => ui.bytes(raw.as_bytes())?,
            (Show::Status { .. }, true, _) => {}
            (Show::Event { number, text, .. }, false, Format::Json) => {
                ui.json(&json!({"request": cue.request, "at_ms": cue.at_ms, "event": number, "text": text}))?;
            }
            (Show::Status { step, text }, false, Format::Json) => {
                ui.json(&json!({"request": cue.request, "at_ms": cue.at_ms, "step": step, "text": text}))?;
            }
            (Show::Event { text, .. }, false, Format::Table | Format::Csv) => {
                if let Some(last) = text.chars().last() {
                    ui.bytes(shown(text, style).as_bytes())?;
                    at_start = last == '\n';
                }
            }
            (Show::Status { step, text }, false, Format::Table | Format::Csv) => {
                let line = status(step, text, style);
                ui.bytes(format!("{}{line}\n", if at_start { "" } else { "\n" }).as_bytes())?;
                at_start = true;
            }
        }
    }
    Ok(())
}

/// An answer's text without what a terminal would obey.
fn shown(text: &str, style: Style) -> String {
    let harmless = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    match style.glyphs {
        Glyphs::Unicode => text.chars().map(harmless).collect(),
        Glyphs::Ascii => text.chars().map(harmless).map(|c| if c.is_ascii() { c } else { '?' }).collect(),
    }
}

fn status(step: &str, text: &str, style: Style) -> String {
    let rule = match style.glyphs {
        Glyphs::Unicode => "──",
        Glyphs::Ascii => "--",
    };
    let line = shown(&format!("{step}: {text}"), style).replace('\n', " ");
    match style.paint {
        Paint::Ansi => format!("\u{1b}[2m{rule} {line}\u{1b}[0m"),
        Paint::None => format!("{rule} {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Global;

    fn cues() -> Vec<Cue> {
        let cue = |pause, show| {
            let at_ms = 0;
            Cue { pause: Duration::from_millis(pause), request: "req_7".to_owned(), at_ms, show }
        };
        let event =
            |number, text: &str| Show::Event { number, text: text.to_owned(), raw: format!("data: {text}\n\n") };
        let step = |step: &str, text: &str| Show::Status { step: step.to_owned(), text: text.to_owned() };
        vec![
            cue(0, step("arrived", "the request is there")),
            cue(800, event(1, "")),
            cue(0, event(2, "Hel")),
            cue(400, event(3, "lo\u{1b}[2J")),
            cue(0, step("ended", "answered")),
        ]
    }

    fn played(words: &[&str], format: Option<Format>) -> (String, Vec<Duration>) {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ReplayArgs,
        }
        let words = ["replay", "req_7"].iter().chain(words);
        let args = <Line as clap::Parser>::try_parse_from(words).expect("a command line").args;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut slept = Vec::new();
        let global = Global { format, ..Global::default() };
        let mut ui = Ui::new(&mut out, &mut err, &global, true, false);
        let style = Style { paint: Paint::None, glyphs: Glyphs::Ascii };
        play(&cues(), &args, style, &mut ui, &mut |pause| slept.push(pause)).expect("played");
        (String::from_utf8(out).expect("text"), slept)
    }

    #[test]
    fn text_comes_as_it_came_with_status_lines_between() {
        let (out, slept) = played(&["--speed", "4x"], None);
        assert_eq!(out, "-- arrived: the request is there\nHello?[2J\n-- ended: answered\n");
        assert_eq!(slept, [Duration::from_millis(200), Duration::from_millis(100)]);
        assert_eq!(played(&[], None).1, [Duration::from_millis(800), Duration::from_millis(400)]);
        assert!(played(&["--speed", "max"], None).1.is_empty());
    }

    #[test]
    fn raw_is_what_went_out_and_programs_get_lines() {
        let (raw, _) = played(&["--raw", "--speed", "max"], None);
        assert_eq!(raw, "data: \n\ndata: Hel\n\ndata: lo\u{1b}[2J\n\n");
        let (json, _) = played(&["--speed", "max"], Some(Format::Json));
        let third = json.lines().nth(2).expect("a line");
        assert_eq!(third, r#"{"request":"req_7","at_ms":0,"event":2,"text":"Hel"}"#);
    }

    #[test]
    fn speeds_are_numbers_with_bounds() {
        assert_eq!(speed("4x"), Ok(Speed::Times(4.0)));
        assert_eq!(speed("0.5"), Ok(Speed::Times(0.5)));
        for bad in ["0x", "-1x", "NaN", "infx", "fast", "1001x", ""] {
            assert!(speed(bad).is_err(), "{bad}");
        }
    }
}
