//! A ledger that somebody changes behind the store's back: the verification finds the entry. Done with SQLite on the
//! embedded store's file, and with a script on Redis.

use std::path::Path;
use std::sync::Arc;

use leyden::store::chain::Head;
use leyden::store::embedded::{Embedded, Options};
use leyden::store::{Broken, Flaw, ISSUER, LedgerCheck, Posting, Store, Transaction, Version};

use crate::backends::OnRedis;
use crate::random::Backend as _;
use crate::redis::{Kept, Server};

/// Commits, of three movements each.
const COMMITS: u64 = 6;

/// Who takes all entries out of Redis, changes them and puts them back. `at(n)` is the n-th one's place and fields, with
/// the values at 2, 4, 6, 8, 10 and 12.
const REWRITE: &str = "
    local entries = redis.call('XRANGE', KEYS[1], '-', '+')
    local function at(n) return entries[n] end
    local ledger = KEYS[2]
    CHANGE
    redis.call('DEL', KEYS[1])
    for _, entry in ipairs(entries) do
        redis.call('XADD', KEYS[1], entry[1], unpack(entry[2]))
    end
    return 'OK'";

fn commit(version: Version) -> Transaction {
    let movement = |position: u64| {
        let (debit, credit) = match position {
            0 => (ISSUER, "partner/acme"),
            1 => ("partner/acme", "hold/1"),
            _ => ("hold/1", "revenue"),
        };
        Posting {
            debit: debit.to_owned(),
            credit: credit.to_owned(),
            amount: 10 * version + 1,
            reference: format!("run {version}, part {position}"),
        }
    };
    Transaction {
        postings: (0..3).map(movement).collect(),
        at: 1_700_000_000_000 + version,
        ..Transaction::default()
    }
}

/// The chain over all that was committed.
fn head() -> Head {
    let mut head = Head::default();
    for commit in (1..=COMMITS).map(commit) {
        head.commit(&commit.postings, commit.at);
    }
    head
}

async fn fill(store: &dyn Store) {
    for version in 1..=COMMITS {
        let committed = store.commit(commit(version)).await;
        assert_eq!(committed.expect("committed"), version);
    }
    let check = store.check_ledger(None).await.expect("checked");
    assert!(check.is_sound(), "{check:?}");
    assert_eq!((check.entries, check.head), (3 * COMMITS, head()));
}

/// Something done to the ledger, in both stores' words, and what is found then.
struct Tampering {
    what: &'static str,
    sql: &'static str,
    lua: &'static str,
    found: (u64, Option<(Version, u64)>, Flaw),
}

/// Of the eighth entry, which is the second movement of the third commit, unless it is said otherwise.
const TAMPERINGS: [Tampering; 16] = [
    Tampering {
        what: "a digit of an amount",
        sql: "UPDATE entries SET amount = 32 WHERE version = 3 AND position = 1",
        lua: "at(8)[2][6] = '32'",
        found: (8, Some((3, 1)), Flaw::Hash),
    },
    Tampering {
        what: "a letter of a reference",
        sql: "UPDATE entries SET reference = 'Run 3, part 1' WHERE version = 3 AND position = 1",
        lua: "at(8)[2][8] = 'Run 3, part 1'",
        found: (8, Some((3, 1)), Flaw::Hash),
    },
    Tampering {
        what: "who received",
        sql: "UPDATE entries SET credit = 'hold/2' WHERE version = 3 AND position = 1",
        lua: "at(8)[2][4] = 'hold/2'",
        found: (8, Some((3, 1)), Flaw::Hash),
    },
    Tampering {
        what: "when it was",
        sql: "UPDATE entries SET at_ms = at_ms + 1 WHERE version = 3 AND position = 1",
        lua: "at(8)[2][10] = '1700000000004'",
        found: (8, Some((3, 1)), Flaw::Hash),
    },
    Tampering {
        what: "a hash",
        sql: "UPDATE entries SET chain = zeroblob(32) WHERE version = 3 AND position = 1",
        lua: "at(8)[2][12] = string.reverse(at(8)[2][12])",
        found: (8, Some((3, 1)), Flaw::Hash),
    },
    Tampering {
        what: "a text that is none",
        sql: "UPDATE entries SET reference = CAST(x'FF' AS TEXT) WHERE version = 3 AND position = 1",
        lua: "at(8)[2][8] = string.char(255)",
        found: (8, Some((3, 1)), Flaw::Unreadable),
    },
    Tampering {
        what: "an entry in the middle is removed",
        sql: "DELETE FROM entries WHERE version = 3 AND position = 1",
        lua: "table.remove(entries, 8)",
        found: (8, Some((3, 2)), Flaw::Hash),
    },
    Tampering {
        what: "the last entry is removed",
        sql: "DELETE FROM entries WHERE version = 6 AND position = 2",
        lua: "table.remove(entries)",
        found: (18, None, Flaw::Missing),
    },
    Tampering {
        what: "all entries are removed",
        sql: "DELETE FROM entries",
        lua: "entries = {}",
        found: (1, None, Flaw::Missing),
    },
    Tampering {
        what: "two entries are swapped",
        sql: "UPDATE entries SET position = 9 WHERE version = 3 AND position = 1;
            UPDATE entries SET position = 1 WHERE version = 3 AND position = 2;
            UPDATE entries SET position = 2 WHERE version = 3 AND position = 9",
        lua: "at(8)[2], at(9)[2] = at(9)[2], at(8)[2]",
        found: (8, Some((3, 1)), Flaw::Hash),
    },
    Tampering {
        what: "an entry is put in at the end",
        sql: "INSERT INTO entries SELECT version, 3, debit, credit, amount, reference, at_ms, chain
            FROM entries WHERE version = 6 AND position = 2",
        lua: "entries[19] = { '6-3', at(18)[2] }",
        found: (18, Some((6, 2)), Flaw::Hash),
    },
    Tampering {
        what: "the last entry of a commit is removed",
        sql: "DELETE FROM entries WHERE version = 3 AND position = 2",
        lua: "table.remove(entries, 9)",
        found: (8, Some((3, 1)), Flaw::Hash),
    },
    Tampering {
        what: "a whole commit is removed",
        sql: "DELETE FROM entries WHERE version = 3",
        lua: "for _ = 1, 3 do table.remove(entries, 7) end",
        found: (9, Some((4, 2)), Flaw::Hash),
    },
    Tampering {
        what: "two commits are swapped",
        sql: "UPDATE entries SET version = 9 WHERE version = 3;
            UPDATE entries SET version = 3 WHERE version = 4;
            UPDATE entries SET version = 4 WHERE version = 9",
        lua: "for n = 7, 9 do at(n)[2], at(n + 3)[2] = at(n + 3)[2], at(n)[2] end",
        found: (9, Some((3, 2)), Flaw::Hash),
    },
    Tampering {
        what: "an entry goes over to another commit",
        sql: "UPDATE entries SET version = 2, position = 3 WHERE version = 3 AND position = 0",
        lua: "at(7)[1] = '2-3'",
        found: (6, Some((2, 2)), Flaw::Hash),
    },
    Tampering {
        what: "the head",
        sql: "UPDATE ledger SET head = zeroblob(32)",
        lua: "redis.call('HSET', ledger, 'head', string.rep('0', 64))",
        found: (18, None, Flaw::Head),
    },
];

impl Tampering {
    fn judge(&self, check: &LedgerCheck) {
        let (entry, place, flaw) = self.found;
        let expected = Some(Broken { entry, place, flaw });
        assert_eq!(check.broken, expected, "{}", self.what);
        assert!(!check.is_sound(), "{}", self.what);
    }
}

fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(Embedded::open(Options::new(folder)).expect("opened"))
}

fn change(folder: &Path, sql: &str) {
    let file = folder.join("leyden.db");
    let connection = rusqlite::Connection::open(file).expect("opened");
    connection.execute_batch(sql).expect(sql);
}

/// A folder with the same ledger as another.
fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for name in ["leyden.db", "leyden.db-wal"] {
        if folder.join(name).exists() {
            std::fs::copy(folder.join(name), copy.path().join(name)).expect("copied");
        }
    }
    copy
}

#[tokio::test]
async fn changes_to_a_file_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(&*open(folder.path())).await;
    for tampering in TAMPERINGS {
        let folder = copy_of(folder.path());
        change(folder.path(), tampering.sql);
        let store = open(folder.path());
        tampering.judge(&store.check_ledger(None).await.expect("checked"));
        // It stays found, whatever comes after it.
        store.commit(commit(9)).await.expect("committed");
        let later = store.check_ledger(None).await.expect("checked");
        assert!(
            later.broken.is_some() && !later.is_sound(),
            "{}",
            tampering.what
        );
    }
}

#[tokio::test]
async fn changes_in_redis_are_found() {
    let server = Server::start(Kept::Nothing);
    for (n, tampering) in TAMPERINGS.iter().enumerate() {
        let namespace = format!("tampering-{n}");
        let store = OnRedis::at(server.url(), &namespace).open().await;
        fill(&*store).await;
        let key = |name: &str| format!("{{{namespace}}}:{name}");
        let script = REWRITE.replace("CHANGE", tampering.lua);
        let (entries, ledger) = (key("entries"), key("ledger"));
        let done = server.ask(&["EVAL", &script, "2", &entries, &ledger]);
        assert_eq!(done.expect(tampering.what), "OK");
        tampering.judge(&store.check_ledger(None).await.expect("checked"));
        store.commit(commit(9)).await.expect("committed");
        let later = store.check_ledger(None).await.expect("checked");
        assert!(
            later.broken.is_some() && !later.is_sound(),
            "{}",
            tampering.what
        );
    }
}

/// Every column of every entry counts, wherever it stands.
#[tokio::test]
async fn every_column_of_every_entry_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(&*open(folder.path())).await;
    let changes = [
        "debit = debit || 'x'",
        "credit = credit || ' '",
        "amount = amount + 1",
        "reference = substr(reference, 2)",
        "at_ms = at_ms - 1",
        "chain = zeroblob(32)",
    ];
    let folder = copy_of(folder.path());
    let store = open(folder.path());
    for (n, (version, position)) in (1..=COMMITS)
        .flat_map(|version| (0..3).map(move |position| (version, position)))
        .enumerate()
    {
        for set in changes {
            let this = format!("version = {version} AND position = {position}");
            change(
                folder.path(),
                &format!(
                    "CREATE TABLE kept AS SELECT * FROM entries WHERE {this};
                    UPDATE entries SET {set} WHERE {this}"
                ),
            );
            let check = store.check_ledger(None).await.expect("checked");
            let place = Some((version, position));
            let broken = check.broken.map(|broken| (broken.entry, broken.place));
            assert_eq!(broken, Some((n as u64 + 1, place)), "{this}: {set}");
            change(
                folder.path(),
                "INSERT OR REPLACE INTO entries SELECT * FROM kept; DROP TABLE kept",
            );
        }
    }
    let check = store.check_ledger(None).await.expect("checked");
    assert!(check.is_sound() && check.head == head(), "{check:?}");
}

/// Whether a ledger is as a noted head says, and if not, where it differs.
async fn passes(store: &dyn Store, noted: Head) -> Result<(), (u64, Option<(Version, u64)>)> {
    let check = store.check_ledger(Some(noted)).await.expect("checked");
    assert_eq!(check.is_sound(), check.broken.is_none(), "{check:?}");
    match check.broken {
        None => Ok(()),
        Some(broken) => {
            assert_eq!(broken.flaw, Flaw::Noted, "{noted}");
            Err((broken.entry, broken.place))
        }
    }
}

/// A ledger of which one amount was changed, and then entries, hashes, accounts and head so that they fit again.
async fn make_up(store: &dyn Store, from: Version) -> Head {
    for version in 1..=COMMITS {
        let mut commit = commit(version);
        commit.postings[0].amount += u64::from(version == from);
        store.commit(commit).await.expect("committed");
    }
    let plain = store.check_ledger(None).await.expect("checked");
    assert!(plain.is_sound(), "{plain:?}");
    assert_eq!(plain.head.entries, head().entries);
    assert_ne!(plain.head, head());
    plain.head
}

/// Who makes a ledger up anew is found by who has noted a head, whatever was committed since.
async fn a_made_up_ledger_does_not_pass_a_noted_head(store: &dyn Store, from: Version) {
    let forged = make_up(store, from).await;
    let last = Err((18, Some((COMMITS, 2))));
    assert_eq!(passes(store, head()).await, last);
    let mut noted = Head::default();
    for version in 1..=COMMITS {
        let commit = commit(version);
        noted.commit(&commit.postings, commit.at);
        let is_before = version < from;
        assert_eq!(passes(store, noted).await.is_ok(), is_before, "{noted}");
    }
    assert_eq!(passes(store, forged).await, Ok(()), "its own head");
    assert_eq!(passes(store, Head::default()).await, Ok(()), "none yet");
    let at = |entries| Head { entries, ..forged };
    assert_eq!(passes(store, at(19)).await, Err((19, None)), "longer");
    let within = Err((17, Some((COMMITS, 1))));
    assert_eq!(passes(store, at(17)).await, within, "within a commit");
    store.commit(commit(9)).await.expect("committed");
    assert_eq!(passes(store, forged).await, Ok(()), "it goes on from there");
    assert_eq!(passes(store, head()).await, last);
}

#[tokio::test]
async fn a_file_that_was_made_up_anew_does_not_pass_a_noted_head() {
    for from in [1, 4, COMMITS] {
        let folder = tempfile::tempdir().expect("a folder");
        a_made_up_ledger_does_not_pass_a_noted_head(&*open(folder.path()), from).await;
    }
}

#[tokio::test]
async fn a_redis_that_was_made_up_anew_does_not_pass_a_noted_head() {
    let server = Server::start(Kept::Nothing);
    for from in [1, 4, COMMITS] {
        let store = OnRedis::at(server.url(), &format!("forged-{from}"))
            .open()
            .await;
        a_made_up_ledger_does_not_pass_a_noted_head(&*store, from).await;
    }
}

/// A folder of a version without a chain gets one, the same as if it had had it from the beginning.
#[tokio::test]
async fn a_folder_without_a_chain_gets_one() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(&*open(folder.path())).await;
    change(
        folder.path(),
        "DROP TABLE ledger; ALTER TABLE entries DROP COLUMN chain; PRAGMA user_version = 2",
    );
    let store = open(folder.path());
    let check = store.check_ledger(None).await.expect("checked");
    assert!(check.is_sound(), "{check:?}");
    assert_eq!(check.head, head());
    let more = store.commit(commit(COMMITS + 1)).await;
    assert_eq!(more.expect("committed"), COMMITS + 1);
    drop(store);
    let again = open(folder.path())
        .check_ledger(None)
        .await
        .expect("checked");
    assert!(
        again.is_sound() && again.entries == 3 * COMMITS + 3,
        "{again:?}"
    );
}

/// So does an installation in Redis, where what was written stays as it is.
#[tokio::test]
async fn an_installation_without_a_chain_gets_one() {
    let server = Server::start(Kept::Nothing);
    let backend = OnRedis::at(server.url(), "old");
    fill(&*backend.open().await).await;
    let strip = "for n = 1, #entries do entries[n][2][11], entries[n][2][12] = nil, nil end
        redis.call('DEL', ledger)";
    let script = REWRITE.replace("CHANGE", strip);
    let ask = |command: &[&str]| server.ask(command).expect("an answer");
    ask(&["EVAL", &script, "2", "{old}:entries", "{old}:ledger"]);
    ask(&["HSET", "{old}:meta", "format", "1"]);

    // Not while a host of the earlier version is alive.
    ask(&["ZADD", "{old}:leases", "9999999999999", "host"]);
    let options = leyden::store::redis::Options {
        namespace: "old".to_owned(),
        ..leyden::store::redis::Options::new(server.url())
    };
    let refused = leyden::store::redis::Redis::open(options).await.err();
    let refused = refused.expect("refused");
    let alive = matches!(refused, leyden::store::redis::OpenError::EarlierHosts);
    assert!(alive, "{refused}");
    ask(&["ZADD", "{old}:leases", "1", "host"]);

    let store = backend.open().await;
    assert_eq!(ask(&["HGET", "{old}:meta", "format"]), "2");
    let check = store.check_ledger(None).await.expect("checked");
    assert!(check.is_sound(), "{check:?}");
    assert_eq!(check.head, head());
    store.commit(commit(7)).await.expect("committed");
    let check = store.check_ledger(None).await.expect("checked");
    assert!(check.is_sound() && check.entries == 21, "{check:?}");
    let script = REWRITE.replace("CHANGE", "at(2)[2][8] = 'forged'");
    ask(&["EVAL", &script, "2", "{old}:entries", "{old}:ledger"]);
    let check = store.check_ledger(None).await.expect("checked");
    let entry = check.broken.map(|broken| broken.entry);
    assert_eq!(entry, Some(21), "the first commit that has a hash");
}
