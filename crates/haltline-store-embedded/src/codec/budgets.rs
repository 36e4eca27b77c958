//! The bytes of the budgets in force: a recovery needs those of the time of the power loss, which
//! the configuration of the next start need not have.

use super::{Reader, Writer};
use haltline_ledger::{Applies, Budget, Budgets, CalendarSpan, OnFull, Window, Zone};
use haltline_types::{Dimension, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const CALENDAR: u8 = 0;
const ROLLING: u8 = 1;
const TAG: u8 = 255;
/// The last byte of a budget: one bit for what a full account does, the others for whose limit it is.
const WARN: u8 = 1;
const LISTED: u8 = 2;
const GRANTED: u8 = 4;

const DIMENSIONS: [(u8, Dimension); 9] = [
    (0, Dimension::Team),
    (1, Dimension::Tier),
    (2, Dimension::Key),
    (3, Dimension::User),
    (4, Dimension::Session),
    (5, Dimension::Model),
    (6, Dimension::Provider),
    (7, Dimension::Endpoint),
    (8, Dimension::BrowserToken),
];

pub(super) fn write(writer: &mut Writer<'_>, budgets: &Budgets) {
    writer.list(budgets, |writer, budget| {
        let Budget { name, scope, limit, window, on_full, applies } = budget;
        writer.name(name);
        writer.list(scope.dimensions(), write_dimension);
        writer.amount(*limit);
        match window {
            Window::Calendar { span, zone } => {
                writer.u8(CALENDAR);
                writer.text(span.word());
                writer.text(&zone.to_string());
            }
            Window::Rolling(length) => {
                writer.u8(ROLLING);
                writer.u64(u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
            }
        }
        let warns = if *on_full == OnFull::Warn { WARN } else { 0 };
        match applies {
            Applies::ToAll => writer.u8(warns),
            Applies::Granted => writer.u8(warns | GRANTED),
            Applies::Listed(limits) => {
                writer.u8(warns | LISTED);
                writer.u64(limits.len() as u64);
                for (subject, limit) in limits.iter() {
                    writer.text(subject);
                    writer.amount(*limit);
                }
            }
        }
    });
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Budgets> {
    let budgets = reader.list(|reader| {
        let mut budget = Budget {
            name: reader.name()?,
            scope: Scope::of(reader.list(read_dimension)?),
            limit: reader.amount()?,
            window: match reader.u8()? {
                CALENDAR => {
                    let word = reader.text()?;
                    let span = CalendarSpan::ALL.into_iter().find(|span| span.word() == word)?;
                    Window::Calendar { span, zone: Zone::parse(reader.text()?).ok()? }
                }
                ROLLING => Window::Rolling(Duration::from_millis(reader.u64()?)),
                _ => return None,
            },
            on_full: OnFull::Refuse,
            applies: Applies::ToAll,
        };
        let last = reader.u8()?;
        if last & WARN != 0 {
            budget.on_full = OnFull::Warn;
        }
        budget.applies = match last & !WARN {
            0 => Applies::ToAll,
            GRANTED => Applies::Granted,
            LISTED => {
                let limits = reader.list(|reader| Some((reader.text()?.to_owned(), reader.amount()?)))?;
                Applies::Listed(Arc::new(limits.into_iter().collect::<BTreeMap<_, _>>()))
            }
            _ => return None,
        };
        Some(budget)
    })?;
    Budgets::new(budgets).ok()
}

fn write_dimension(writer: &mut Writer<'_>, dimension: &Dimension) {
    if let Dimension::Tag(name) = dimension {
        writer.u8(TAG);
        writer.name(name);
    } else if let Some((code, _)) = DIMENSIONS.iter().find(|(_, known)| known == dimension) {
        writer.u8(*code);
    }
}

fn read_dimension(reader: &mut Reader<'_>) -> Option<Dimension> {
    let code = reader.u8()?;
    if code == TAG {
        return reader.name().map(Dimension::Tag);
    }
    DIMENSIONS.into_iter().find(|(known, _)| *known == code).map(|(_, dimension)| dimension)
}

#[cfg(test)]
mod tests {
    use super::super::{Fact, FactRef};
    use super::*;
    use haltline_types::{Amount, Unit};

    #[test]
    fn budgets_of_an_older_journal_are_everybodys() {
        let mut payload = Vec::new();
        let window = Window::Rolling(Duration::from_secs(60));
        let budget = |applies| Budget {
            name: "b".into(),
            scope: Scope::global(),
            limit: Amount::new(Unit::Usd, 1),
            window: window.clone(),
            on_full: OnFull::Warn,
            applies,
        };
        let budgets = Budgets::new(vec![budget(Applies::ToAll)]).expect("a budget");
        FactRef::Budgets(&budgets).write(&mut payload);
        assert_eq!(payload.last(), Some(&1), "the byte that a bool was");
        assert_eq!(Fact::read(&payload), Some(Fact::Budgets(budgets)));
        *payload.last_mut().expect("a byte") = 8;
        assert_eq!(Fact::read(&payload), None, "what a later version may write is not guessed at");
    }

    #[test]
    fn budgets_survive() {
        let utc = Zone::utc();
        let berlin = Zone::parse("Europe/Berlin").expect("zone");
        let scopes: [&[&str]; 4] = [
            &["global"],
            &["team", "tier", "key", "user", "session"],
            &["model", "provider", "endpoint"],
            &["tag:a,b", "user", "browser-token"],
        ];
        let windows = [("day", &berlin), ("month", &utc), ("90s", &utc), ("minute", &utc)];
        let limits = ["$50", "100 tokens", "7 requests", "3 retries"];
        let list = scopes.iter().zip(windows).zip(limits).enumerate().map(|(index, ((scope, window), limit))| Budget {
            name: format!("budget {index}").into(),
            scope: Scope::parse(scope.iter().copied()).expect("scope"),
            limit: limit.parse().expect("limit"),
            window: Window::parse(window.0, window.1).expect("window"),
            on_full: if index == 2 { OnFull::Warn } else { OnFull::Refuse },
            applies: match index {
                1 => Applies::Granted,
                2 => Applies::Listed(Arc::new(
                    [("a", 7), ("b/%-", 1)]
                        .map(|(who, limit)| (who.to_owned(), Amount::new(Unit::Requests, limit)))
                        .into(),
                )),
                _ => Applies::ToAll,
            },
        });
        let budgets = Budgets::new(list.collect()).expect("budgets");
        let mut payload = Vec::new();
        FactRef::Budgets(&budgets).write(&mut payload);
        assert_eq!(Fact::read(&payload), Some(Fact::Budgets(budgets)));
        for len in 0..payload.len() {
            assert_eq!(Fact::read(&payload[..len]), None);
        }
    }
}
