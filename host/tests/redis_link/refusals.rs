//! Servers that stop, hang and refuse: calls say so in time, and all is well by itself afterwards.

use std::time::Instant;

use leyden::store::Store as _;

use crate::redis::{Kept, Server};
use crate::{WAIT_MAX, hasty, open, refuses, unhealthy, works, write};

#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    let mut server = Server::start(Kept::Always);
    let store = open(&server.url()).await;
    works(&store).await;
    for _ in 0..3 {
        server.kill();
        unhealthy(&store, Result::is_err).await;
        server.restart();
        works(&store).await;
    }
}

#[tokio::test]
async fn while_the_server_is_away_calls_fail_at_once() {
    let mut server = Server::start(Kept::Nothing);
    let store = open(&server.url()).await;
    server.kill();
    unhealthy(&store, Result::is_err).await;
    let started = Instant::now();
    for _ in 0..200 {
        write(&store).await.expect_err("away");
    }
    assert!(started.elapsed() < WAIT_MAX, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_hangs_is_not_waited_for_without_end() {
    let server = Server::start(Kept::Nothing);
    let store = open(&server.url()).await;
    works(&store).await;
    server.pause(true);
    refuses(&store, "Redis does not answer").await;
    unhealthy(&store, Result::is_err).await;
    server.pause(false);
    works(&store).await;
}

#[tokio::test]
async fn a_server_that_hangs_while_nobody_calls_is_noticed() {
    let server = Server::start(Kept::Nothing);
    let store = open(&server.url()).await;
    server.pause(true);
    unhealthy(&store, |health| *health == Err("Redis does not answer")).await;
    server.pause(false);
    works(&store).await;
}

#[tokio::test]
async fn a_server_without_memory_refuses_until_it_has_some() {
    let server = Server::start(Kept::Nothing);
    let store = open(&server.url()).await;
    let allow = |bytes| server.ask(&["CONFIG", "SET", "maxmemory", bytes]);
    allow("100kb").expect("set");
    refuses(&store, "Redis is out of memory").await;
    unhealthy(&store, |health| *health == Err("Redis is out of memory")).await;
    // Reads go on: only writes need memory.
    store.streams().await.expect("readable");
    allow("0").expect("set");
    works(&store).await;
}

#[tokio::test]
async fn a_server_with_too_few_replicas_refuses_until_it_has_them() {
    let server = Server::start(Kept::Nothing);
    let store = open(&server.url()).await;
    let set = |count| server.ask(&["CONFIG", "SET", "min-replicas-to-write", count]);
    set("1").expect("set");
    refuses(&store, "Redis has too few replicas").await;
    set("0").expect("set");
    works(&store).await;
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_left_until_it_is_a_primary_again() {
    let server = Server::start(Kept::Nothing);
    let other = Server::start(Kept::Nothing);
    let store = open(&server.url()).await;
    let port = other.port().to_string();
    server
        .ask(&["REPLICAOF", "127.0.0.1", &port])
        .expect("told");
    refuses(&store, "Redis is a read-only replica").await;
    unhealthy(&store, |health| {
        *health == Err("Redis is a read-only replica")
    })
    .await;
    server.ask(&["REPLICAOF", "NO", "ONE"]).expect("told");
    works(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loads_its_data_is_waited_for() {
    let options = ["--enable-debug-command", "yes"];
    let server = Server::start_with(Kept::Nothing, &options);
    let fill = "for i = 1, 3000 do redis.call('SET', 'filler' .. i, i) end";
    server.ask(&["EVAL", fill, "0"]).expect("filled");
    let store = open(&server.url()).await;
    // A millisecond a key, and a look at clients after every kilobyte.
    for (name, value) in [
        ("key-load-delay", "1000"),
        ("loading-process-events-interval-bytes", "1024"),
    ] {
        server.ask(&["CONFIG", "SET", name, value]).expect("set");
    }
    std::thread::scope(|scope| {
        let reload = scope.spawn(|| server.ask(&["DEBUG", "RELOAD"]));
        let runtime = tokio::runtime::Handle::current();
        let known = [
            Err("Redis is loading its data"),
            Err("Redis does not answer"),
        ];
        let told = unhealthy(&store, |health| known.contains(health));
        tokio::task::block_in_place(|| runtime.block_on(told));
        reload.join().expect("no panic").expect("loaded");
    });
    works(&store).await;
}

#[tokio::test]
async fn a_password_that_is_set_later_is_said_to_be_missing() {
    let server = Server::start(Kept::Nothing);
    let store = open(&server.url()).await;
    server
        .ask(&["CONFIG", "SET", "requirepass", "secret"])
        .expect("set");
    // Who is connected stays so; the next connection is refused.
    let port = server.port();
    let with_password = format!("redis://:secret@127.0.0.1:{port}/0");
    works(&open(&with_password).await).await;
    let refused = crate::refused(hasty(&server.url())).await;
    assert_eq!(refused.to_string(), "Redis asks for a password");
    works(&store).await;
}
