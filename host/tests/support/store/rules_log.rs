//! The contract's rules about streams and the ledger, against any store. Each takes a store that
//! is new.

use futures_util::future::join_all;
use leyden::store::{CommitError, ISSUER, Transaction};

use crate::rules::{
    Shared, appending, done, having_read, is_conflict, moving, posting, put_one, snapshot, stream,
    trim_all, value,
};

/// Offsets have no gaps, also where transactions in between were refused.
pub(crate) async fn a_log_has_no_gaps(store: Shared) {
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
    let outcomes = join_all(transactions.map(|transaction| store.commit(transaction))).await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| is_conflict(outcome))
            .count(),
        2
    );
    assert_eq!(*store.tail(&stream()).borrow(), 4);
    let records = snapshot(&store)
        .await
        .read_log(&stream(), 0, 10, usize::MAX)
        .await
        .expect("read");
    let offsets: Vec<_> = records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [1, 2, 3, 4]);
    assert!(
        records
            .iter()
            .all(|record| record.payload != b"refused" && record.published_at.0 == 7)
    );
}

pub(crate) async fn log_reads_obey_both_limits(store: Shared) {
    done(&store, appending(&["1234", "12", "123456", ""])).await;
    let mut snapshot = snapshot(&store).await;
    for (after, limit, bytes_max, expected) in [
        (0, 10, 6, 2),
        (0, 10, 5, 1),
        (0, 10, 0, 1),
        (2, 10, 0, 1),
        (2, 10, 6, 2),
        (0, 3, 100, 3),
        (4, 10, 10, 0),
    ] {
        let records = snapshot
            .read_log(&stream(), after, limit, bytes_max)
            .await
            .expect("read");
        assert_eq!(
            records.len(),
            expected,
            "after {after}, {limit} records, {bytes_max} bytes"
        );
    }
}

pub(crate) async fn a_tail_is_told_before_the_commit_returns(store: Shared) {
    let tail = store.tail(&stream());
    assert_eq!(
        *tail.borrow(),
        0,
        "a stream that does not exist yet can be watched"
    );
    assert!(
        store.streams().await.expect("streams").is_empty(),
        "being watched does not make a stream"
    );
    done(&store, appending(&["one"])).await;
    assert_eq!(*tail.borrow(), 1);
    assert_eq!(store.streams().await.expect("streams"), [(stream(), 1)]);
}

pub(crate) async fn trimmed_offsets_are_not_used_again(store: Shared) {
    done(&store, appending(&["1", "2", "3"])).await;
    assert_eq!(trim_all(&*store, &stream(), 2).await.expect("trimmed"), 2);
    assert_eq!(
        snapshot(&store)
            .await
            .first_offset(&stream())
            .await
            .expect("read"),
        Some(3)
    );
    assert_eq!(
        trim_all(&*store, &stream(), u64::MAX)
            .await
            .expect("trimmed"),
        1
    );
    assert_eq!(
        snapshot(&store)
            .await
            .first_offset(&stream())
            .await
            .expect("read"),
        None
    );
    done(&store, appending(&["4"])).await;
    assert_eq!(
        snapshot(&store)
            .await
            .first_offset(&stream())
            .await
            .expect("read"),
        Some(4)
    );
    assert_eq!(store.streams().await.expect("streams"), [(stream(), 4)]);
}

/// The one that overdraws is refused whole; those beside it in its group are not.
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
    let outcomes = join_all(purchases.map(|purchase| store.commit(purchase))).await;
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
    assert_eq!(*store.tail(&stream()).borrow(), 2);
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
    let check = store.check_ledger().await.expect("checked");
    assert_eq!(
        (check.entries, check.accounts, check.debits, check.credits),
        (3, 4, 30, 30)
    );
    assert!(check.wrong_accounts.is_empty());
}

pub(crate) async fn invalid_postings_are_refused(store: Shared) {
    done(&store, posting(vec![moving(ISSUER, "p", i64::MAX as u64)])).await;
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
    done(&store, posting(vec![moving("p", "q", i64::MAX as u64)])).await;
    assert_eq!(balance(&store, "q").await, i64::MAX as u64);
}

async fn balance(store: &Shared, account: &str) -> u64 {
    snapshot(store)
        .await
        .account(account)
        .await
        .expect("read")
        .balance()
}
