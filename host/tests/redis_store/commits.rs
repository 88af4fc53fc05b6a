//! Commits: what they leave on the server, and what copies of them do.

use super::recorder::Recorder;
use super::*;
use leyden::store::chain::Head;
use leyden::store::{LedgerCheck, SUM_MAX};

#[tokio::test]
async fn everything_lies_where_the_documentation_says() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-1").await;
    rig.commit(appends(&["one"])).await.expect("committed");
    let records = rig.fetch(&claim, 0, 10).await;
    let mut transaction = done(&claim, &records);
    transaction.at = 7;
    transaction.writes = vec![put("house", b"k", Some("v")), put("house", b"gone", None)];
    transaction.postings = movement("issuer", "p", 5).postings;
    let version = rig.commit(transaction).await.expect("committed");
    assert_eq!(version, 2);

    assert_eq!(rig.ask("GET {t}:version"), "2");
    assert_eq!(rig.ask("SMEMBERS {t}:spaces"), "house");
    assert_eq!(rig.ask("HGET {t}:streams house.readings"), "2");
    assert_eq!(rig.ask("HGET {t}:accounts p"), "0 5");
    assert_eq!(rig.ask("HGET {t}:accounts issuer"), "5 0");
    let chain = Head::default().commit(&movement("issuer", "p", 5).postings, 7)[0];
    let entry = "2-0\ndebit\nissuer\ncredit\np\namount\n5\nreference\ntest\nat\n7\nchain\n";
    assert_eq!(rig.ask("XRANGE {t}:entries - +"), format!("{entry}{chain}"));
    let head = format!("1\n{chain}\n");
    assert_eq!(rig.ask("HMGET {t}:ledger entries head unchained"), head);
    let record = rig.ask("XRANGE {t}:stream:house.readings:0 - +");
    assert!(record.ends_with("key\n4\npayload\none\nat\n7"), "{record}");
    let stored = "\0\0\0\0\0\0\u{2}\u{1}v";
    assert_eq!(rig.ask("HGET {t}:state:house k"), stored);
    let tombstone = "\0\0\0\0\0\0\u{2}\0";
    assert_eq!(rig.ask("HGET {t}:state:house gone"), tombstone);
    assert_eq!(rig.ask("ZRANGE {t}:index:house 0 -1"), "gone\nk");
    assert_eq!(rig.ask("ZRANGE {t}:removed:house 0 -1"), "gone");
    assert_eq!(rig.ask("HGET {t}:owners 0"), "host-1");
}

#[tokio::test]
async fn all_keys_of_an_installation_are_in_one_slot() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-1").await;
    let mut transaction = appends(&["one"]);
    transaction.writes = vec![put("house", b"k", Some("v")), put("house", b"gone", None)];
    transaction.postings = movement("issuer", "p", 5).postings;
    rig.commit(transaction).await.expect("committed");
    rig.handle(&claim, 10).await;
    let node = Server::start_with(Kept::Nothing, &["--cluster-enabled", "yes"]);
    let keys = rig.ask("KEYS *");
    assert!(keys.lines().count() >= 12, "{keys}");
    for key in keys.lines() {
        let slot = |key: &str| node.ask(&["CLUSTER", "KEYSLOT", key]).expect("a slot");
        assert_eq!(slot(key), slot("{t}:"), "{key}");
    }
}

/// A store whose commits are remembered.
async fn recorded() -> (Recorder, Rig) {
    let server = Server::start(Kept::Nothing);
    let recorder = Recorder::start(server.port());
    let store = Redis::open(options(&recorder.url()))
        .await
        .expect("a store");
    (recorder, Rig { server, store })
}

#[tokio::test]
async fn a_commit_that_is_sent_again_is_answered_again_and_not_done_again() {
    let (recorder, rig) = recorded().await;
    let mut transaction = appends(&["one"]);
    transaction.postings = movement("issuer", "p", 5).postings;
    assert_eq!(rig.commit(transaction).await.expect("committed"), 1);
    let commit = recorder.commits().pop().expect("a commit");
    for _ in 0..3 {
        let answer = recorder.send_again(&commit).expect("an answer");
        assert!(answer.contains("OK 1 "), "{answer}");
    }
    assert_eq!(rig.ask("GET {t}:version"), "1");
    assert_eq!(rig.ask("XLEN {t}:stream:house.readings:0"), "1");
    assert_eq!(rig.ask("HGET {t}:accounts p"), "0 5");
}

#[tokio::test]
async fn a_copy_that_comes_after_its_successor_does_nothing() {
    let (recorder, rig) = recorded().await;
    rig.commit(appends(&["one"])).await.expect("committed");
    let first = recorder.commits().pop().expect("a commit");
    rig.commit(appends(&["two"])).await.expect("committed");
    let answer = recorder.send_again(&first).expect("an answer");
    assert!(answer.contains("LATE"), "{answer}");
    assert_eq!(rig.ask("XLEN {t}:stream:house.readings:0"), "2");
}

#[tokio::test]
async fn what_was_refused_stays_refused_when_it_could_commit_by_now() {
    let (recorder, rig) = recorded().await;
    let refused = rig.commit(movement("p", "q", 5)).await;
    assert!(matches!(
        refused,
        Err(CommitError::Overdrawn { balance: 0, .. })
    ));
    let copy = recorder.commits().pop().expect("a commit");
    // As somebody else's commit would; this process' own would raise the floor.
    rig.server
        .ask(&["HSET", "{t}:accounts", "p", "0 9"])
        .expect("a balance");
    let answer = recorder.send_again(&copy).expect("an answer");
    assert!(answer.contains("OVERDRAWN"), "{answer}");
    assert_eq!(rig.ask("EXISTS {t}:version"), "0");
}

#[tokio::test]
async fn outcomes_that_nobody_waits_for_are_forgotten() {
    let rig = Rig::start().await;
    for _ in 0..50 {
        rig.commit(appends(&["x"])).await.expect("committed");
    }
    let sent = rig.ask("KEYS {t}:sent:*");
    let kept: u64 = rig.ask(&format!("HLEN {sent}")).parse().expect("a number");
    assert!(kept <= 2, "{kept} fields: the floor and the last outcome");
    let left: u64 = rig.ask(&format!("TTL {sent}")).parse().expect("seconds");
    assert!(left > 80_000, "{left}");
}

#[tokio::test]
async fn sums_are_exact_up_to_the_greatest() {
    let rig = Rig::start().await;
    let committed = rig.commit(movement("issuer", "p", SUM_MAX)).await;
    committed.expect("the greatest sum");
    let more = rig.commit(movement("issuer", "p", 1)).await;
    assert!(
        matches!(more, Err(CommitError::InvalidPosting(_))),
        "{more:?}"
    );
    let most = rig.commit(movement("issuer", "q", u64::MAX)).await;
    assert!(
        matches!(most, Err(CommitError::InvalidPosting(_))),
        "{most:?}"
    );
    rig.commit(movement("p", "q", SUM_MAX - 1))
        .await
        .expect("moved");
    assert_eq!(rig.ask("HGET {t}:accounts q"), "0 9007199254740990");
    let check = rig.store.check_ledger(None).await.expect("a check");
    let mut head = Head::default();
    for moved in [
        movement("issuer", "p", SUM_MAX),
        movement("p", "q", SUM_MAX - 1),
    ] {
        head.commit(&moved.postings, moved.at);
    }
    let whole = LedgerCheck {
        entries: 2,
        accounts: 3,
        debits: u128::from(SUM_MAX) * 2 - 1,
        credits: u128::from(SUM_MAX) * 2 - 1,
        wrong_accounts: Vec::new(),
        head,
        broken: None,
    };
    assert_eq!(check, whole);
}

#[tokio::test]
async fn a_ledger_that_was_tampered_with_is_told() {
    let rig = Rig::start().await;
    for account in ["a", "b", "c"] {
        rig.commit(movement("issuer", account, 10))
            .await
            .expect("moved");
    }
    for change in [["a", "0 11"], ["d", "1 1"]] {
        rig.server
            .ask(&["HSET", "{t}:accounts", change[0], change[1]])
            .expect("changed");
    }
    rig.ask("HDEL {t}:accounts b");
    let check = rig.store.check_ledger(None).await.expect("a check");
    assert_eq!(check.wrong_accounts, ["a", "b", "d"]);
    assert_eq!(check.entries, 3);
}

#[tokio::test]
async fn a_full_log_refuses_and_changes_nothing() {
    let rig = Rig::start_with(|options| options.log_records_max = 3).await;
    rig.commit(appends(&["1", "2"])).await.expect("room");
    let mut transaction = appends(&["3", "4"]);
    transaction.writes = vec![put("house", b"k", Some("v"))];
    let refused = rig.commit(transaction).await;
    let full = matches!(&refused, Err(CommitError::LogFull(s)) if *s == stream("house.readings"));
    assert!(full, "{refused:?}");
    assert_eq!(rig.ask("EXISTS {t}:state:house"), "0");
    rig.commit(appends(&["3"])).await.expect("room");
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_offset_that_cannot_be_named() {
    let rig = Rig::start().await;
    rig.ask("XADD {t}:stream:house.readings:0 9000000000000-786432 key 4 payload x");
    rig.commit(appends(&["one"])).await.expect("committed");
    rig.commit(appends(&["two"])).await.expect("committed");
    let last = rig.ask("XREVRANGE {t}:stream:house.readings:0 + - COUNT 1");
    assert!(last.starts_with("9000000000001-1\n"), "{last}");
}

#[tokio::test]
async fn a_record_is_taken_out_once() {
    let rig = Rig::start().await;
    rig.commit(appends(&["letter"])).await.expect("committed");
    let letters = rig.store.read_log(&readings(0), 0, 10, 1 << 20).await;
    let removal = (readings(0), letters.expect("records")[0].offset);
    let remove = Transaction {
        removals: vec![removal],
        ..Transaction::default()
    };
    rig.commit(remove.clone()).await.expect("removed");
    let again = rig.commit(remove).await;
    assert!(matches!(again, Err(CommitError::Conflict)), "{again:?}");
    assert_eq!(rig.ask("XLEN {t}:stream:house.readings:0"), "0");
}
