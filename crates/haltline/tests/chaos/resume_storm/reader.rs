//! The events of one connection as they come: each is whole, and the next one of its stream, or the
//! connection is refused.

use super::chance::Chance;
use haltline_testkit::http_client::Stream;
use std::io;
use std::time::Duration;

/// What a reader has of a stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Without their numbers and without signs of life.
    pub(super) events: Vec<String>,
    pub(super) bytes: u64,
}

/// How the events say their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbered {
    Yes,
    No,
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By us.
    Dropped,
    /// As HTTP wants it.
    Clean,
    /// In any other way.
    Broken,
}

/// How a connection is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Left after so many events.
    pub(super) leave_after: Option<u64>,
    /// Between two reads.
    pub(super) pause: Duration,
}

impl Reader {
    /// The number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.events.len() as u64
    }

    /// Reads a connection that gives what comes after the last event.
    pub(super) async fn read(
        &mut self,
        mut stream: Stream,
        numbered: Numbered,
        manner: Manner,
        chance: &mut Chance,
    ) -> Result<Ended, String> {
        let mut pending = Vec::new();
        let mut searched = 0_usize;
        let leave_at = manner.leave_after.map(|events| self.last() + events);
        loop {
            match stream.piece().await {
                Ok(Some(bytes)) => {
                    self.bytes += bytes.len() as u64;
                    pending.extend_from_slice(&bytes);
                }
                Ok(None) => {
                    let rest = String::from_utf8_lossy(&pending);
                    let is_inside = rest.lines().any(|line| !line.is_empty() && !line.starts_with(':'));
                    return if is_inside {
                        Err(format!("a clean end inside an event: {rest:?}"))
                    } else {
                        Ok(Ended::Clean)
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(format!("nothing came any more after event {}", self.last()));
                }
                Err(_) => return Ok(Ended::Broken),
            }
            while let Some(end) = pending[searched..].windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = pending.drain(..searched + end + 2).collect();
                searched = 0;
                self.take(std::str::from_utf8(&block).map_err(|error| error.to_string())?, numbered)?;
                if leave_at.is_some_and(|leave_at| self.last() >= leave_at) {
                    if chance.one_in(2) {
                        stream.reset();
                    }
                    return Ok(Ended::Dropped);
                }
            }
            searched = pending.len().saturating_sub(1);
            if !manner.pause.is_zero() {
                tokio::time::sleep(manner.pause).await;
            }
        }
    }

    fn take(&mut self, block: &str, numbered: Numbered) -> Result<(), String> {
        let mut event = String::with_capacity(block.len());
        let mut number = None;
        for line in block.lines().filter(|line| !line.is_empty() && *line != ": waiting") {
            match line.strip_prefix("id: ") {
                Some(id) => number = Some(id.parse::<u64>().map_err(|error| format!("{error} in {block:?}"))?),
                None => {
                    event.push_str(line);
                    event.push('\n');
                }
            }
        }
        let next = self.last() + 1;
        match (number, numbered) {
            (Some(number), Numbered::Yes) if number != next => {
                return Err(format!("event {number} where {next} was due: {block:?}"));
            }
            (Some(number), Numbered::No) => return Err(format!("an event with the number {number}: {block:?}")),
            (None, Numbered::Yes) => {
                // A sign of life in the words of the dialect.
                let is_sign = event.contains("event: ping") || event.contains("\"transient\":true");
                return if is_sign || event.is_empty() { Ok(()) } else { Err(format!("no number: {block:?}")) };
            }
            (None, Numbered::No) if event.is_empty() => return Ok(()),
            _ => {}
        }
        if !event.contains("data: ") {
            return Err(format!("an event without data: {block:?}"));
        }
        self.events.push(event);
        Ok(())
    }
}
