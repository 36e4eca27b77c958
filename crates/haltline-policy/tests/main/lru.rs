//! What is kept as long as there is room, against a list that is searched from the front.

use crate::fixed;
use haltline_policy::lru::Lru;
use proptest::prelude::*;

#[test]
fn who_was_not_asked_for_goes_first() {
    let mut kept = Lru::new(30);
    assert!(kept.put("a", 1, 10).is_empty() && kept.put("b", 2, 10).is_empty() && kept.put("c", 3, 10).is_empty());
    assert_eq!(kept.get(&"a"), Some(&mut 1));
    assert_eq!(kept.put("d", 4, 10), ["b"]);
    assert_eq!(kept.peek(&"b"), None);
    assert_eq!(kept.resize(15), ["c", "a"]);
    assert_eq!((kept.len(), kept.bytes()), (1, 10));
    assert_eq!(kept.put("huge", 5, 100), ["d", "huge"]);
    assert!(kept.is_empty() && kept.bytes() == 0);
}

#[test]
fn a_sweep_looks_at_the_oldest_and_takes_what_is_not_to_be_kept() {
    let mut kept = Lru::new(1000);
    for number in 0..10 {
        kept.put(number, number, 1);
    }
    assert_eq!(kept.sweep(4, |_, value| value % 2 == 0), [1, 3]);
    assert_eq!(kept.sweep(100, |_, value| *value > 5), [0, 2, 4, 5]);
    assert_eq!((kept.len(), kept.bytes()), (4, 4));
}

proptest! {
    #![proptest_config(fixed(300))]
    #[test]
    fn it_is_a_list_that_is_searched_from_the_front(steps in prop::collection::vec((0_u8..3, 0_u8..8, 1_usize..20), 1..80)) {
        const ROOM: usize = 50;
        let mut kept = Lru::new(ROOM);
        let mut list: Vec<(u8, usize)> = Vec::new();
        for (step, key, bytes) in steps {
            match step {
                0 => {
                    let gone = kept.put(key, bytes, bytes);
                    list.retain(|(known, _)| *known != key);
                    list.push((key, bytes));
                    let mut expected = Vec::new();
                    while list.iter().map(|(_, bytes)| bytes).sum::<usize>() > ROOM {
                        expected.push(list.remove(0).0);
                    }
                    prop_assert_eq!(gone, expected);
                }
                1 => {
                    let place = list.iter().position(|(known, _)| *known == key);
                    prop_assert_eq!(kept.get(&key).copied(), place.map(|place| list[place].1));
                    if let Some(place) = place {
                        let used = list.remove(place);
                        list.push(used);
                    }
                }
                _ => {
                    let place = list.iter().position(|(known, _)| *known == key);
                    prop_assert_eq!(kept.remove(&key), place.map(|place| list.remove(place).1));
                }
            }
            prop_assert_eq!(kept.len(), list.len());
            prop_assert_eq!(kept.bytes(), list.iter().map(|(_, bytes)| bytes).sum::<usize>());
        }
    }
}
