//! The cache as a whole, over documents in memory.

use super::entry::tests::entry;
use super::key::Marked;
use super::*;
use haltline_ports::MemoryDocuments;
use std::time::Instant;

const ROOM: usize = 64 << 20;

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + second * 1000)
}

fn tenant(name: &str) -> Tenant {
    Tenant::Team(Name::new(name))
}

fn key(number: u32) -> CacheKey {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    CacheKey(key)
}

/// An answer of a tenant with one tag, whose request begins now.
async fn begun(cache: &Cache, number: u32, tenant: &Tenant, tags: &[&str], now: Timestamp) -> Arc<Entry> {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let marks = cache.versions_of(&marks_of(tenant, &tags), now).await.expect("versions");
    let plain = entry(0, Said::Whole(Bytes::from(vec![b'x'; 100])));
    let lifetime = haltline_policy::cache::Lifetime { began: now, ..plain.lifetime };
    Arc::new(Entry { key: key(number), lifetime, marks, ..plain })
}

async fn found(cache: &Cache, number: u32, tenant: &Tenant, tags: &[&str], now: Timestamp) -> Found {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let marks = cache.versions_of(&marks_of(tenant, &tags), now).await.expect("versions");
    let wanted = Wanted { key: key(number), ttl: Duration::from_secs(3600), marks };
    cache.find(&wanted, now).await.expect("found")
}

fn is_fresh(found: &Found) -> bool {
    matches!(found, Found::Fresh(..))
}

async fn invalidate(cache: &Cache, marked: Marked<'_>, now: Timestamp) {
    cache.invalidate(&[(marked.mark(), "test".to_owned())], now).await.expect("invalidated");
}

async fn flush(cache: &Cache) {
    if let Some(writing) = cache.writing() {
        writing.await;
    }
}

#[tokio::test]
async fn a_tag_is_its_tenants_and_an_operators_reaches_all() {
    let cache = Cache::new(Arc::new(MemoryDocuments::default()), ROOM);
    let (ours, theirs) = (tenant("ours"), tenant("theirs"));
    assert!(cache.keep(&begun(&cache, 1, &ours, &["a"], at(0)).await, at(0)));
    assert!(cache.keep(&begun(&cache, 2, &theirs, &["a"], at(0)).await, at(0)));
    assert!(cache.keep(&begun(&cache, 3, &ours, &[], at(0)).await, at(0)));
    invalidate(&cache, Marked::Tag(&ours, "a"), at(1)).await;
    assert_eq!(found(&cache, 1, &ours, &[], at(1)).await, Found::Nothing);
    assert!(is_fresh(&found(&cache, 2, &theirs, &["a"], at(1)).await));
    assert!(is_fresh(&found(&cache, 3, &ours, &[], at(1)).await));
    invalidate(&cache, Marked::AnyTag("a"), at(2)).await;
    assert_eq!(found(&cache, 2, &theirs, &[], at(2)).await, Found::Nothing);
    assert!(is_fresh(&found(&cache, 3, &ours, &[], at(2)).await));
    invalidate(&cache, Marked::Tenant(&ours), at(3)).await;
    assert_eq!(found(&cache, 3, &ours, &[], at(3)).await, Found::Nothing);
    assert!(cache.keep(&begun(&cache, 4, &theirs, &[], at(4)).await, at(4)));
    invalidate(&cache, Marked::All, at(5)).await;
    assert_eq!(found(&cache, 4, &theirs, &[], at(5)).await, Found::Nothing);
}

#[tokio::test]
async fn what_was_being_written_when_its_tag_was_invalidated_is_not_kept() {
    let cache = Cache::new(Arc::new(MemoryDocuments::default()), ROOM);
    let ours = tenant("ours");
    let under_way = begun(&cache, 1, &ours, &["a"], at(0)).await;
    invalidate(&cache, Marked::Tag(&ours, "a"), at(0)).await;
    assert!(!cache.keep(&under_way, at(1)));
    assert_eq!(found(&cache, 1, &ours, &["a"], at(1)).await, Found::Nothing);
    let later = begun(&cache, 1, &ours, &["a"], at(1)).await;
    assert!(cache.keep(&later, at(2)));
    assert!(is_fresh(&found(&cache, 1, &ours, &["a"], at(2)).await));
}

#[tokio::test]
async fn an_answer_goes_with_every_tag_under_which_it_was_given() {
    let cache = Cache::new(Arc::new(MemoryDocuments::default()), ROOM);
    let ours = tenant("ours");
    assert!(cache.keep(&begun(&cache, 1, &ours, &["a"], at(10)).await, at(10)));
    // A tag that was invalidated before the answer was made says nothing against it, one after that does.
    invalidate(&cache, Marked::Tag(&ours, "late"), at(11)).await;
    assert_eq!(found(&cache, 1, &ours, &["late"], at(12)).await, Found::Nothing);
    assert!(is_fresh(&found(&cache, 1, &ours, &["b"], at(12)).await));
    invalidate(&cache, Marked::Tag(&ours, "b"), at(13)).await;
    assert_eq!(found(&cache, 1, &ours, &[], at(14)).await, Found::Nothing, "it was given under `b`");
}

#[tokio::test]
async fn ten_thousand_answers_with_one_tag_are_gone_at_once() {
    const MANY: u32 = 10_000;
    let cache = Cache::new(Arc::new(MemoryDocuments::default()), ROOM);
    let ours = tenant("ours");
    for number in 0..MANY {
        assert!(cache.keep(&begun(&cache, number, &ours, &["catalogue"], at(0)).await, at(0)));
    }
    assert_eq!(cache.size().0, 10_000);
    let began = Instant::now();
    invalidate(&cache, Marked::Tag(&ours, "catalogue"), at(1)).await;
    let took = began.elapsed();
    println!("invalidate a tag of {MANY} answers: {took:?}");
    assert!(took < Duration::from_millis(100), "{took:?}");
    let began = Instant::now();
    cache.tick(ROOM, at(1));
    println!("sweep {MANY} invalidated answers: {:?}", began.elapsed());
    assert_eq!(cache.size(), (0, 0), "their memory comes back");
    for number in 0..MANY {
        assert_eq!(found(&cache, number, &ours, &[], at(1)).await, Found::Nothing);
    }
}

#[tokio::test]
async fn a_lookup_is_quick() {
    const ROUNDS: u32 = 10_000;
    let cache = Cache::new(Arc::new(MemoryDocuments::default()), ROOM);
    let ours = tenant("ours");
    for number in 0..1000 {
        cache.keep(&begun(&cache, number, &ours, &["a", "b", "c"], at(0)).await, at(0));
    }
    let began = Instant::now();
    for round in 0..ROUNDS {
        assert!(is_fresh(&found(&cache, round % 1000, &ours, &["a"], at(1)).await));
    }
    let each = began.elapsed() / ROUNDS;
    println!("versions and lookup of a hit with three tags: {each:?}");
    assert!(each < Duration::from_millis(1), "{each:?}");
}

#[tokio::test]
async fn memory_and_documents_are_bounded_alike() {
    let documents = Arc::new(MemoryDocuments::default());
    let cache = Cache::new(Arc::clone(&documents) as Arc<dyn Documents>, 20_000);
    let ours = tenant("ours");
    for number in 0..100 {
        cache.keep(&begun(&cache, number, &ours, &[], at(0)).await, at(0));
        assert!(cache.size().1 <= 20_000);
    }
    flush(&cache).await;
    let kept = documents.list(DocumentQuery::of(Shelf::CachedAnswer, 1000), at(0)).await.expect("list");
    assert_eq!(kept.len(), cache.size().0);
    assert!(is_fresh(&found(&cache, 99, &ours, &[], at(0)).await));
    assert_eq!(found(&cache, 0, &ours, &[], at(0)).await, Found::Nothing);
    cache.tick(2000, at(0));
    flush(&cache).await;
    let kept = documents.list(DocumentQuery::of(Shelf::CachedAnswer, 1000), at(0)).await.expect("list");
    assert!(cache.size().1 <= 2000 && kept.len() == cache.size().0);
}

#[tokio::test]
async fn answers_and_invalidations_outlive_the_process() {
    let documents: Arc<dyn Documents> = Arc::new(MemoryDocuments::default());
    let ours = tenant("ours");
    let before = Cache::new(Arc::clone(&documents), ROOM);
    for number in 0..200 {
        before.keep(&begun(&before, number, &ours, &[if number == 0 { "gone" } else { "a" }], at(0)).await, at(0));
    }
    flush(&before).await;
    invalidate(&before, Marked::Tag(&ours, "gone"), at(1)).await;
    drop(before);
    // Before anything is read back, what is asked for is looked up.
    let after = Cache::new(Arc::clone(&documents), ROOM);
    assert!(is_fresh(&found(&after, 7, &ours, &["a"], at(2)).await));
    assert_eq!(found(&after, 0, &ours, &[], at(2)).await, Found::Nothing);
    flush(&after).await;
    assert_eq!(after.read_back(ROOM, at(2)).await, Ok(199));
    assert_eq!(found(&after, 0, &ours, &[], at(2)).await, Found::Nothing);
    assert!(is_fresh(&found(&after, 199, &ours, &[], at(2)).await));
    // What finds no room leaves the documents, too.
    let small = Cache::new(Arc::clone(&documents), 10_000);
    small.read_back(10_000, at(2)).await.expect("read");
    assert!(small.size().1 <= 10_000 && small.size().0 > 5);
    let kept = documents.list(DocumentQuery::of(Shelf::CachedAnswer, 1000), at(2)).await.expect("list");
    assert_eq!(kept.len(), small.size().0);
}

#[tokio::test]
async fn old_answers_stand_in_and_then_go() {
    let cache = Cache::new(Arc::new(MemoryDocuments::default()), ROOM);
    let ours = tenant("ours");
    assert!(cache.keep(&begun(&cache, 1, &ours, &[], at(0)).await, at(0)));
    assert!(matches!(found(&cache, 1, &ours, &[], at(61)).await, Found::Stale { at_once: false, .. }));
    cache.note_failed(key(1), at(61));
    assert!(matches!(found(&cache, 1, &ours, &[], at(65)).await, Found::Stale { at_once: true, .. }));
    assert!(matches!(found(&cache, 1, &ours, &[], at(72)).await, Found::Stale { at_once: false, .. }));
    assert_eq!(found(&cache, 1, &ours, &[], at(660)).await, Found::Nothing);
    assert_eq!(cache.size(), (0, 0));
}

#[tokio::test]
async fn what_a_user_has_left_is_forgotten() {
    let documents = Arc::new(MemoryDocuments::default());
    let cache = Cache::new(Arc::clone(&documents) as Arc<dyn Documents>, ROOM);
    let ours = tenant("ours");
    cache.keep(&begun(&cache, 1, &ours, &[], at(0)).await, at(0));
    flush(&cache).await;
    cache.forget_user(&Name::new("bob"));
    assert_eq!(cache.size().0, 1);
    cache.forget_user(&Name::new("alice"));
    flush(&cache).await;
    assert_eq!(cache.size().0, 0);
    let kept = documents.list(DocumentQuery::of(Shelf::CachedAnswer, 10), at(0)).await.expect("list");
    assert!(kept.is_empty());
}
