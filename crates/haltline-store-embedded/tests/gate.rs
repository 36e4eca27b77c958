//! A disk whose syncs wait at a gate: who must wait for which sync?

use crate::support::{START, attempt, budget, demand, subjects};
use haltline_ledger::{Budgets, Hold};
use haltline_ports::{Book, BoxFuture, Clock, HoldError, Permit};
use haltline_store_embedded::{Disk, DiskFile, EmbeddedStore, Options, PlacedFile, SimDisk, Threads};
use haltline_types::Timestamp;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;
use std::time::Duration;

#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().expect("gate") = shut;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().expect("gate");
        drop(self.moved.wait_while(shut, |shut| *shut).expect("gate"));
    }
}

/// Opens the gate whatever happens, so that a failed test ends.
struct OpensAtLast(Arc<Gate>);

impl Drop for OpensAtLast {
    fn drop(&mut self) {
        *self.0.shut.lock().expect("gate") = false;
        self.0.moved.notify_all();
    }
}

struct GatedDisk(SimDisk, Arc<Gate>);
struct GatedFile(Arc<dyn DiskFile>, Arc<Gate>);

impl Disk for GatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn read(&self, name: &str, offset: u64, len_max: usize) -> io::Result<Vec<u8>> {
        self.0.read(name, offset, len_max)
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(GatedFile(self.0.open(name)?, Arc::clone(&self.1))))
    }
    fn open_placed(&self, name: &str) -> io::Result<Arc<dyn PlacedFile>> {
        self.0.open_placed(name)
    }
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.replace(name, bytes)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn boot_id(&self) -> String {
        self.0.boot_id()
    }
    fn path(&self) -> Option<&Path> {
        None
    }
}

impl DiskFile for GatedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.1.pass();
        self.0.sync()
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        START
    }
}

type Taking<'a> = BoxFuture<'a, Result<Permit, HoldError>>;

/// Has the hold been given already?
async fn is_given(taking: &mut Taking<'_>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(taking.as_mut().poll(context).is_ready())).await
}

fn hold(number: u128, user: &str) -> Hold {
    let expires = START.saturating_add(Duration::from_secs(600));
    Hold { id: attempt(number), at: START, subjects: subjects(user), ceiling: demand(1_000, 1), expires }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_waits_for_the_mark_that_it_rests_on_also_when_another_raised_it() {
    let gate = Arc::new(Gate::default());
    let disk = Arc::new(GatedDisk(SimDisk::new(1), Arc::clone(&gate)));
    let options = Options { pepper: Some([1; 32]), ..Options::on(disk, Threads::Own(Arc::new(Noon))) };
    let budgets = Budgets::new(vec![budget("user-day", &["user"], "$1", "day")]).expect("budgets");
    let (store, _) = EmbeddedStore::open(options, budgets, START).expect("open");
    let _opens = OpensAtLast(Arc::clone(&gate));
    store.hold(hold(1, "bob")).await.expect("bob's first hold is synced");

    gate.set(true);
    let mut first: Taking<'_> = store.hold(hold(2, "alice"));
    let mut second: Taking<'_> = store.hold(hold(3, "alice"));
    let mut others: Taking<'_> = store.hold(hold(4, "bob"));
    assert!(!is_given(&mut first).await, "alice's first hold needs a mark");
    assert!(!is_given(&mut second).await, "her second rests on the same mark, which is not on the disk");
    assert!(is_given(&mut others).await, "bob's mark is");
    gate.set(false);
    first.await.expect("synced");
    second.await.expect("synced");
}
