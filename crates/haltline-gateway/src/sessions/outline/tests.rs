//! What counts as new in a thread.

use super::*;

fn voice(turn: &str) -> Voice {
    match turn.as_bytes()[0] {
        b'u' => Voice::User,
        b't' => Voice::Tools,
        b'p' => Voice::Broken,
        _ => Voice::Model,
    }
}

/// `u1 a2`: who speaks, and what; the mark is the number.
fn turns(text: &str) -> Vec<Seen> {
    let turn = |turn: &str| Seen { mark: turn[1..].parse().expect("number"), voice: voice(turn) };
    text.split_whitespace().map(turn).collect()
}

fn outline(text: &str) -> Outline {
    let mut outline = Outline::default();
    outline.take(&turns(text));
    outline
}

fn marks(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.mark).collect()
}

#[test]
fn what_a_whole_conversation_has_that_is_new() {
    for (kept, sent, keep, from) in [
        ("", "u1", 0, 0),
        ("u1 a2", "u1 a2 u3", 2, 2),
        ("u1 a2", "u1 a2", 2, 2),
        ("u1 a2 u3 a4", "u1 a2 u3", 3, 3),
        ("u1 a2 u3 a4", "u1 a2 u5", 2, 2),
        ("u1 a2 u3 a4", "u9", 0, 0),
        ("u1 a2 u3 a4 u5 a6", "u3 a4 u5 a6 u7", 6, 4),
        ("u1 a2 u3 a4 u5 a6", "u3 a4 u8", 4, 2),
        ("u1 a2 u3 a4", "u3 a9", 0, 0),
    ] {
        assert_eq!(outline(kept).plan(&turns(sent), Sent::Whole), Plan { keep, from }, "{kept} + {sent}");
    }
}

#[test]
fn what_new_turns_follow() {
    for (kept, sent, how, keep, from) in [
        ("", "u1", Sent::New, 0, 0),
        ("u1 a2", "u3", Sent::New, 2, 0),
        ("u1 a2", "u1", Sent::New, 2, 0),
        ("u1 a2", "u1", Sent::Again, 1, 1),
        ("u1", "u1", Sent::New, 1, 1),
        ("u1 p2", "u1", Sent::New, 1, 1),
        ("u1 a2 u3 p4", "u3", Sent::New, 3, 1),
        ("u1 a2 t3 a4", "u1", Sent::Again, 1, 1),
        ("u1 a2", "t3", Sent::New, 2, 0),
        ("u1 a2", "a2 t3", Sent::New, 2, 1),
        ("u1 a2", "a9 t3", Sent::New, 1, 0),
        ("u1 a2", "u8", Sent::Again, 2, 0),
    ] {
        assert_eq!(outline(kept).plan(&turns(sent), how), Plan { keep, from }, "{kept} + {sent} {how:?}");
    }
}

#[test]
fn two_threads_that_take_turns_under_one_name_are_written_once() {
    let mut outline = outline("u1 a2 u3 a4");
    for (sent, new) in [("u7", 1), ("u1 a2 u3 a4 u5", 1), ("u7 a8", 1), ("u1 a2 u3 a4 u5", 0)] {
        let sent = turns(sent);
        let plan = outline.plan(&sent, Sent::Whole);
        outline.cut(plan.keep);
        let taken = outline.take(&sent[plan.from..]);
        assert_eq!(taken.iter().filter(|taken| matches!(taken, Taken::New(_))).count(), new);
        assert_eq!(marks(&outline.live), sent.iter().map(|turn| turn.mark).collect::<Vec<_>>());
    }
    assert_eq!(marks(&outline.replaced), [7, 8]);
}

#[test]
fn the_oldest_go_and_a_whole_conversation_still_fits() {
    let many: String = (0..MESSAGES_MAX + 5).map(|number| format!("u{number} ")).collect();
    let mut outline = outline(&many);
    assert_eq!(outline.bound(), [0, 1, 2, 3, 4]);
    assert_eq!((outline.live.len(), outline.dropped), (MESSAGES_MAX, 5));
    let plan = outline.plan(&turns(&format!("{many} u77777")), Sent::Whole);
    assert_eq!(plan, Plan { keep: MESSAGES_MAX, from: MESSAGES_MAX + 5 });
}

#[test]
fn what_was_replaced_goes_before_what_is_said() {
    let mut outline = outline("u1 a2 u3");
    outline.weigh(0, 30 << 20);
    outline.weigh(1, 30 << 20);
    outline.weigh(2, 1);
    outline.cut(1);
    outline.take(&turns("a9"));
    outline.weigh(3, 30 << 20);
    assert_eq!(outline.bound(), [1]);
    assert_eq!((marks(&outline.live), marks(&outline.replaced)), (vec![1, 9], vec![3]));
    outline.take(&turns("u10"));
    outline.weigh(4, 30 << 20);
    assert_eq!(outline.bound(), [0]);
    assert_eq!((marks(&outline.live), outline.dropped), (vec![9, 10], 1));
}

#[test]
fn neighbours_are_read_together() {
    let rows = |numbers: &[u64]| -> Vec<Row> {
        numbers.iter().map(|number| Row { number: *number, bytes: 1, mark: 0, voice: Voice::User }).collect()
    };
    assert_eq!(Outline::runs(&rows(&[1, 2, 3, 7, 5, 6])), [(1, 3), (7, 1), (5, 2)]);
    assert_eq!(Outline::runs(&[]), []);
}
