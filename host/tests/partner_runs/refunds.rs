//! What the operator gives back of a run's cost, or takes back of a credit.

use leyden::metering::Dataset;
use leyden::operators::Operator;
use leyden::partners::Error;
use leyden::partners::refunds::Of;
use leyden::store::ISSUER;

use super::on_both_stores;
use crate::partners::{Bench, partner, plain, read, report, script};

on_both_stores!(
    a_run_is_refunded_once_and_its_receipt_stays,
    a_part_of_a_run_is_refunded_and_never_more_than_it_cost,
    a_wrong_credit_is_taken_back_as_far_as_it_is_there,
);

/// Runs a plugin that reads for 120 datapoints; its receipt is the partner's next.
async fn spend(bench: &Bench) {
    let reads = script(|_, tab| async move {
        read(&tab, Dataset::GlobalConsumption, 50).expect("credit");
        read(&tab, Dataset::Production, 70).expect("credit");
        report("<svg/>")
    });
    bench.script("reads", reads);
    bench.run("reads", plain()).await.expect("a run");
}

async fn sum_is_zero(bench: &Bench) {
    let ledger = bench.store.check_ledger(None).await.expect("a ledger");
    assert_eq!(ledger.debits, ledger.credits);
    assert!(ledger.wrong_accounts.is_empty(), "{ledger:?}");
}

async fn a_run_is_refunded_once_and_its_receipt_stays(bench: Bench) {
    spend(&bench).await;
    let receipts = bench.receipts("acme").await;
    assert_eq!(bench.balance("acme").await, 880);
    let (id, of) = (partner("acme"), Of::Receipt(1));
    let by = Operator::local();
    let refund = || bench.accounts.refund(&by, &id, &of, None);
    let first = refund().await.expect("a refund");
    assert_eq!((first.amount, first.repeated), (120, false));
    assert_eq!(first.reference, format!("refund of run {}", receipts[0].id));
    let again = refund().await.expect("the same refund");
    assert_eq!((again.amount, again.repeated), (120, true));
    assert_eq!(bench.balance("acme").await, 1_000);
    assert_eq!(bench.sums(leyden::partners::REVENUE).await.balance(), 0);
    assert_eq!(bench.receipts("acme").await, receipts);
    sum_is_zero(&bench).await;
}

async fn a_part_of_a_run_is_refunded_and_never_more_than_it_cost(bench: Bench) {
    spend(&bench).await;
    let refund = |of: Of, amount| {
        let accounts = bench.accounts.clone();
        async move {
            accounts
                .refund(&Operator::local(), &partner("acme"), &of, amount)
                .await
        }
    };
    let more = refund(Of::Receipt(1), Some(121)).await;
    assert!(
        matches!(
            more,
            Err(Error::Invalid {
                field: "amount",
                ..
            })
        ),
        "{more:?}"
    );
    let other = refund(Of::Receipt(2), None).await;
    assert!(
        matches!(
            other,
            Err(Error::Unknown {
                field: "receipt",
                ..
            })
        ),
        "{other:?}"
    );
    assert_eq!(
        refund(Of::Receipt(1), Some(20))
            .await
            .expect("a refund")
            .amount,
        20
    );
    let rest = refund(Of::Receipt(1), Some(100)).await;
    assert!(matches!(rest, Err(Error::Conflict(_))), "{rest:?}");
    assert_eq!(bench.balance("acme").await, 900);
    sum_is_zero(&bench).await;
}

async fn a_wrong_credit_is_taken_back_as_far_as_it_is_there(bench: Bench) {
    let id = partner("acme");
    let issued = bench.sums(ISSUER).await;
    let given = bench
        .accounts
        .credit(&Operator::local(), &id, 5_000, "INV-17")
        .await;
    assert_eq!(given.expect("a credit").overview.balance, 6_000);
    let of = Of::Credit("INV-17".to_owned());
    let back = bench
        .accounts
        .refund(&Operator::local(), &id, &of, Some(4_500))
        .await
        .expect("a refund");
    assert_eq!(back.reference, "refund of credit INV-17");
    assert_eq!((back.overview.balance, back.repeated), (1_500, false));
    let issuer = bench.sums(ISSUER).await;
    assert_eq!(
        (issuer.debits, issuer.credits),
        (issued.debits + 5_000, issued.credits + 4_500)
    );
    let given = bench
        .accounts
        .credit(&Operator::local(), &id, 10, "INV-18")
        .await;
    given.expect("a credit");
    for _ in 0..12 {
        spend(&bench).await;
    }
    // 70 are left of 1,510; what was spent cannot be taken back.
    let of = Of::Credit("opening".to_owned());
    let gone = bench
        .accounts
        .refund(&Operator::local(), &id, &of, None)
        .await;
    assert!(matches!(gone, Err(Error::Conflict(_))), "{gone:?}");
    assert_eq!(bench.balance("acme").await, 70);
    sum_is_zero(&bench).await;
}
