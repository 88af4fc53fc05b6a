//! The contract's rules about groups, holders and units, against any store. Each takes a store that is new.

use std::time::Duration;

use leyden::store::{
    Acknowledgement, Claim, CommitError, Error, GroupStatus, Holder, HostInfo, Member, Offset,
    Partition, Record, Subscription, Transaction,
};

use crate::rules::{
    Shared, appending, done, having_read, is_conflict, partition, put_one, trim_all, value,
};
use crate::rules_log::offsets;

/// Longer than any test, ms.
const LEASE_MS: u64 = 600_000;

/// Longest wait for a lease of 1 ms to end.
const EXPIRY_WAIT_MAX: Duration = Duration::from_secs(20);

fn holder(name: &str) -> Holder {
    Holder(name.into())
}

fn info(name: &str) -> HostInfo {
    HostInfo {
        holder: holder(name),
        url: format!("http://{name}:3000"),
        version: "1.2.3".to_owned(),
        started_at_ms: 1_700_000_000_000,
        generation: 7,
    }
}

/// A host that holds all units.
async fn join(store: &Shared, name: &str) -> Holder {
    let members = store.beat(&info(name), LEASE_MS).await.expect("told");
    for unit in 0..store.units() {
        let from = members.owners[usize::from(unit)].as_ref();
        let took = store.take(unit, from, &holder(name)).await.expect("asked");
        assert!(took, "unit {unit}");
    }
    holder(name)
}

async fn subscribe(store: &Shared, group: &str) -> Subscription {
    let subscription = Subscription {
        group: group.into(),
        partition: partition(store).await,
    };
    store.subscribe(&subscription).await.expect("subscribed");
    subscription
}

async fn claim(store: &Shared, group: &str, name: &str) -> Claim {
    Claim {
        subscription: subscribe(store, group).await,
        holder: join(store, name).await,
    }
}

async fn fetch(store: &Shared, claim: &Claim) -> Vec<Record> {
    store
        .fetch(claim, 0, usize::MAX, usize::MAX)
        .await
        .expect("fetched")
}

async fn payloads(store: &Shared, claim: &Claim) -> Vec<String> {
    let records = fetch(store, claim).await;
    let text = |record: Record| String::from_utf8(record.payload).expect("text");
    records.into_iter().map(text).collect()
}

/// A transaction that is done with records, and leaves a mark.
fn done_with(claim: &Claim, offsets: &[Offset], mark: &str) -> Transaction {
    Transaction {
        acknowledgement: Some(Acknowledgement {
            claim: claim.clone(),
            offsets: offsets.to_vec(),
        }),
        ..put_one(mark, "done")
    }
}

async fn is_fenced(store: &Shared, transaction: Transaction) -> bool {
    let outcome = store.commit(transaction).await;
    matches!(outcome, Err(CommitError::Store(Error::Fenced)))
}

async fn status(store: &Shared, subscription: &Subscription) -> GroupStatus {
    let streams = store.streams().await.expect("streams");
    let mut streams = streams.into_iter();
    let found = streams.find(|status| status.partition == subscription.partition);
    let mut groups = found.expect("a partition").groups.into_iter();
    let found = groups.find(|status| status.group == subscription.group);
    found.expect("a group")
}

pub(crate) async fn records_stay_until_they_are_acknowledged(store: Shared) {
    let claim = claim(&store, "g", "a").await;
    done(&store, appending(&["1", "2", "3"])).await;
    let offsets = offsets(&store, &claim.subscription.partition).await;
    for _ in 0..2 {
        assert_eq!(payloads(&store, &claim).await, ["1", "2", "3"]);
    }
    done(&store, done_with(&claim, &offsets[..2], "first")).await;
    assert_eq!(payloads(&store, &claim).await, ["3"]);
    for (again, mark) in [(&offsets[..2], "twice"), (&offsets[..1], "once more")] {
        assert!(is_fenced(&store, done_with(&claim, again, mark)).await);
        assert_eq!(value(&store, mark).await, None);
    }
    done(&store, done_with(&claim, &offsets[2..], "second")).await;
    assert!(fetch(&store, &claim).await.is_empty());
    let status = status(&store, &claim.subscription).await;
    assert_eq!(
        (status.done, status.lag, status.oldest),
        (offsets[2], 0, None)
    );
}

pub(crate) async fn records_are_acknowledged_in_their_order(store: Shared) {
    let claim = claim(&store, "g", "a").await;
    done(&store, appending(&["1", "2", "3"])).await;
    let offsets = offsets(&store, &claim.subscription.partition).await;
    fetch(&store, &claim).await;
    for wrong in [&offsets[1..], &offsets[2..]] {
        assert!(is_fenced(&store, done_with(&claim, wrong, "wrong")).await);
    }
    assert_eq!(payloads(&store, &claim).await, ["1", "2", "3"]);
    done(&store, done_with(&claim, &offsets, "all")).await;
}

/// A refused transaction acknowledges nothing, whatever it was refused for.
pub(crate) async fn a_refused_commit_acknowledges_nothing(store: Shared) {
    let claim = claim(&store, "g", "a").await;
    let version = done(&store, appending(&["1"])).await;
    done(&store, put_one("k", "1")).await;
    let offsets = offsets(&store, &claim.subscription.partition).await;
    fetch(&store, &claim).await;
    let conflicting = Transaction {
        reads: having_read(version, &["k"]),
        ..done_with(&claim, &offsets, "conflict")
    };
    assert!(is_conflict(&store.commit(conflicting).await));
    let overdrawing = Transaction {
        postings: vec![crate::rules::moving("poor", "fees", 1)],
        ..done_with(&claim, &offsets, "overdraft")
    };
    let outcome = store.commit(overdrawing).await;
    assert!(
        matches!(outcome, Err(CommitError::Overdrawn { .. })),
        "{outcome:?}"
    );
    assert_eq!(payloads(&store, &claim).await, ["1"]);
    done(&store, done_with(&claim, &offsets, "done")).await;
}

/// From the moment a unit is taken, its former holder can do nothing with its records.
pub(crate) async fn a_former_holder_is_fenced(store: Shared) {
    let old = claim(&store, "g", "a").await;
    let version = done(&store, appending(&["1", "2"])).await;
    done(&store, put_one("k", "1")).await;
    let offsets = offsets(&store, &old.subscription.partition).await;
    fetch(&store, &old).await;
    let new = claim(&store, "g", "b").await;
    assert!(is_fenced(&store, done_with(&old, &offsets, "old")).await);
    assert_eq!(value(&store, "old").await, None);
    let conflicting = Transaction {
        reads: having_read(version, &["k"]),
        ..done_with(&old, &offsets, "old")
    };
    assert!(
        is_fenced(&store, conflicting).await,
        "the fence comes first"
    );
    let fetched = store.fetch(&old, 0, 10, usize::MAX).await;
    assert!(matches!(fetched, Err(Error::Fenced)), "{fetched:?}");

    assert_eq!(
        payloads(&store, &new).await,
        ["1", "2"],
        "what was held elsewhere"
    );
    done(&store, done_with(&new, &offsets[..1], "new")).await;
    assert!(is_fenced(&store, done_with(&old, &offsets[1..], "old")).await);
    done(&store, done_with(&new, &offsets[1..], "new")).await;
}

/// Nobody acknowledges what nobody has fetched, nor what another has fetched since.
pub(crate) async fn only_who_fetched_acknowledges(store: Shared) {
    let old = claim(&store, "g", "a").await;
    done(&store, appending(&["1"])).await;
    let partition = partition(&store).await;
    let first = offsets(&store, &partition).await;
    assert!(is_fenced(&store, done_with(&old, &first, "unseen")).await);
    fetch(&store, &old).await;
    let new = claim(&store, "g", "b").await;
    assert!(is_fenced(&store, done_with(&new, &first, "not fetched")).await);
    fetch(&store, &new).await;
    join(&store, "a").await;
    assert!(is_fenced(&store, done_with(&old, &first, "taken over")).await);
    assert_eq!(payloads(&store, &old).await, ["1"]);
    done(&store, done_with(&old, &first, "fetched again")).await;
}

pub(crate) async fn groups_do_not_see_each_other(store: Shared) {
    let one = claim(&store, "one", "a").await;
    done(&store, appending(&["1", "2"])).await;
    let other = Claim {
        subscription: subscribe(&store, "other").await,
        ..one.clone()
    };
    let offsets = offsets(&store, &one.subscription.partition).await;
    assert_eq!(payloads(&store, &one).await, ["1", "2"]);
    done(&store, done_with(&one, &offsets, "one")).await;
    assert_eq!(payloads(&store, &other).await, ["1", "2"]);
    let subscriptions = [one.subscription.clone(), other.subscription.clone()];
    assert_eq!(store.backlog(&subscriptions).await.expect("counted"), 2);
    assert_eq!(
        store.backlog(&subscriptions[..1]).await.expect("counted"),
        0
    );
    assert_eq!(store.backlog(&[]).await.expect("counted"), 0);
}

pub(crate) async fn a_group_begins_with_the_oldest_record_kept(store: Shared) {
    done(&store, appending(&["1", "2", "3"])).await;
    let partition = partition(&store).await;
    let offsets = offsets(&store, &partition).await;
    trim_all(&*store, &partition, offsets[0])
        .await
        .expect("trimmed");
    let claim = claim(&store, "g", "a").await;
    let new = status(&store, &claim.subscription).await;
    assert_eq!(
        (new.lag, new.lost),
        (2, false),
        "it has lost nothing that it was to see"
    );
    assert_eq!(payloads(&store, &claim).await, ["2", "3"]);
    done(&store, done_with(&claim, &offsets[1..2], "2")).await;
    subscribe(&store, "g").await;
    assert_eq!(payloads(&store, &claim).await, ["3"], "known already");
}

pub(crate) async fn fetches_obey_both_limits(store: Shared) {
    let claim = claim(&store, "g", "a").await;
    done(&store, appending(&["1234", "12", "123456", ""])).await;
    let offsets = offsets(&store, &claim.subscription.partition).await;
    for (after, limit, bytes_max, expected) in [
        (0, 0, 100, 0),
        (0, 10, 0, 1),
        (0, 10, 5, 1),
        (0, 10, 6, 2),
        (2, 10, 0, 1),
        (0, 3, 100, 3),
        (2, 10, 6, 2),
        (0, 10, 100, 4),
        (4, 10, 100, 0),
    ] {
        let from = if after == 0 { 0 } else { offsets[after - 1] };
        let records = store
            .fetch(&claim, from, limit, bytes_max)
            .await
            .expect("fetched");
        let found: Vec<_> = records.iter().map(|record| record.offset).collect();
        let expected = &offsets[after..after + expected];
        assert_eq!(
            found, expected,
            "after {after}, {limit} records, {bytes_max} bytes"
        );
    }
    done(&store, done_with(&claim, &offsets, "all")).await;
}

/// Records that go before a group has seen them are not silent, and nothing is stuck behind them.
pub(crate) async fn a_group_that_lost_records_says_so_and_goes_on(store: Shared) {
    let claim = claim(&store, "g", "a").await;
    done(&store, appending(&["1", "2", "3", "4"])).await;
    let partition = partition(&store).await;
    let offsets = offsets(&store, &partition).await;
    store
        .fetch(&claim, 0, 2, usize::MAX)
        .await
        .expect("fetched");
    assert!(!status(&store, &claim.subscription).await.lost);
    trim_all(&*store, &partition, offsets[2])
        .await
        .expect("trimmed");
    assert!(status(&store, &claim.subscription).await.lost);
    assert_eq!(payloads(&store, &claim).await, ["4"]);
    done(&store, done_with(&claim, &offsets[3..], "4")).await;
    assert!(fetch(&store, &claim).await.is_empty());
    let subscriptions = [claim.subscription.clone()];
    assert_eq!(store.backlog(&subscriptions).await.expect("counted"), 0);
    done(&store, appending(&["5"])).await;
    assert_eq!(payloads(&store, &claim).await, ["5"]);
}

pub(crate) async fn a_unit_is_taken_from_its_holder_only(store: Shared) {
    let (a, b) = (holder("a"), holder("b"));
    for host in ["a", "b"] {
        store.beat(&info(host), LEASE_MS).await.expect("told");
    }
    let take =
        async |from: Option<&Holder>, to: &Holder| store.take(0, from, to).await.expect("asked");
    assert!(!take(Some(&a), &b).await, "nobody holds it");
    assert!(take(None, &a).await);
    assert!(!take(None, &b).await);
    assert!(!take(Some(&b), &b).await);
    assert!(take(Some(&a), &b).await);
    store.release(&a, Some(0)).await.expect("released");
    assert!(!take(None, &a).await, "only its holder gives it up");
    store.release(&b, Some(0)).await.expect("released");
    assert!(take(None, &a).await);
}

pub(crate) async fn members_come_and_go(store: Shared) {
    join(&store, "a").await;
    let members = store.beat(&info("b"), LEASE_MS).await.expect("told");
    let hosts: Vec<_> = members.hosts.iter().map(|host| host.info.clone()).collect();
    assert_eq!(hosts, [info("a"), info("b")]);
    let alive = |host: &Member| (1..=LEASE_MS).contains(&host.lease_ms);
    assert!(members.hosts.iter().all(alive), "{members:?}");
    assert_eq!(
        members.owners,
        vec![Some(holder("a")); store.units().into()]
    );
    let newer = HostInfo {
        generation: 8,
        ..info("b")
    };
    let members = store.beat(&newer, LEASE_MS).await.expect("told");
    assert_eq!(members.hosts[1].info, newer);

    store.release(&holder("a"), None).await.expect("released");
    let members = store.beat(&info("b"), LEASE_MS).await.expect("told");
    let hosts: Vec<_> = members.hosts.iter().map(|host| &host.info).collect();
    assert_eq!(hosts, [&info("b")]);
    assert_eq!(members.owners, vec![None; store.units().into()]);
}

/// A host that does not tell in time is known as long as it holds something.
pub(crate) async fn a_silent_host_is_not_alive(store: Shared) {
    let tell = async |name: &str, lease_ms| {
        let told = store.beat(&info(name), lease_ms).await;
        told.expect("told");
    };
    tell("holds", LEASE_MS).await;
    let held = store.take(0, None, &holder("holds")).await;
    assert!(held.expect("asked"));
    tell("holds", 1).await;
    tell("holds-nothing", 1).await;
    let silent = async || {
        loop {
            let members = store.beat(&info("z"), LEASE_MS).await.expect("told");
            let alive = |host: &&Member| host.lease_ms > 0;
            if members.hosts.iter().filter(alive).count() == 1 {
                return members;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let members = tokio::time::timeout(EXPIRY_WAIT_MAX, silent())
        .await
        .expect("in time");
    let names: Vec<_> = members
        .hosts
        .iter()
        .map(|host| &*host.info.holder.0)
        .collect();
    assert_eq!(names, ["holds", "z"]);
    assert_eq!(members.owners[0], Some(holder("holds")));
    let took = store
        .take(0, Some(&holder("holds")), &holder("z"))
        .await
        .expect("asked");
    assert!(took);
    let members = store.beat(&info("z"), LEASE_MS).await.expect("told");
    assert_eq!(members.hosts.len(), 1, "{members:?}");
}

/// What has no group and no record is nowhere; what had one stays known.
pub(crate) async fn streams_are_known_by_records_and_groups(store: Shared) {
    let subscription = subscribe(&store, "g").await;
    let new = status(&store, &subscription).await;
    assert_eq!((new.lag, new.pending, new.lost), (0, 0, false));
    let stream = leyden::ids::StreamName::parse("rules.other").expect("a name");
    let elsewhere = Partition { stream, number: 0 };
    assert_eq!(store.first_offset(&elsewhere).await.expect("read"), None);
    let log = store.read_log(&elsewhere, 0, 10, usize::MAX).await;
    assert!(log.expect("read").is_empty());
    assert_eq!(trim_all(&*store, &elsewhere, 10).await.expect("trimmed"), 0);
    let streams = store.streams().await.expect("streams");
    let known = streams
        .iter()
        .filter(|one| one.newest > 0 || !one.groups.is_empty());
    assert_eq!(known.count(), 1, "{streams:?}");
}
