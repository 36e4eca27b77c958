//! What every store of documents does.

use crate::{BODY_BYTES_MAX, Document, DocumentHead, DocumentQuery, Documents, ID_BYTES_MAX, Owner, Shelf};
use bytes::Bytes;
use haltline_types::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_795_514_400);

/// Holds an empty store of documents to the door. It is empty again afterwards.
///
/// # Panics
/// When the store does something else than the door says.
pub async fn documents(store: &dyn Documents) {
    comes_back(store).await;
    only_if(store).await;
    pages(store).await;
    labels_and_owners(store).await;
    hostile_ids(store).await;
    expiry(store).await;
    forgetting(store).await;
    bounds(store).await;
    for shelf in Shelf::ALL {
        let left = store.remove_prefix(shelf, "").await.expect("remove");
        assert_eq!(left, 0, "documents were left on the shelf {}", shelf.word());
    }
}

fn document(shelf: Shelf, id: &str) -> Document {
    Document {
        shelf,
        id: id.to_owned(),
        owner: None,
        labels: Vec::new(),
        changed: NOW,
        expires: None,
        body: Bytes::from(format!("body of {id}")),
    }
}

fn owner(key: &str, user: Option<&str>) -> Owner {
    Owner { key: key.into(), user: user.map(Into::into) }
}

async fn ids(store: &dyn Documents, query: DocumentQuery) -> Vec<String> {
    let listed = store.list(query.clone(), NOW).await.expect("list");
    let heads: Vec<DocumentHead> = listed.iter().cloned().map(DocumentHead::from).collect();
    assert_eq!(store.heads(query, NOW).await.expect("heads"), heads, "the same without bodies");
    listed.into_iter().map(|document| document.id).collect()
}

async fn comes_back(store: &dyn Documents) {
    let wanted = Document {
        owner: Some(owner("app", Some("alice"))),
        labels: vec!["state=queued".to_owned(), "kind=x".to_owned()],
        expires: Some(Timestamp::from_millis(NOW.as_millis() + 1)),
        body: Bytes::from_static(b"\0\xff bytes"),
        ..document(Shelf::Job, "one")
    };
    store.put(vec![wanted.clone(), document(Shelf::Session, "one")]).await.expect("put");
    assert_eq!(store.get(Shelf::Job, "one", NOW).await.expect("get").as_ref(), Some(&wanted));
    assert_eq!(store.get(Shelf::Session, "one", NOW).await.expect("get"), Some(document(Shelf::Session, "one")));
    assert_eq!(store.get(Shelf::Message, "one", NOW).await.expect("get"), None);
    assert_eq!(store.get(Shelf::Job, "on", NOW).await.expect("get"), None);
    let plain = Document { body: Bytes::new(), ..document(Shelf::Job, "one") };
    store.put(vec![document(Shelf::Job, "one"), plain.clone()]).await.expect("the last of a batch stays");
    assert_eq!(store.get(Shelf::Job, "one", NOW).await.expect("get"), Some(plain));
    assert_eq!(store.remove(Shelf::Job, vec!["one".into(), "two".into()]).await.expect("remove"), 1);
    assert_eq!(store.get(Shelf::Job, "one", NOW).await.expect("get"), None);
    assert_eq!(store.remove(Shelf::Session, vec!["one".into()]).await.expect("remove"), 1);
}

async fn only_if(store: &dyn Documents) {
    let first = document(Shelf::Job, "race");
    assert!(!store.put_if(first.clone(), Some(NOW)).await.expect("put"), "nothing is there");
    assert!(store.put_if(first.clone(), None).await.expect("put"));
    assert!(!store.put_if(first.clone(), None).await.expect("put"), "something is there");
    let later = Document { changed: Timestamp::from_millis(NOW.as_millis() + 5), ..first.clone() };
    assert!(store.put_if(later.clone(), Some(NOW)).await.expect("put"));
    assert!(!store.put_if(first, Some(NOW)).await.expect("put"), "it was changed");
    assert_eq!(store.get(Shelf::Job, "race", NOW).await.expect("get"), Some(later));
    store.remove(Shelf::Job, vec!["race".into()]).await.expect("remove");
}

async fn pages(store: &dyn Documents) {
    let names = ["a/1", "a/2", "a/3", "a0", "b/1", "ä", ""];
    store.put(names.iter().map(|id| document(Shelf::Message, id)).collect()).await.expect("put");
    store.put(vec![document(Shelf::Job, "a/9"), document(Shelf::Response, "a/0")]).await.expect("put");
    let all = DocumentQuery::of(Shelf::Message, 100);
    assert_eq!(ids(store, all.clone()).await, ["", "a/1", "a/2", "a/3", "a0", "b/1", "ä"]);
    let backwards = DocumentQuery { backwards: true, ..all.clone() };
    assert_eq!(ids(store, backwards.clone()).await, ["ä", "b/1", "a0", "a/3", "a/2", "a/1", ""]);
    let below = DocumentQuery { prefix: Some("a/".into()), ..all.clone() };
    assert_eq!(ids(store, below.clone()).await, ["a/1", "a/2", "a/3"]);
    let after = DocumentQuery { after: Some("a/1".into()), limit: 1, ..below.clone() };
    assert_eq!(ids(store, after).await, ["a/2"]);
    for (after, wanted) in [("", &["a/1", "a/2", "a/3"][..]), ("a/2x", &["a/3"]), ("b", &[])] {
        let query = DocumentQuery { after: Some(after.into()), ..below.clone() };
        assert_eq!(ids(store, query).await, wanted, "after {after:?}");
    }
    let below = DocumentQuery { prefix: Some("a/".into()), ..backwards };
    for (after, wanted) in [("z", &["a/3", "a/2", "a/1"][..]), ("a/3", &["a/2", "a/1"]), ("a", &[])] {
        let query = DocumentQuery { after: Some(after.into()), ..below.clone() };
        assert_eq!(ids(store, query).await, wanted, "before {after:?}");
    }
    assert_eq!(ids(store, DocumentQuery { limit: 0, ..all }).await, [""; 0]);
    assert_eq!(store.remove_prefix(Shelf::Message, "a/").await.expect("remove"), 3);
    assert_eq!(store.remove_prefix(Shelf::Message, "").await.expect("remove"), 4);
    assert_eq!(store.remove(Shelf::Job, vec!["a/9".into()]).await.expect("remove"), 1);
    assert_eq!(store.remove(Shelf::Response, vec!["a/0".into()]).await.expect("remove"), 1);
}

async fn labels_and_owners(store: &dyn Documents) {
    let labelled = |id: &str, who: Option<Owner>, labels: &[&str]| Document {
        owner: who,
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        ..document(Shelf::Job, id)
    };
    let alice = owner("app", Some("alice"));
    let nobody = owner("app", None);
    store
        .put(vec![
            labelled("1", Some(alice.clone()), &["state=queued"]),
            labelled("2", Some(nobody.clone()), &["state=queued", "state=queued"]),
            labelled("3", Some(owner("other", Some("alice"))), &["state=done"]),
            labelled("4", Some(alice.clone()), &[]),
            labelled("5", None, &["state=queued"]),
        ])
        .await
        .expect("put");
    let all = DocumentQuery::of(Shelf::Job, 100);
    let queued = DocumentQuery { label: Some("state=queued".into()), ..all.clone() };
    assert_eq!(ids(store, queued.clone()).await, ["1", "2", "5"]);
    let back = DocumentQuery { backwards: true, after: Some("5".into()), ..queued.clone() };
    assert_eq!(ids(store, back).await, ["2", "1"]);
    assert_eq!(ids(store, DocumentQuery { label: Some("state".into()), ..all.clone() }).await, [""; 0]);
    let of = |who: &Owner| DocumentQuery { owner: Some(who.clone()), ..all.clone() };
    assert_eq!(ids(store, of(&alice)).await, ["1", "4"]);
    assert_eq!(ids(store, DocumentQuery { backwards: true, ..of(&alice) }).await, ["4", "1"]);
    assert_eq!(ids(store, of(&nobody)).await, ["2"], "no user is not any user");
    assert_eq!(ids(store, of(&owner("app", Some("bob")))).await, [""; 0]);
    assert_eq!(ids(store, DocumentQuery { owner: Some(alice.clone()), ..queued.clone() }).await, ["1"]);
    let below = DocumentQuery { prefix: Some("2".into()), owner: Some(nobody), ..queued.clone() };
    assert_eq!(ids(store, below).await, ["2"]);
    store.put(vec![labelled("1", None, &["state=done"]), labelled("4", None, &["state=queued"])]).await.expect("put");
    assert_eq!(ids(store, queued).await, ["2", "4", "5"], "labels follow their document");
    assert_eq!(ids(store, of(&alice)).await, [""; 0]);
    assert_eq!(store.remove_prefix(Shelf::Job, "").await.expect("remove"), 5);
}

async fn hostile_ids(store: &dyn Documents) {
    let longest = "x".repeat(ID_BYTES_MAX);
    let names =
        ["%", "_", "a%b", "'; DROP TABLE documents; --", "nul\0inside", "nul", "new\nline", "\u{10ffff}", &longest];
    store.put(names.iter().map(|id| document(Shelf::Session, id)).collect()).await.expect("put");
    for id in names {
        let found = store.get(Shelf::Session, id, NOW).await.expect("get").expect("there");
        assert_eq!(found, document(Shelf::Session, id));
        let exactly = DocumentQuery { prefix: Some(id.into()), ..DocumentQuery::of(Shelf::Session, 100) };
        let wanted: Vec<&str> = if id == "nul" { vec!["nul", "nul\0inside"] } else { vec![id] };
        assert_eq!(ids(store, exactly).await, wanted);
    }
    assert_eq!(store.remove_prefix(Shelf::Session, "nul\0").await.expect("remove"), 1);
    assert_eq!(store.remove_prefix(Shelf::Session, "%").await.expect("remove"), 1, "no pattern");
    assert_eq!(store.remove_prefix(Shelf::Session, "").await.expect("remove"), 7);
}

async fn expiry(store: &dyn Documents) {
    let until = |id: &str, millis: i64| Document {
        expires: Some(Timestamp::from_millis(NOW.as_millis() + millis)),
        labels: vec!["l".to_owned()],
        ..document(Shelf::CachedAnswer, id)
    };
    let forever = document(Shelf::CachedAnswer, "forever");
    store.put(vec![until("past", -1), until("now", 0), until("soon", 1), forever]).await.expect("put");
    for (id, there) in [("past", false), ("now", false), ("soon", true), ("forever", true)] {
        assert_eq!(store.get(Shelf::CachedAnswer, id, NOW).await.expect("get").is_some(), there, "{id}");
    }
    let all = DocumentQuery::of(Shelf::CachedAnswer, 100);
    assert_eq!(ids(store, all.clone()).await, ["forever", "soon"]);
    assert_eq!(ids(store, DocumentQuery { label: Some("l".into()), ..all.clone() }).await, ["soon"]);
    assert_eq!(
        ids(store, DocumentQuery { limit: 1, backwards: true, ..all }).await,
        ["soon"],
        "what is gone takes no room"
    );
    store.sweep(NOW).expect("sweep");
    assert_eq!(store.remove_prefix(Shelf::CachedAnswer, "").await.expect("remove"), 2);
}

async fn forgetting(store: &dyn Documents) {
    let mut written = Vec::new();
    for shelf in Shelf::ALL {
        for (id, who) in [
            ("1", Some(owner("app", Some("alice")))),
            ("2", Some(owner("other", Some("alice")))),
            ("3", Some(owner("alice", Some("bob")))),
            ("4", Some(owner("alice", None))),
            ("5", None),
        ] {
            written.push(Document { owner: who, labels: vec!["l".to_owned()], ..document(shelf, id) });
        }
    }
    store.put(written).await.expect("put");
    let hers = u64::try_from(2 * Shelf::ALL.len()).expect("small");
    assert_eq!(store.forget_user(&"alice".into()).await.expect("forget"), hers);
    assert_eq!(store.forget_user(&"alice".into()).await.expect("forget"), 0);
    for shelf in Shelf::ALL {
        assert_eq!(ids(store, DocumentQuery::of(shelf, 100)).await, ["3", "4", "5"]);
        let labelled = DocumentQuery { label: Some("l".into()), ..DocumentQuery::of(shelf, 100) };
        assert_eq!(ids(store, labelled).await, ["3", "4", "5"]);
        assert_eq!(store.remove_prefix(shelf, "").await.expect("remove"), 3);
    }
}

async fn bounds(store: &dyn Documents) {
    let long_id = document(Shelf::Job, &"x".repeat(ID_BYTES_MAX + 1));
    let long_body = Document { body: vec![0; BODY_BYTES_MAX + 1].into(), ..document(Shelf::Job, "body") };
    let many_labels = Document { labels: vec!["l".to_owned(); 17], ..document(Shelf::Job, "labels") };
    let long_label = Document { labels: vec!["l".repeat(257)], ..document(Shelf::Job, "label") };
    for bad in [long_id, long_body, many_labels, long_label] {
        let id = bad.id.clone();
        let error = store.put_if(bad.clone(), None).await.expect_err("too much").to_string();
        assert!(error.contains("the most is"), "{error}");
        store.put(vec![document(Shelf::Job, "good"), bad]).await.expect_err("too much");
        assert_eq!(store.get(Shelf::Job, &id, NOW).await.ok().flatten(), None);
        assert_eq!(store.get(Shelf::Job, "good", NOW).await.expect("get"), None, "all of them, or none");
    }
    let large = Document { body: vec![7; 1 << 20].into(), ..document(Shelf::Job, "large") };
    store.put(vec![large.clone()]).await.expect("put");
    assert_eq!(store.get(Shelf::Job, "large", NOW).await.expect("get"), Some(large));
    assert_eq!(store.remove(Shelf::Job, vec!["large".into()]).await.expect("remove"), 1);
}
