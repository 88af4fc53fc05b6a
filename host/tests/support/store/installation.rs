//! An embedded installation with some of everything, to be copied.

use std::path::Path;

use leyden::ids::StreamName;
use leyden::store::embedded::{self, Embedded};
use leyden::store::{
    Acknowledgement, Append, Claim, Holder, ISSUER, Partition, Posting, Space, Store, Subscription,
    Transaction, Write,
};

/// Records of the busy stream, and those of them that its slower group is done with.
pub(crate) const RECORDS: u64 = 2_500;
pub(crate) const DONE: u64 = 1_234;

/// The oldest records are trimmed.
pub(crate) const TRIMMED: u64 = 100;

pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("a name")
}

pub(crate) fn subscription(group: &str, name: &str, number: u16) -> Subscription {
    let stream = stream(name);
    Subscription {
        group: group.into(),
        partition: Partition { stream, number },
    }
}

pub(crate) fn holder() -> Holder {
    Holder("host".into())
}

pub(crate) fn write(space: &str, key: &[u8], value: Option<&[u8]>) -> Write {
    Write {
        space: Space::from(space),
        key: key.to_vec(),
        value: value.map(<[u8]>::to_vec),
    }
}

/// Keys of all bytes, values of many sizes, some that were changed and some that were removed.
fn state() -> Vec<Transaction> {
    let large = vec![7; 2 << 20];
    let writes = |writes| Transaction {
        writes,
        ..Transaction::default()
    };
    let many = (0..1_200_u32).map(|n| write("house", &n.to_be_bytes(), Some(&n.to_le_bytes())));
    vec![
        writes(many.collect()),
        writes(vec![
            write("house", &[0], Some(b"")),
            write("house", &[0xFF, 0xFF], Some(b"last")),
            write("house", &7_u32.to_be_bytes(), None),
            write("leyden.components", b"large", Some(&large)),
            write("leyden.components", b"larger", Some(&large)),
            write("emptied", b"gone", Some(b"soon")),
        ]),
        writes(vec![
            write("house", &8_u32.to_be_bytes(), Some(b"changed")),
            write("emptied", b"gone", None),
        ]),
    ]
}

pub(crate) fn reading(n: u64) -> Append {
    Append {
        stream: stream("house.readings"),
        key: format!("community-{}", n % 10),
        payload: format!("reading {n}").into_bytes(),
    }
}

fn letter(n: u64) -> Append {
    Append {
        stream: stream("leyden.dead-letters"),
        key: "k".to_owned(),
        payload: vec![n as u8; 300],
    }
}

pub(crate) fn purchase(n: u64) -> Posting {
    let (debit, credit) = match n % 3 {
        0 => (ISSUER, "partner"),
        1 => ("partner", "revenue"),
        _ => ("partner", "fees"),
    };
    Posting {
        debit: debit.to_owned(),
        credit: credit.to_owned(),
        amount: if n.is_multiple_of(3) { 5_000 } else { n },
        reference: format!("purchase {n}"),
    }
}

pub(crate) async fn commit(store: &dyn Store, transaction: Transaction) {
    store.commit(transaction).await.expect("committed");
}

pub(crate) async fn acknowledge(store: &dyn Store, of: &Subscription, count: usize) {
    let claim = Claim {
        subscription: of.clone(),
        holder: holder(),
    };
    let fetched = store.fetch(&claim, 0, count, usize::MAX).await;
    let fetched = fetched.expect("fetched");
    let offsets = fetched.iter().map(|record| record.offset).collect();
    let acknowledgement = Some(Acknowledgement { claim, offsets });
    commit(
        store,
        Transaction {
            acknowledgement,
            ..Transaction::default()
        },
    )
    .await;
}

/// An embedded installation with some of everything; its version.
pub(crate) async fn fill(directory: &Path) -> u64 {
    let store = Embedded::open(embedded::Options::new(directory)).expect("opened");
    for transaction in state() {
        commit(&store, transaction).await;
    }
    for first in (0..RECORDS).step_by(500) {
        let transaction = Transaction {
            appends: (first..first + 500).map(reading).collect(),
            at: 1_700_000_000_000 + first,
            ..Transaction::default()
        };
        commit(&store, transaction).await;
    }
    for n in 0..5 {
        let letters = Transaction {
            appends: vec![letter(n)],
            postings: (0..300).map(|m| purchase(300 * n + m)).collect(),
            at: n,
            ..Transaction::default()
        };
        commit(&store, letters).await;
    }
    let slow = subscription("slow", "house.readings", 0);
    let quick = subscription("quick", "house.readings", 0);
    let letters = subscription("none", "leyden.dead-letters", 0).partition;
    for of in [&slow, &quick, &subscription("early", "not.yet", 0)] {
        store.subscribe(of).await.expect("subscribed");
    }
    assert!(store.take(0, None, &holder()).await.expect("taken"));
    acknowledge(&store, &slow, DONE as usize).await;
    acknowledge(&store, &quick, usize::MAX).await;
    store.trim(&slow.partition, TRIMMED).await.expect("trimmed");
    let removal = Transaction {
        removals: vec![(letters, 3)],
        ..Transaction::default()
    };
    store.commit(removal).await.expect("removed")
}
