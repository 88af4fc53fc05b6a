//! Members, leases and units by the server's clock; and the newest records as others see them.

use std::time::Duration;

use leyden::ids::StreamName;
use leyden::store::redis::Redis;
use leyden::store::{Holder, Partition, Store as _, offset_of};
use tokio::sync::watch;

use crate::redis::{Kept, Server};
use crate::{WAIT_MAX, eventually, host, open_with, patient};

fn holder(name: &str) -> Holder {
    Holder(name.into())
}

async fn alive(store: &Redis, name: &str) -> bool {
    let members = store.beat(&host("observer"), 60_000).await.expect("told");
    let found = members
        .hosts
        .iter()
        .find(|member| *member.info.holder.0 == *name);
    found.is_some_and(|member| member.lease_ms > 0)
}

#[tokio::test]
async fn hosts_see_each_other_until_their_lease_ends() {
    let server = Server::start(Kept::Nothing);
    let (one, two) = (
        open_with(patient(&server.url())).await,
        open_with(patient(&server.url())).await,
    );
    one.beat(&host("a"), 60_000).await.expect("told");
    let members = two.beat(&host("b"), 200).await.expect("told");
    let infos: Vec<_> = members.hosts.iter().map(|member| &member.info).collect();
    assert_eq!(infos, [&host("a"), &host("b")]);
    assert!((1..=60_000).contains(&members.hosts[0].lease_ms));
    assert_eq!(members.owners, vec![None; 4]);
    // Nothing is held by it, so it is forgotten when it has not told for its lease.
    eventually("b's lease ends", || async { !alive(&one, "b").await }).await;
    let members = one.beat(&host("a"), 60_000).await.expect("told");
    assert!(members.hosts.iter().all(|member| member.info != host("b")));
}

#[tokio::test]
async fn a_unit_is_taken_only_from_whom_the_taker_believes_to_hold_it() {
    let server = Server::start(Kept::Nothing);
    let store = open_with(patient(&server.url())).await;
    let (a, b) = (holder("a"), holder("b"));
    assert!(store.take(0, None, &a).await.expect("answered"));
    assert!(!store.take(0, None, &b).await.expect("answered"));
    assert!(!store.take(0, Some(&b), &b).await.expect("answered"));
    assert!(store.take(0, Some(&a), &b).await.expect("answered"));
    assert!(!store.take(0, Some(&a), &a).await.expect("answered"));
    assert!(
        !store.take(4, None, &a).await.expect("answered"),
        "no such unit"
    );
    let owners = store.beat(&host("a"), 60_000).await.expect("told").owners;
    assert_eq!(owners, [Some(b), None, None, None]);
    let told = server.ask(&["HGET", "{leyden}:owners", "0"]).expect("told");
    assert_eq!(told, "b");
}

#[tokio::test]
async fn a_dead_host_is_known_while_it_holds_something() {
    let server = Server::start(Kept::Nothing);
    let store = open_with(patient(&server.url())).await;
    store.beat(&host("a"), 1).await.expect("told");
    assert!(store.take(1, None, &holder("a")).await.expect("answered"));
    eventually("a's lease ends", || async { !alive(&store, "a").await }).await;
    let members = store.beat(&host("b"), 60_000).await.expect("told");
    let dead = members.hosts.iter().find(|member| member.info == host("a"));
    assert_eq!(dead.expect("known").lease_ms, 0);
    assert!(
        store
            .take(1, Some(&holder("a")), &holder("b"))
            .await
            .expect("answered")
    );
    let members = store.beat(&host("b"), 60_000).await.expect("told");
    assert!(members.hosts.iter().all(|member| member.info != host("a")));
}

#[tokio::test]
async fn who_leaves_gives_up_everything() {
    let server = Server::start(Kept::Nothing);
    let store = open_with(patient(&server.url())).await;
    let (a, b) = (holder("a"), holder("b"));
    store.beat(&host("a"), 60_000).await.expect("told");
    for (unit, to) in [(0, &a), (1, &a), (2, &b)] {
        assert!(store.take(unit, None, to).await.expect("answered"));
    }
    store.release(&a, Some(0)).await.expect("done");
    store.release(&a, Some(2)).await.expect("done");
    let members = store.beat(&host("a"), 60_000).await.expect("told");
    assert_eq!(
        members.owners,
        [None, Some(a.clone()), Some(b.clone()), None]
    );
    store.release(&a, None).await.expect("done");
    let members = store.beat(&host("b"), 60_000).await.expect("told");
    assert_eq!(members.owners, [None, None, Some(b), None]);
    assert_eq!(members.hosts.len(), 1);
}

#[tokio::test]
async fn a_take_whose_answer_was_lost_is_not_refused_for_it() {
    let mut server = Server::start(Kept::Always);
    let store = open_with(patient(&server.url())).await;
    for round in 0..4_u16 {
        // The server goes away while takes are on their way; each is answered by what it did.
        let (taker, name) = (store.clone(), holder("a"));
        let take = tokio::spawn(async move { taker.take(round, None, &name).await });
        server.restart();
        let taken = take.await.expect("no panic");
        let owners = store.beat(&host("a"), 60_000).await;
        eventually("the store answers", || async {
            store.beat(&host("a"), 60_000).await.is_ok()
        })
        .await;
        if let (Ok(taken), Ok(members)) = (taken, owners) {
            assert!(taken, "nobody else took it");
            assert_eq!(members.owners[usize::from(round)], Some(holder("a")));
        }
    }
}

fn partition(stream: &str, number: u16) -> Partition {
    Partition {
        stream: StreamName::parse(stream).expect("a name"),
        number,
    }
}

fn add(server: &Server, stream: &str, number: u16) -> u64 {
    let key = format!("{{leyden}}:stream:{stream}:{number}");
    let id = server
        .ask(&["XADD", &key, "*", "key", "k", "payload", "{}"])
        .expect("added");
    offset_of(&id).expect("an offset")
}

async fn shows(tail: &mut watch::Receiver<u64>, offset: u64) {
    let seen = tokio::time::timeout(WAIT_MAX, tail.wait_for(|newest| *newest >= offset)).await;
    assert_eq!(*seen.expect("in time").expect("kept current"), offset);
}

#[tokio::test]
async fn what_others_append_shows() {
    let server = Server::start(Kept::Nothing);
    let before = add(&server, "house.readings", 1);
    let store = open_with(patient(&server.url())).await;
    let mut tail = store.tail(&partition("house.readings", 1));
    shows(&mut tail, before).await;
    for _ in 0..20 {
        let offset = add(&server, "house.readings", 1);
        shows(&mut tail, offset).await;
    }
    // Partitions that are watched later are followed too, and all of them at once.
    let mut tails: Vec<_> = (0..40)
        .map(|number| store.tail(&partition("other", number)))
        .collect();
    for (tail, number) in tails.iter_mut().zip(0..) {
        let offset = add(&server, "other", number);
        shows(tail, offset).await;
    }
    // A burst ends with the newest.
    let burst: Vec<_> = (0..500)
        .map(|_| add(&server, "house.readings", 1))
        .collect();
    shows(&mut tail, burst[burst.len() - 1]).await;
}

#[tokio::test]
async fn tails_outlive_the_connection() {
    let mut server = Server::start(Kept::Always);
    let store = open_with(patient(&server.url())).await;
    let mut tail = store.tail(&partition("house.readings", 0));
    let offset = add(&server, "house.readings", 0);
    shows(&mut tail, offset).await;
    server.restart();
    let offset = add(&server, "house.readings", 0);
    shows(&mut tail, offset).await;
    server.pause(true);
    tokio::time::sleep(Duration::from_millis(600)).await;
    server.pause(false);
    let offset = add(&server, "house.readings", 0);
    shows(&mut tail, offset).await;
}
