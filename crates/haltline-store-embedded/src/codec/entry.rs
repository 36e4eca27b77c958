//! The bytes of a ledger entry.

use super::{Reader, Writer};
use haltline_ledger::{AccountId, Entry, EntryKind};
use std::sync::Arc;

const HOLD: u8 = 1;
const TRUE_UP: u8 = 2;
const SETTLE: u8 = 3;
const RELEASE: u8 = 4;
const EXPIRE: u8 = 5;
const ADJUST: u8 = 6;
const OVERRIDE: u8 = 7;
const RECOVER: u8 = 8;
const MARK: u8 = 9;

pub(super) fn write(writer: &mut Writer<'_>, entry: &Entry) {
    writer.time(entry.at);
    match &entry.kind {
        EntryKind::Hold { id, subjects, ceiling, expires } => {
            writer.u8(HOLD);
            writer.attempt(*id);
            writer.subjects(subjects);
            writer.demand(ceiling);
            writer.time(*expires);
        }
        EntryKind::TrueUp { id, ceiling } => {
            writer.u8(TRUE_UP);
            writer.attempt(*id);
            writer.demand(ceiling);
        }
        EntryKind::Settle { id, cost } => {
            writer.u8(SETTLE);
            writer.attempt(*id);
            writer.demand(cost);
        }
        EntryKind::Release { id } => {
            writer.u8(RELEASE);
            writer.attempt(*id);
        }
        EntryKind::Expire { id } => {
            writer.u8(EXPIRE);
            writer.attempt(*id);
        }
        EntryKind::Adjust { account, delta, by, reason } => {
            writer.u8(ADJUST);
            write_account(writer, account);
            writer.amount(*delta);
            writer.name(by);
            writer.text(reason);
        }
        EntryKind::Override { budget, subject, limit, until, by, reason } => {
            writer.u8(OVERRIDE);
            writer.name(budget);
            writer.option(subject.as_deref(), Writer::text);
            writer.amount(*limit);
            writer.time(*until);
            writer.name(by);
            writer.text(reason);
        }
        EntryKind::Recover { account, amount } => {
            writer.u8(RECOVER);
            write_account(writer, account);
            writer.amount(*amount);
        }
        EntryKind::Mark { account, mark } => {
            writer.u8(MARK);
            write_account(writer, account);
            writer.amount(*mark);
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Entry> {
    let at = reader.time()?;
    let kind = match reader.u8()? {
        HOLD => EntryKind::Hold {
            id: reader.attempt()?,
            subjects: Arc::new(reader.subjects()?),
            ceiling: reader.demand()?,
            expires: reader.time()?,
        },
        TRUE_UP => EntryKind::TrueUp { id: reader.attempt()?, ceiling: reader.demand()? },
        SETTLE => EntryKind::Settle { id: reader.attempt()?, cost: reader.demand()? },
        RELEASE => EntryKind::Release { id: reader.attempt()? },
        EXPIRE => EntryKind::Expire { id: reader.attempt()? },
        ADJUST => EntryKind::Adjust {
            account: read_account(reader)?,
            delta: reader.amount()?,
            by: reader.name()?,
            reason: reader.text()?.to_owned(),
        },
        OVERRIDE => EntryKind::Override {
            budget: reader.name()?,
            subject: reader.option(|reader| reader.text().map(str::to_owned))?,
            limit: reader.amount()?,
            until: reader.time()?,
            by: reader.name()?,
            reason: reader.text()?.to_owned(),
        },
        RECOVER => EntryKind::Recover { account: read_account(reader)?, amount: reader.amount()? },
        MARK => EntryKind::Mark { account: read_account(reader)?, mark: reader.amount()? },
        _ => return None,
    };
    Some(Entry { at, kind })
}

fn write_account(writer: &mut Writer<'_>, account: &AccountId) {
    writer.name(&account.budget);
    writer.text(&account.subject);
    writer.time(account.window);
}

fn read_account(reader: &mut Reader<'_>) -> Option<AccountId> {
    Some(AccountId { budget: reader.name()?, subject: reader.text()?.to_owned(), window: reader.time()? })
}

#[cfg(test)]
mod tests {
    use super::super::{Fact, FactRef};
    use super::*;
    use haltline_types::{Amount, AttemptId, Demand, NanoUsd, RequestId, Subjects, Timestamp, Tokens, Unit};
    use proptest::prelude::*;

    fn every_kind(number: u128, value: i64, text: &str) -> Vec<Entry> {
        let at = Timestamp::from_millis(value);
        let id = AttemptId { request: RequestId::from_u128(number), number: 3 };
        let account = AccountId { budget: text.into(), subject: text.to_owned(), window: at };
        let tokens = Tokens::new(value.cast_unsigned());
        let demand = Demand { usd: NanoUsd::new(value), tokens, requests: 1, retries: u32::MAX };
        let subjects =
            Subjects { user: Some(text.into()), tags: vec![(text.into(), "x".into())], ..Subjects::default() };
        let (by, reason) = (haltline_types::Name::new(text), text.to_owned());
        let kinds = vec![
            EntryKind::Hold { id, subjects: Arc::new(subjects), ceiling: demand, expires: at },
            EntryKind::TrueUp { id, ceiling: demand },
            EntryKind::Settle { id, cost: demand },
            EntryKind::Release { id },
            EntryKind::Expire { id },
            EntryKind::Adjust {
                account: account.clone(),
                delta: Amount::new(Unit::Tokens, value),
                by: by.clone(),
                reason: reason.clone(),
            },
            EntryKind::Override {
                budget: by.clone(),
                subject: (value > 0).then(|| text.to_owned()),
                limit: Amount::new(Unit::Requests, value),
                until: at,
                by,
                reason,
            },
            EntryKind::Recover { account: account.clone(), amount: Amount::new(Unit::Retries, value) },
            EntryKind::Mark { account, mark: Amount::new(Unit::Usd, value) },
        ];
        kinds.into_iter().map(|kind| Entry { at, kind }).collect()
    }

    proptest! {
        #[test]
        fn entries_survive_and_cut_ones_are_refused(number: u128, value: i64, text in "\\PC{0,20}") {
            for entry in every_kind(number, value, &text) {
                let mut payload = Vec::new();
                FactRef::Entry(&entry).write(&mut payload);
                prop_assert_eq!(Fact::read(&payload), Some(Fact::Entry(entry.clone())));
                for len in 0..payload.len() {
                    prop_assert_eq!(Fact::read(&payload[..len]), None);
                }
                payload.clear();
                FactRef::Carried(&entry).write(&mut payload);
                prop_assert_eq!(Fact::read(&payload), Some(Fact::Carried(entry)));
            }
        }

        #[test]
        fn hostile_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Fact::read(&bytes);
        }
    }
}
