//! What the audit log survives, and what it finds.

use super::*;
use crate::disk::{Crash, DiskFault, SimDisk};
use haltline_ports::ActOutcome;
use haltline_types::Timestamp;

fn act(what: &str, on: &str) -> Act {
    Act {
        at: Timestamp::from_secs(5),
        by: "ann".into(),
        from: Some("127.0.0.1".to_owned()),
        what: what.to_owned(),
        on: on.to_owned(),
        detail: "limit $5".to_owned(),
        outcome: ActOutcome::Done,
    }
}

fn open(disk: &SimDisk) -> ActLog {
    ActLog::open(Arc::new(disk.clone())).expect("open")
}

fn three() -> SimDisk {
    let disk = SimDisk::new(1);
    let log = open(&disk);
    for (place, on) in ["web", "batch", "lab"].into_iter().enumerate() {
        assert_eq!(log.append(act("key.create", on)).expect("written"), place as u64 + 1);
    }
    disk
}

fn all() -> ActQuery {
    ActQuery { limit: 100, ..ActQuery::default() }
}

#[test]
fn acts_survive_power_loss_and_go_on_where_they_ended() {
    let disk = three().restart(Crash::PowerLoss);
    let log = open(&disk);
    assert_eq!(log.append(act("key.remove", "web")).expect("written"), 4);
    let found = log.query(&all()).expect("read");
    assert_eq!(found.iter().map(|sealed| sealed.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(found[3].act, act("key.remove", "web"));
    assert_eq!(log.verify().expect("read").wrong, None);
}

#[test]
fn questions_are_answered() {
    let disk = three();
    let log = open(&disk);
    let count = |query: ActQuery| log.query(&query).expect("read").len();
    assert_eq!(count(ActQuery { what: Some("key.".into()), ..all() }), 3);
    assert_eq!(count(ActQuery { what: Some("key".into()), ..all() }), 3);
    assert_eq!(count(ActQuery { what: Some("ke".into()), ..all() }), 0);
    assert_eq!(count(ActQuery { what: Some("key.create".into()), after: 2, ..all() }), 1);
    assert_eq!(count(ActQuery { by: Some("bob".into()), ..all() }), 0);
    assert_eq!(count(ActQuery { since: Some(Timestamp::from_secs(6)), ..all() }), 0);
    assert_eq!(count(ActQuery { limit: 2, ..all() }), 2);
}

/// The log with its lines changed by `with`, verified.
fn verified(with: impl Fn(&mut Vec<String>)) -> Option<String> {
    let disk = three();
    let text = String::from_utf8(disk.read_all(LOG).expect("read")).expect("text");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    with(&mut lines);
    disk.replace(LOG, (lines.join("\n") + "\n").as_bytes()).expect("written");
    open(&disk).verify().expect("read").wrong
}

#[test]
fn what_is_changed_taken_out_put_in_moved_or_cut_is_found() {
    assert_eq!(verified(|_| ()), None);
    let found = |with: &dyn Fn(&mut Vec<String>)| verified(with).expect("it is found");
    assert!(found(&|lines| lines[1] = lines[1].replace("batch", "bosch")).contains("place 2"));
    assert!(found(&|lines| lines[2] = lines[2].replace("ann", "bob")).contains("place 3"));
    assert!(found(&|lines| lines[0] = lines[0].replace("\"done\"", "\"failed\"")).contains("place 1"));
    assert!(found(&|lines| drop(lines.remove(0))).contains("place 1"));
    assert!(found(&|lines| drop(lines.remove(1))).contains("place 2"));
    assert!(found(&|lines| lines.insert(1, lines[0].clone())).contains("place 2"));
    assert!(found(&|lines| lines.swap(1, 2)).contains("place 2"));
    assert!(found(&|lines| lines[1] = "{}".to_owned()).contains("cannot be read"));
    assert!(found(&|lines| lines.truncate(2)).contains("1 entries are missing"));
}

#[test]
fn what_was_cut_or_put_in_at_the_end_stays_found_after_the_next_act() {
    let found_later = |with: &dyn Fn(&mut Vec<String>)| {
        let disk = three();
        let text = String::from_utf8(disk.read_all(LOG).expect("read")).expect("text");
        let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
        with(&mut lines);
        disk.replace(LOG, lines.concat().as_bytes()).expect("written");
        let log = open(&disk);
        log.append(act("key.remove", "web")).expect("written");
        log.append(act("key.remove", "lab")).expect("written");
        open(&disk).verify().expect("read").wrong
    };
    let forged = |number: u64, before: &str| {
        let line = Line::sealed(number, before, act("key.freeze", "web"));
        (String::from_utf8(line.to_bytes().expect("a line")).expect("text") + "\n", line.seal)
    };
    let seal_of = |line: &String| Line::read(line.trim_end().as_bytes()).expect("a line").seal;
    assert_eq!(found_later(&|_| ()), None);
    assert!(found_later(&|lines| lines.truncate(2)).is_some(), "one is gone");
    assert!(found_later(&Vec::clear).is_some(), "all are gone");
    assert!(found_later(&|lines| lines[2] = forged(3, &seal_of(&lines[1])).0).is_some(), "the last is another");
    assert!(
        found_later(&|lines| {
            let (fourth, seal) = forged(4, &seal_of(&lines[2]));
            lines.extend([fourth, forged(5, &seal).0]);
        })
        .is_some(),
        "two were put in"
    );
}

#[test]
fn a_line_that_was_not_written_whole_is_cut() {
    let disk = three();
    disk.open(LOG).expect("open").append(b"{\"n\":4,\"at_").expect("appended");
    let log = open(&disk);
    assert_eq!(log.append(act("key.freeze", "web")).expect("written"), 4);
    assert_eq!(log.verify().expect("read").wrong, None);
    assert_eq!(log.query(&all()).expect("read").len(), 4);
}

#[test]
fn what_cannot_be_written_is_said_and_nothing_is_written_after_it() {
    let disk = three();
    let log = open(&disk);
    disk.inject(DiskFault::WriteNoSpace(0));
    assert!(
        log.append(act("key.freeze", "web")).is_err_and(|error| error.0.contains("audit log could not be written"))
    );
    assert!(log.append(act("key.freeze", "web")).is_err());
}

#[test]
fn long_texts_are_cut_at_a_letter() {
    let disk = SimDisk::new(1);
    let log = open(&disk);
    log.append(Act { detail: "ä".repeat(5_000), ..act("x", "y") }).expect("written");
    let found = log.query(&all()).expect("read");
    assert_eq!(found[0].act.detail.len(), haltline_ports::ACT_TEXT_MAX);
    assert_eq!(log.verify().expect("read").wrong, None);
}
