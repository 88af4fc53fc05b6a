//! What is checked before a store is opened, and what the first host of an installation lays down.

use leyden::store::Store as _;
use leyden::store::redis::{OpenError, Options, Redis, Synced};

use crate::redis::{Kept, Server};
use crate::{open_with, patient, refused};

#[tokio::test]
async fn the_first_host_decides_how_many_units_there_are() {
    let server = Server::start(Kept::Nothing);
    assert_eq!(open_with(patient(&server.url())).await.units(), 4);
    let more = Options {
        partitions: 9,
        ..patient(&server.url())
    };
    assert_eq!(Redis::open(more.clone()).await.expect("open").units(), 4);
    let elsewhere = Options {
        namespace: "other".to_owned(),
        ..more
    };
    assert_eq!(Redis::open(elsewhere).await.expect("open").units(), 9);
}

#[tokio::test]
async fn what_another_version_made_or_a_copy_left_is_not_touched() {
    let server = Server::start(Kept::Nothing);
    let set = |namespace: &str, field: &str| {
        let key = format!("{{{namespace}}}:meta");
        server.ask(&["HSET", &key, field, "99"]).expect("set");
    };
    let named = |namespace: &str| Options {
        namespace: namespace.to_owned(),
        ..patient(&server.url())
    };
    set("later", "format");
    let later = refused(named("later")).await;
    assert!(
        matches!(later, OpenError::Format(ref format) if format == "99"),
        "{later}"
    );
    set("half", "copying");
    let half = refused(named("half")).await;
    assert!(matches!(half, OpenError::Copying(_)), "{half}");
}

#[tokio::test]
async fn a_server_that_evicts_is_refused() {
    let limits = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let server = Server::start_with(Kept::Nothing, &limits);
    let evicts = refused(patient(&server.url())).await;
    assert!(evicts.to_string().contains("noeviction"), "{evicts}");
}

#[tokio::test]
async fn passwords_are_asked_for_and_never_shown() {
    let server = Server::start_with(Kept::Nothing, &["--requirepass", "secret"]);
    let port = server.port();
    let at = |user: &str| patient(&format!("redis://{user}127.0.0.1:{port}/0"));
    let none = refused(at("")).await;
    assert_eq!(none.to_string(), "Redis asks for a password");
    let wrong = refused(at(":guessed@")).await;
    assert_eq!(wrong.to_string(), "Redis refuses the password");
    let printed = format!("{wrong:?} {:?}", at(":guessed@"));
    assert!(!printed.contains("guessed"), "{printed}");
    Redis::open(at(":secret@")).await.expect("open");
    Redis::open(at("default:secret@")).await.expect("open");
}

#[tokio::test]
async fn a_replica_is_refused() {
    let primary = Server::start(Kept::Nothing);
    let replica = Server::replica_of(&primary, Kept::Nothing);
    let refused = refused(patient(&replica.url())).await;
    assert_eq!(refused.to_string(), "Redis is a read-only replica");
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let port = crate::redis::free_port();
    let refused = refused(patient(&format!("redis://127.0.0.1:{port}"))).await;
    assert_eq!(refused.to_string(), "Redis refuses connections");
}

#[tokio::test]
async fn options_and_urls_that_break_a_rule_name_it() {
    for (url, rule) in [
        ("http://127.0.0.1", "redis://HOST:PORT"),
        ("redis+sentinel://127.0.0.1:1", "service"),
        ("redis+cluster://127.0.0.1:1/3", "database"),
        ("redis://127.0.0.1:6379/x", "database's number"),
    ] {
        let refused = refused(patient(url)).await;
        assert!(refused.to_string().contains(rule), "{url}: {refused}");
    }
}

#[tokio::test]
async fn the_server_tells_what_a_crash_loses() {
    for (kept, synced) in [
        (Kept::Nothing, Synced::Never),
        (Kept::Always, Synced::Always),
        (Kept::EverySecond, Synced::EverySecond),
        (Kept::Eventually, Synced::Eventually),
    ] {
        let server = Server::start(kept);
        let store = open_with(patient(&server.url())).await;
        let durability = store.durability();
        assert_eq!(durability.synced, synced);
        assert_eq!(
            durability.is_nothing(),
            kept == Kept::Nothing,
            "{durability}"
        );
    }
}

#[tokio::test]
async fn durable_needs_something_to_wait_for() {
    let durable = |server: &Server| Options {
        durable: true,
        ..patient(&server.url())
    };
    let forgetful = Server::start(Kept::EverySecond);
    let kept = Server::start(Kept::Always);
    Redis::open(durable(&kept)).await.expect("open");
    if !forgetful
        .ask(&["INFO", "server"])
        .expect("told")
        .contains("redis_version:7.0")
    {
        return eprintln!("skipped: this server can be waited for");
    }
    let refused = refused(durable(&forgetful)).await;
    assert!(matches!(refused, OpenError::NotDurable), "{refused}");
}
