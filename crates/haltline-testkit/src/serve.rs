//! One call, from its head to its answer: carries a behaviour out and writes the bill. How bytes
//! look is in `answer.rs`, what they cost in `bill.rs`.

use crate::answer::{self, DONE, Voice};
use crate::behaviour::{Answer, Behaviour, Ending, Garbage, RetryAfter, StatusAnswer, StatusBilling, Writing};
use crate::bill::{Line, Outcome, Start, Visit};
use crate::body::{AnswerBody, Piece};
use crate::provider::{Rules, Shared};
use crate::request::ChatRequest;
use crate::socket::ResetSwitch;
use crate::{ATTEMPT_HEADER, CLIENT_REQUEST_ID, words};
use bytes::Bytes;
use haltline_types::{Timestamp, Tokens};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// Answers `POST /v1/chat/completions`. An error closes the connection.
pub(crate) async fn chat(
    shared: &Shared,
    visit: Visit,
    headers: &HeaderMap,
    body: &[u8],
    reset: &ResetSwitch,
) -> io::Result<Response<AnswerBody>> {
    let rules = shared.rules();
    if let Some(key) = &shared.config.api_key
        && headers.get(header::AUTHORIZATION).is_none_or(|given| given.as_bytes() != format!("Bearer {key}").as_bytes())
    {
        shared.book.count_rejected();
        return Ok(error(StatusCode::UNAUTHORIZED, "Incorrect API key provided."));
    }
    let request = match ChatRequest::parse(body, shared.config.bytes_per_token) {
        Ok(request) => request,
        Err(message) => {
            shared.book.count_rejected();
            return Ok(error(StatusCode::BAD_REQUEST, &message));
        }
    };
    let behaviour = words::apply(shared.draw(), &request.prompt);
    let call = Call { shared, rules, request, headers, reset };
    match behaviour {
        Behaviour::Answer(answer) => call.answer(visit, answer).await,
        Behaviour::Status(status) => Ok(call.status(visit, &status)),
        Behaviour::StallBeforeHead => {
            let _line = call.begin(visit, call.planned(None));
            std::future::pending().await
        }
        Behaviour::ResetBeforeHead => {
            call.begin(visit, call.planned(None)).end(Outcome::BrokenOff);
            reset.set();
            Err(io::Error::other("the behaviour resets the connection here"))
        }
        Behaviour::Garbage(garbage) => Ok(call.garbage(visit, garbage)),
    }
}

struct Call<'a> {
    shared: &'a Shared,
    rules: Rules,
    request: ChatRequest,
    headers: &'a HeaderMap,
    reset: &'a ResetSwitch,
}

impl Call<'_> {
    fn output_of_choice(&self, wished: Option<Tokens>) -> Tokens {
        self.request.output_of_choice(wished, self.rules.tokens, self.shared.config.uncapped_output)
    }

    fn planned(&self, wished: Option<Tokens>) -> Tokens {
        Tokens::new(self.output_of_choice(wished).get().saturating_mul(self.request.choices))
    }

    fn begin(&self, visit: Visit, planned: Tokens) -> Line {
        let named = self.headers.get(ATTEMPT_HEADER).or_else(|| self.headers.get(CLIENT_REQUEST_ID));
        let attempt = named.and_then(|name| name.to_str().ok()).map(str::to_owned);
        let start = Start {
            request: &self.request,
            attempt,
            planned,
            prices: self.shared.prices(&self.request.model),
            cut: self.rules.cut_billing,
        };
        Line::begin(visit, start)
    }

    fn status(&self, visit: Visit, status: &StatusAnswer) -> Response<AnswerBody> {
        match status.billing {
            StatusBilling::BeforeInference => self.shared.book.count_rejected(),
            StatusBilling::AfterInference => {
                let line = self.begin(visit, self.planned(None));
                line.produced_all();
                line.end(Outcome::ErrorStatus);
            }
        }
        let code = StatusCode::from_u16(status.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = error(code, "The fake provider was told to answer so.");
        let headers = response.headers_mut();
        match status.retry_after {
            None => {}
            Some(RetryAfter::Secs(secs)) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
            }
            Some(RetryAfter::Millis(millis)) => {
                headers.insert("retry-after-ms", HeaderValue::from(millis));
            }
            Some(RetryAfter::HttpDate(secs)) => {
                if let Ok(date) = HeaderValue::from_str(&http_date(now().saturating_add(Duration::from_secs(secs)))) {
                    headers.insert(header::RETRY_AFTER, date);
                }
            }
        }
        if let Some(should) = status.should_retry {
            headers.insert("x-should-retry", HeaderValue::from_static(if should { "true" } else { "false" }));
        }
        response
    }

    fn garbage(&self, visit: Visit, garbage: Garbage) -> Response<AnswerBody> {
        let line = self.begin(visit, self.planned(None));
        line.produced_all();
        line.end(Outcome::BrokenOff);
        let length = usize::try_from(garbage.bytes).unwrap_or(usize::MAX);
        let bytes: Vec<u8> = b"<html>\x00\xff not json {\n".iter().copied().cycle().take(length).collect();
        success(self.request.stream, AnswerBody::whole(bytes))
    }

    async fn answer(self, visit: Visit, answer: Answer) -> io::Result<Response<AnswerBody>> {
        let output = self.output_of_choice(answer.tokens);
        let line = Arc::new(self.begin(visit, self.planned(answer.tokens)));
        if !answer.latency.is_zero() {
            sleep(answer.latency).await;
        }
        let stream = self.request.stream;
        let call = line.call();
        let plain = if stream { None } else { Some(self.completion(call, &answer, output, &line)) };
        let length = match (&plain, answer.ending) {
            (Some(bytes), Ending::Complete) => Some(bytes.len() as u64),
            _ => None,
        };
        let (to, body) = AnswerBody::pieces(Arc::clone(&line), length);
        let speaker = Speaker { to, line, reset: self.reset.clone(), answer, output, request: self.request, call };
        tokio::spawn(async move {
            // The client has left when it cannot be spoken to; the line of the bill notes that.
            let _ = match plain {
                Some(bytes) => speaker.speak_whole(bytes).await,
                None => speaker.speak_stream().await,
            };
        });
        Ok(success(stream, body))
    }

    fn completion(&self, call: u64, answer: &Answer, output: Tokens, line: &Line) -> Bytes {
        line.produced_all();
        if matches!(answer.ending, Ending::ErrorFrame { .. }) {
            return Bytes::from(answer::error(500, "The fake provider failed.").to_string());
        }
        let all = Tokens::new(output.get().saturating_mul(self.request.choices));
        let usage = answer::usage(answer.report, self.request.input, all);
        Voice { call, request: &self.request, shape: answer.shape }.completion(output, usage)
    }
}

/// The client closed the connection.
struct Left;

/// Speaks one answer into its body.
struct Speaker {
    to: mpsc::Sender<Piece>,
    line: Arc<Line>,
    reset: ResetSwitch,
    answer: Answer,
    /// Output of each choice.
    output: Tokens,
    request: ChatRequest,
    call: u64,
}

impl Speaker {
    async fn speak_whole(self, bytes: Bytes) -> Result<(), Left> {
        match self.answer.ending {
            Ending::Complete => self.say(bytes).await,
            Ending::ErrorFrame { .. } => {
                self.line.end(Outcome::BrokenOff);
                self.say(bytes).await
            }
            _ => {
                self.say(bytes.slice(..bytes.len() / 2)).await?;
                self.end_early().await
            }
        }
    }

    async fn speak_stream(self) -> Result<(), Left> {
        let voice = Voice { call: self.call, request: &self.request, shape: self.answer.shape };
        let choices = self.request.choices;
        for choice in 0..choices {
            self.say(voice.opening(choice)).await?;
        }
        let step = self.answer.pace.tokens_per_chunk.get().max(1);
        let began = Instant::now();
        let (mut chunks, mut produced, mut from) = (0, 0, 0);
        while from < self.output.get() {
            let to = from.saturating_add(step).min(self.output.get());
            for choice in 0..choices {
                if self.answer.ending.after() == Some(chunks) {
                    return self.end_early().await;
                }
                self.wait_for(began, chunks).await?;
                produced += to - from;
                chunks += 1;
                self.line.produced(Tokens::new(produced));
                let padding = if chunks == 1 { self.padding() } else { 0 };
                self.say(voice.tokens(choice, Tokens::new(from), Tokens::new(to), padding)).await?;
            }
            from = to;
        }
        if self.answer.ending != Ending::Complete {
            return self.end_early().await;
        }
        for choice in 0..choices {
            self.say(voice.closing(choice, self.output)).await?;
        }
        if self.request.include_usage
            && let Some(usage) = answer::usage(self.answer.report, self.request.input, Tokens::new(produced))
        {
            self.say(voice.usage_event(usage)).await?;
        }
        self.say(Bytes::from_static(DONE.as_bytes())).await
    }

    async fn end_early(&self) -> Result<(), Left> {
        match self.answer.ending {
            Ending::Complete => {}
            Ending::Stall { .. } => self.to.closed().await,
            Ending::Truncate { .. } => self.line.end(Outcome::BrokenOff),
            Ending::Cut { .. } => {
                self.line.end(Outcome::BrokenOff);
                self.send(Piece::Break).await?;
            }
            Ending::Reset { .. } => {
                self.line.end(Outcome::BrokenOff);
                self.reset.set();
                self.send(Piece::Break).await?;
            }
            Ending::ErrorFrame { .. } => {
                self.line.end(Outcome::BrokenOff);
                self.say(answer::error_frame()).await?;
            }
        }
        Ok(())
    }

    fn padding(&self) -> usize {
        match self.answer.writing {
            Writing::HugeEvent { bytes } => usize::try_from(bytes).unwrap_or(usize::MAX),
            Writing::Whole | Writing::Drip { .. } => 0,
        }
    }

    async fn say(&self, bytes: Bytes) -> Result<(), Left> {
        let Writing::Drip { bytes: size, pause_ms } = self.answer.writing else {
            return self.send(Piece::Data(bytes)).await;
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = rest.split_to(size.min(rest.len()));
            self.send(Piece::Data(piece)).await?;
            self.wait_until(Instant::now() + Duration::from_millis(pause_ms)).await?;
        }
        Ok(())
    }

    async fn send(&self, piece: Piece) -> Result<(), Left> {
        self.to.send(piece).await.map_err(|_| Left)
    }

    async fn wait_for(&self, began: Instant, chunks: u64) -> Result<(), Left> {
        let interval = self.answer.pace.interval;
        if interval.is_zero() {
            return Ok(());
        }
        self.wait_until(began + interval.saturating_mul(u32::try_from(chunks).unwrap_or(u32::MAX))).await
    }

    async fn wait_until(&self, moment: Instant) -> Result<(), Left> {
        tokio::select! {
            () = sleep_until(moment) => Ok(()),
            () = self.to.closed() => Err(Left),
        }
    }
}

/// An error document.
pub(crate) fn error(status: StatusCode, message: &str) -> Response<AnswerBody> {
    let document = answer::error(status.as_u16(), message).to_string();
    let mut response = Response::new(AnswerBody::whole(document));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn success(stream: bool, body: AnswerBody) -> Response<AnswerBody> {
    let kind = if stream { "text/event-stream; charset=utf-8" } else { "application/json" };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The fixed form of HTTP dates: `Tue, 24 Nov 2026 00:00:00 GMT`.
fn http_date(moment: Timestamp) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = moment.as_millis().div_euclid(86_400_000);
    let weekday = WEEKDAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)];
    let shown = moment.to_string();
    let month: usize = shown[5..7].parse().unwrap_or(1);
    format!("{weekday}, {} {} {} {} GMT", &shown[8..10], MONTHS[month - 1], &shown[0..4], &shown[11..19])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_fixed_form() {
        for (secs, shown) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_795_478_400, "Tue, 24 Nov 2026 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(Timestamp::from_secs(secs)), shown);
        }
    }
}
