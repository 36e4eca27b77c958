//! The views against a journal on a simulated disk, and in a real file.

use super::*;
use crate::codec::FactRef;
use crate::disk::{RealDisk, SimDisk};
use crate::journal::Journal;
use crate::testing::{not_sent, record, refused};
use haltline_ports::{Order, Owner, SpendKey, Together, Whose};
use haltline_types::{NanoUsd, Tokens};

const DAY: i64 = 86_400_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn journal_on(disk: Arc<dyn Disk>) -> Journal {
    let (extent, end) = Journal::begin_segment(disk.as_ref(), 1, at(0), []).expect("begin");
    Journal::open(disk, 1 << 20, [extent].into(), end).expect("open")
}

fn write(journal: &mut Journal, record: &RequestRecord) {
    journal.push(FactRef::Record(record)).expect("push");
    journal.commit().expect("commit");
}

fn spend(views: &Views, by: &[SpendKey]) -> Vec<(String, u64, u64, i64)> {
    let asked = SpendQuery { by: by.to_vec(), since: at(0), until: at(10 * DAY) };
    let rows = views.spend(&asked).expect("spend");
    rows.into_iter().map(|row| (row.group.join(" "), row.requests, row.attempts, row.cost.get())).collect()
}

fn four_requests(journal: &mut Journal) {
    write(journal, &record(1, "alice", at(5), &[("openai", 70), ("anthropic", 30)]));
    write(journal, &record(2, "bob", at(DAY + 5), &[("openai", 500)]));
    write(journal, &refused(3, "alice", at(6)));
    write(journal, &not_sent(4, "carol", at(7)));
}

#[test]
fn spend_is_grouped_and_the_dearest_comes_first() {
    let disk = Arc::new(SimDisk::new(1));
    let mut journal = journal_on(disk.clone());
    four_requests(&mut journal);
    let views = Views::open(disk, 1, journal.end()).expect("open");
    views.project(journal.end()).expect("project");
    let row = |group: &str, requests, attempts, cost| (group.to_owned(), requests, attempts, cost);
    assert_eq!(spend(&views, &[]), [row("", 3, 3, 600)]);
    assert_eq!(spend(&views, &[SpendKey::User]), [row("bob", 1, 1, 500), row("alice", 2, 2, 100)]);
    assert_eq!(
        spend(&views, &[SpendKey::Provider]),
        [row("openai", 2, 2, 570), row("anthropic", 1, 1, 30), row("-", 1, 0, 0)]
    );
    assert_eq!(spend(&views, &[SpendKey::Day]), [row("1970-01-02", 1, 1, 500), row("1970-01-01", 2, 2, 100)]);
    assert_eq!(
        spend(&views, &[SpendKey::Tag, SpendKey::Team]),
        [row("env=prod -", 3, 3, 600), row("feature=chat -", 3, 3, 600)]
    );
    assert_eq!(spend(&views, &[SpendKey::Key, SpendKey::Model]), [row("app chat", 3, 3, 600)]);
}

#[test]
fn tokens_are_summed_and_times_bound() {
    let disk = Arc::new(SimDisk::new(1));
    let mut journal = journal_on(disk.clone());
    four_requests(&mut journal);
    let views = Views::open(disk, 1, journal.end()).expect("open");
    views.project(journal.end()).expect("project");
    let asked = SpendQuery { by: vec![], since: at(5), until: at(DAY + 5) };
    let rows = views.spend(&asked).expect("spend");
    assert_eq!((rows[0].input, rows[0].output, rows[0].cost), (Tokens::new(200), Tokens::new(20), NanoUsd::new(100)));
    let nothing = SpendQuery { by: vec![], since: at(5 * DAY), until: at(6 * DAY) };
    assert_eq!(views.spend(&nothing).expect("spend"), []);
}

#[test]
fn a_record_comes_back_as_it_was_and_twice_projected_counts_once() {
    let disk = Arc::new(SimDisk::new(1));
    let mut journal = journal_on(disk.clone());
    let wanted = record(7, "alice", at(5), &[("openai", 70), ("anthropic", 30)]);
    write(&mut journal, &wanted);
    journal.rotate(at(6), []).expect("rotate");
    write(&mut journal, &wanted);
    let views = Views::open(disk, 1, journal.end()).expect("open");
    views.project(journal.end()).expect("project");
    assert_eq!(views.generation(wanted.id).expect("readable"), Some(wanted));
    assert_eq!(views.generation(RequestId::from_u128(8)).expect("readable"), None);
    assert_eq!(spend(&views, &[]), [(String::new(), 1, 2, 100)]);
    assert_eq!(views.position(), journal.end());
}

#[test]
fn projection_goes_on_where_it_ended_and_lost_views_are_made_again() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::lock(dir.path()).expect("free"));
    let mut journal = journal_on(Arc::clone(&disk));
    for id in 0..1500 {
        write(&mut journal, &record(id, "alice", at(5), &[("openai", 1)]));
    }
    let views = Views::open(Arc::clone(&disk), 1, journal.end()).expect("open");
    views.project(journal.end()).expect("project");
    let before = views.position();
    drop(views);
    write(&mut journal, &record(9999, "bob", at(5), &[("openai", 1)]));
    let views = Views::open(Arc::clone(&disk), 1, journal.end()).expect("open");
    assert_eq!(views.position(), before);
    views.project(journal.end()).expect("project");
    assert_eq!(spend(&views, &[]), [(String::new(), 1501, 1501, 1501)]);
    drop(views);
    for name in disk.list().expect("list").iter().filter(|name| name.starts_with(FILE)) {
        disk.remove(name).expect("remove");
    }
    let views = Views::open(disk, 1, journal.end()).expect("open");
    views.project(journal.end()).expect("project");
    assert_eq!(spend(&views, &[]), [(String::new(), 1501, 1501, 1501)]);
}

#[test]
fn what_a_power_loss_took_from_the_journal_does_not_hide_what_is_written_next() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::lock(dir.path()).expect("free"));
    let mut journal = journal_on(Arc::clone(&disk));
    write(&mut journal, &record(1, "alice", at(5), &[("openai", 1)]));
    let kept = journal.end();
    write(&mut journal, &record(2, "alice", at(5), &[("openai", 10)]));
    let views = Views::open(Arc::clone(&disk), 1, journal.end()).expect("open");
    views.project(journal.end()).expect("project");
    drop((views, journal));
    disk.open("journal-00000001.hl").expect("open").truncate(kept.offset).expect("cut");
    let views = Views::open(Arc::clone(&disk), 1, kept).expect("open");
    let (extent, end) = Journal::begin_segment(disk.as_ref(), 2, at(6), []).expect("begin");
    let mut journal = Journal::open(disk, 1 << 20, [extent].into(), end).expect("open");
    write(&mut journal, &record(3, "alice", at(5), &[("openai", 100)]));
    views.project(journal.end()).expect("project");
    assert_eq!(spend(&views, &[]), [(String::new(), 3, 3, 111)]);
}

#[test]
fn old_requests_are_forgotten() {
    let disk = Arc::new(SimDisk::new(1));
    let mut journal = journal_on(disk.clone());
    four_requests(&mut journal);
    let views = Views::open(disk, 1, journal.end()).expect("open");
    views.project(journal.end()).expect("project");
    views.forget_before(at(DAY)).expect("forget");
    assert_eq!(spend(&views, &[]), [(String::new(), 1, 1, 500)]);
}

fn ids(views: &Views, asked: &RequestsQuery) -> Vec<u128> {
    views.requests(asked).expect("requests").into_iter().map(|record| record.id.as_u128()).collect()
}

#[test]
fn requests_of_a_session_come_in_order_and_page_by_page_to_their_owner_alone() {
    let disk = Arc::new(SimDisk::new(1));
    let mut journal = journal_on(disk.clone());
    for id in [5, 1, 3, 2, 4] {
        write(&mut journal, &record(id, "alice", at(5), &[("openai", 1)]));
    }
    write(&mut journal, &record(6, "bob", at(5), &[("openai", 1)]));
    let nobody = record(7, "-", at(5), &[("openai", 1)]);
    let subjects = haltline_types::Subjects { user: None, ..(*nobody.subjects).clone() };
    write(&mut journal, &RequestRecord { subjects: Arc::new(subjects), ..nobody });
    let views = Views::open(disk, 1, journal.end()).expect("open");
    views.project(journal.end()).expect("project");
    let owner = |user: Option<&str>| Owner { key: "app".into(), user: user.map(Into::into) };
    let asked = |user, limit| RequestsQuery::of_session(owner(user), "s1".into(), limit);
    assert_eq!(ids(&views, &asked(Some("alice"), 10)), [1, 2, 3, 4, 5]);
    assert_eq!(ids(&views, &asked(Some("bob"), 10)), [6]);
    assert_eq!(ids(&views, &asked(None, 10)), [7], "whoever names no user sees what has none");
    assert_eq!(ids(&views, &asked(Some("carol"), 10)), [0; 0]);
    let other = RequestsQuery { together: Together::Session("s2".into()), ..asked(Some("alice"), 10) };
    assert_eq!(ids(&views, &other), [0; 0]);
    let newest = RequestsQuery { order: Order::NewestFirst, ..asked(Some("alice"), 2) };
    assert_eq!(ids(&views, &newest), [5, 4]);
    let next = RequestsQuery { after: Some(RequestId::from_u128(4)), ..newest };
    assert_eq!(ids(&views, &next), [3, 2]);
    let whole = asked(Some("alice"), 1);
    assert_eq!(views.requests(&whole).expect("requests"), [record(1, "alice", at(5), &[("openai", 1)])]);
}

#[test]
fn requests_of_a_trace_are_found_by_operators() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::lock(dir.path()).expect("free"));
    let mut journal = journal_on(Arc::clone(&disk));
    write(&mut journal, &record(1, "alice", at(5), &[("openai", 1)]));
    write(&mut journal, &record(2, "bob", at(5), &[("openai", 1)]));
    let mut other = record(3, "bob", at(5), &[("openai", 1)]);
    other.trace_id = "ffffffffffffffffffffffffffffffff".into();
    write(&mut journal, &other);
    let views = Views::open(disk, 1, journal.end()).expect("open");
    views.project(journal.end()).expect("project");
    let asked = |trace: &str, key: Option<&str>, user: Option<&str>| RequestsQuery {
        together: Together::Trace(trace.into()),
        whose: Whose::Any { key: key.map(Into::into), user: user.map(Into::into) },
        order: Order::OldestFirst,
        after: None,
        limit: usize::MAX,
    };
    let trace = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(ids(&views, &asked(trace, None, None)), [1, 2]);
    assert_eq!(ids(&views, &asked(&trace.to_uppercase(), None, Some("bob"))), [2]);
    assert_eq!(ids(&views, &asked(trace, Some("nobody"), None)), [0; 0]);
    assert_eq!(ids(&views, &asked(&"f".repeat(32), None, None)), [3]);
    assert_eq!(ids(&views, &asked("nonsense", None, None)), [0; 0]);
}
