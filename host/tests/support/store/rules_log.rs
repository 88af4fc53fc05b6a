//! The contract's rules about streams and the ledger, against any store. Each takes a store that
//! is new.

use futures_util::future::join_all;
use leyden::ids::Instant;
use leyden::store::{
    Append, CommitError, ISSUER, Offset, Partition, Record, SUM_MAX, Transaction, partition_of,
};

use crate::model::LOG_RECORDS_MAX;
use crate::rules::{
    Shared, appending, done, having_read, is_conflict, moving, partition, posting, put_one,
    snapshot, stream, trim_all, value,
};

pub(crate) async fn records(store: &Shared, partition: &Partition) -> Vec<Record> {
    let records = store.read_log(partition, 0, usize::MAX, usize::MAX).await;
    records.expect("read")
}

pub(crate) async fn offsets(store: &Shared, partition: &Partition) -> Vec<Offset> {
    let records = records(store, partition).await;
    records.iter().map(|record| record.offset).collect()
}

/// Records stand in the order of their commits; nothing of refused transactions is between.
pub(crate) async fn a_log_keeps_the_order_of_commits(store: Shared) {
    let version = done(&store, put_one("a", "1")).await;
    done(&store, put_one("a", "2")).await;
    let refused = || Transaction {
        reads: having_read(version, &["a"]),
        ..appending(&["refused"])
    };
    let transactions = [
        appending(&["1", "2"]),
        refused(),
        appending(&["3"]),
        refused(),
        appending(&["4"]),
    ];
    let mut versions = Vec::new();
    for transaction in transactions {
        versions.extend(store.commit(transaction).await);
    }
    assert!(
        versions.is_sorted_by(|a, b| a < b) && versions.len() == 3,
        "{versions:?}"
    );
    let partition = partition(&store).await;
    let records = records(&store, &partition).await;
    let payloads: Vec<_> = records.iter().map(|record| &record.payload[..]).collect();
    assert_eq!(payloads, [b"1", b"2", b"3", b"4"]);
    assert!(records.is_sorted_by(|a, b| a.offset < b.offset));
    assert!(
        records
            .iter()
            .all(|record| record.published_at == Instant(7))
    );
    assert_eq!(*store.tail(&partition).borrow(), records[3].offset);
}

/// Every key's records are in the partition that its hash says, in their order.
pub(crate) async fn records_of_a_key_stay_together(store: Shared) {
    let partitions = store.partitions(&stream()).await.expect("partitions");
    let append = |n: u32| Append {
        stream: stream(),
        key: format!("key-{}", n % 5),
        payload: n.to_string().into_bytes(),
    };
    for n in 0..10 {
        let appends = (n * 4..n * 4 + 4).map(append).collect();
        done(
            &store,
            Transaction {
                appends,
                ..Transaction::default()
            },
        )
        .await;
    }
    let mut found = 0;
    for number in 0..partitions {
        let records = records(
            &store,
            &Partition {
                stream: stream(),
                number,
            },
        )
        .await;
        found += records.len();
        for record in &records {
            assert_eq!(
                partition_of(&record.key, partitions),
                number,
                "{}",
                record.key
            );
        }
        for key in 0..5 {
            let own = records
                .iter()
                .filter(|record| record.key == format!("key-{key}"));
            let numbers = own.map(|record| String::from_utf8_lossy(&record.payload).parse::<u32>());
            assert!(numbers.map(|number| number.expect("a number")).is_sorted());
        }
    }
    assert_eq!(found, 40);
}

pub(crate) async fn log_reads_obey_both_limits(store: Shared) {
    done(&store, appending(&["1234", "12", "123456", ""])).await;
    let partition = partition(&store).await;
    let offsets = offsets(&store, &partition).await;
    for (after, limit, bytes_max, expected) in [
        (0, 10, 6, 2),
        (0, 10, 5, 1),
        (0, 10, 0, 1),
        (2, 10, 0, 1),
        (2, 10, 6, 2),
        (0, 3, 100, 3),
        (0, 0, 100, 0),
        (4, 10, 10, 0),
    ] {
        let from = if after == 0 { 0 } else { offsets[after - 1] };
        let records = store
            .read_log(&partition, from, limit, bytes_max)
            .await
            .expect("read");
        let found: Vec<_> = records.iter().map(|record| record.offset).collect();
        let expected = &offsets[after..after + expected];
        assert_eq!(
            found, expected,
            "after {after}, {limit} records, {bytes_max} bytes"
        );
    }
}

pub(crate) async fn a_tail_is_told_before_the_commit_returns(store: Shared) {
    let partition = partition(&store).await;
    let tail = store.tail(&partition);
    assert_eq!(
        *tail.borrow(),
        0,
        "a stream that does not exist yet can be watched"
    );
    let used = |status: &leyden::store::PartitionStatus| status.newest > 0;
    let streams = store.streams().await.expect("streams");
    assert!(
        !streams.iter().any(used),
        "being watched does not make a stream"
    );
    for n in 1..=20 {
        done(&store, appending(&["one"])).await;
        let told = *tail.borrow();
        let offsets = offsets(&store, &partition).await;
        assert_eq!((offsets.len(), offsets.last()), (n, Some(&told)));
    }
    let streams = store.streams().await.expect("streams");
    let used: Vec<_> = streams.iter().filter(|status| used(status)).collect();
    assert_eq!(used.len(), 1);
    assert_eq!((&used[0].partition, used[0].length), (&partition, 20));
}

pub(crate) async fn trimmed_offsets_are_not_used_again(store: Shared) {
    done(&store, appending(&["1", "2", "3"])).await;
    let partition = partition(&store).await;
    let offsets = offsets(&store, &partition).await;
    let first = async || store.first_offset(&partition).await.expect("read");
    assert_eq!(
        trim_all(&*store, &partition, offsets[1])
            .await
            .expect("trimmed"),
        2
    );
    assert_eq!(first().await, Some(offsets[2]));
    assert_eq!(
        trim_all(&*store, &partition, u64::MAX)
            .await
            .expect("trimmed"),
        1
    );
    assert_eq!(first().await, None);
    done(&store, appending(&["4"])).await;
    assert!(first().await > Some(offsets[2]));
    let streams = store.streams().await.expect("streams");
    let status = streams.iter().find(|status| status.partition == partition);
    let status = status.expect("known");
    assert_eq!((Some(status.newest), status.length), (first().await, 1));
}

/// Removing is part of a transaction: of a refused one nothing is removed.
pub(crate) async fn records_are_taken_out_by_transactions(store: Shared) {
    let version = done(&store, appending(&["1", "2", "3"])).await;
    done(&store, put_one("a", "1")).await;
    let partition = partition(&store).await;
    let offsets_before = offsets(&store, &partition).await;
    let remove = |key: &str| Transaction {
        removals: vec![(partition.clone(), offsets_before[1])],
        reads: having_read(version, &[key]),
        ..Transaction::default()
    };
    assert!(is_conflict(&store.commit(remove("a")).await));
    assert_eq!(offsets(&store, &partition).await, offsets_before);
    done(&store, remove("b")).await;
    assert_eq!(
        offsets(&store, &partition).await,
        [offsets_before[0], offsets_before[2]]
    );
    assert_eq!(*store.tail(&partition).borrow(), offsets_before[2]);
}

/// A full partition refuses every transaction that appends to it, whole, and nothing else.
pub(crate) async fn a_full_log_refuses_appends(store: Shared) {
    let partition = partition(&store).await;
    for _ in 0..LOG_RECORDS_MAX / 10 {
        done(&store, appending(&["x"; 10])).await;
    }
    let more = || Transaction {
        appends: appending(&["more"]).appends,
        ..put_one("a", "1")
    };
    let outcome = store.commit(more()).await;
    assert!(
        matches!(&outcome, Err(CommitError::LogFull(full)) if *full == stream()),
        "{outcome:?}"
    );
    assert_eq!(value(&store, "a").await, None);
    assert_eq!(
        offsets(&store, &partition).await.len() as u64,
        LOG_RECORDS_MAX
    );
    done(&store, put_one("b", "1")).await;
    let first = store
        .first_offset(&partition)
        .await
        .expect("read")
        .expect("a record");
    trim_all(&*store, &partition, first).await.expect("trimmed");
    done(&store, more()).await;
}

/// The one that overdraws is refused whole; those beside it are not.
pub(crate) async fn an_overdraft_is_refused_alone(store: Shared) {
    done(&store, posting(vec![moving(ISSUER, "p", 100)])).await;
    let buy = |name: &str, amount| {
        let postings = vec![moving("p", "fees", amount)];
        Transaction {
            postings,
            appends: appending(&[name]).appends,
            ..put_one(name, "bought")
        }
    };
    let purchases = [buy("a", 60), buy("b", 50), buy("c", 40), buy("d", 1)];
    let mut outcomes = Vec::new();
    for purchase in purchases {
        outcomes.push(store.commit(purchase).await);
    }
    let bought: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(bought, [true, false, true, false], "{outcomes:?}");
    assert!(
        matches!(&outcomes[1], Err(CommitError::Overdrawn { account, balance: 40 }) if account == "p")
    );
    assert!(matches!(
        &outcomes[3],
        Err(CommitError::Overdrawn { balance: 0, .. })
    ));
    assert_eq!(
        (balance(&store, "p").await, balance(&store, "fees").await),
        (0, 100)
    );
    assert_eq!(
        value(&store, "b").await,
        None,
        "nothing of a refused transaction remains"
    );
    let partition = partition(&store).await;
    let offsets = offsets(&store, &partition).await;
    assert_eq!(
        (offsets.len(), offsets.last()),
        (2, Some(&*store.tail(&partition).borrow()))
    );
}

/// However many spend at once, no more goes than was there.
pub(crate) async fn purchases_at_once_do_not_overdraw(store: Shared) {
    done(&store, posting(vec![moving(ISSUER, "p", 100)])).await;
    let buy = |_| store.commit(posting(vec![moving("p", "fees", 30)]));
    let outcomes = join_all((0..20).map(buy)).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert_eq!(
        (balance(&store, "p").await, balance(&store, "fees").await),
        (10, 90)
    );
}

pub(crate) async fn postings_are_judged_in_order(store: Shared) {
    let through = vec![
        moving(ISSUER, "p", 10),
        moving("p", "q", 10),
        moving("q", "fees", 10),
    ];
    done(&store, posting(through)).await;
    let late = posting(vec![moving("p", "q", 1), moving(ISSUER, "p", 1)]);
    assert!(matches!(
        store.commit(late).await,
        Err(CommitError::Overdrawn { balance: 0, .. })
    ));
    let check = store.check_ledger(None).await.expect("checked");
    assert_eq!(
        (check.entries, check.accounts, check.debits, check.credits),
        (3, 4, 30, 30)
    );
    assert!(check.is_sound(), "{check:?}");
}

/// What is committed ahead counts for whoever is judged after it, whether it is durable yet or not; in the end it is.
pub(crate) async fn what_is_committed_ahead_counts_at_once(store: Shared) {
    done(&store, posting(vec![moving(ISSUER, "p", 10)])).await;
    let all = Transaction {
        postings: vec![moving("p", "hold", 10)],
        patient: true,
        ..put_one("k", "held")
    };
    let durable = store.commit_ahead(all).await.expect("judged");
    let again = posting(vec![moving("p", "hold", 1)]);
    assert!(matches!(
        store.commit_ahead(again).await,
        Err(CommitError::Overdrawn { balance: 0, .. })
    ));
    done(&store, posting(vec![moving("hold", "fees", 10)])).await;
    durable.await.expect("durable");
    assert_eq!(value(&store, "k").await.as_deref(), Some("held"));
    assert_eq!(balance(&store, "fees").await, 10);
    let nothing = store.commit_ahead(Transaction::default()).await;
    nothing.expect("judged").await.expect("durable");
}

pub(crate) async fn invalid_postings_are_refused(store: Shared) {
    done(&store, posting(vec![moving(ISSUER, "p", SUM_MAX)])).await;
    let invalid = [
        moving("p", "p", 1),
        moving("p", "q", 0),
        moving(ISSUER, "p", 1),
        moving(ISSUER, "q", 1),
        moving(ISSUER, "q", u64::MAX),
    ];
    for wrong in invalid {
        let outcome = store.commit(posting(vec![wrong.clone()])).await;
        assert!(
            matches!(outcome, Err(CommitError::InvalidPosting(_))),
            "{wrong:?}: {outcome:?}"
        );
    }
    done(&store, posting(vec![moving("p", "q", SUM_MAX)])).await;
    assert_eq!(balance(&store, "q").await, SUM_MAX);
}

async fn balance(store: &Shared, account: &str) -> u64 {
    snapshot(store)
        .await
        .account(account)
        .await
        .expect("read")
        .balance()
}
