//! What a run that comes to its end costs.

use leyden::metering::Dataset;
use leyden::partners::receipts::Outcome;
use leyden::partners::runs::{End, Error};
use leyden::runtime::run::{GuestErrorKind, RunError};

use super::on_both_stores;
use crate::partners::{Bench, failures, plain, read, report, script, scripted, up_to};

on_both_stores!(
    a_report_costs_what_it_has_read,
    data_that_reached_a_plugin_which_then_failed_is_charged,
    a_refusal_or_no_data_costs_nothing,
    a_bound_is_kept_to_the_last_datapoint,
    a_bound_that_the_account_does_not_cover_is_refused_before_anything_runs,
    compute_is_charged_last_and_never_more_than_is_left,
    runs_of_one_partner_share_its_account,
);

async fn a_report_costs_what_it_has_read(bench: Bench) {
    let reads = script(|_, tab| async move {
        read(&tab, Dataset::GlobalConsumption, 50).expect("credit");
        read(&tab, Dataset::Production, 70).expect("credit");
        report("<svg/>")
    });
    bench.script("reads", reads);
    let ended = bench.run("reads", plain()).await.expect("a run");
    assert_eq!(ended.outcome, Outcome::Report);
    let expected = End::Report {
        media_type: "text/plain".into(),
        body: b"<svg/>".to_vec(),
    };
    assert_eq!(ended.end, expected);
    let receipt = bench.receipts("acme").await.remove(0);
    assert_eq!(
        (receipt.id.as_str(), receipt.total),
        (ended.run.as_str(), 120)
    );
    assert_eq!(receipt.reads.len(), 2);
    assert_eq!(receipt.trust_level, 3);
    assert!(receipt.policy.is_some() && receipt.report_sha256.is_some());
    assert_eq!(bench.balance("acme").await, 880);
    bench.assert_books_agree(&["acme"]).await;
}

async fn data_that_reached_a_plugin_which_then_failed_is_charged(bench: Bench) {
    for (number, (error, outcome)) in failures().into_iter().enumerate() {
        let fails = script(move |_, tab| async move {
            read(&tab, Dataset::Production, 70).expect("credit");
            Err(error())
        });
        bench.script("fails", fails);
        let ended = bench.run("fails", plain()).await.expect("a run");
        assert_eq!(ended.outcome, outcome);
        assert_eq!(ended.end, End::Failed(error().to_string()));
        let receipts = bench.receipts("acme").await;
        assert_eq!(
            (receipts[number].outcome, receipts[number].total),
            (outcome, 70)
        );
        assert_eq!(receipts[number].report_sha256, None);
    }
    bench.assert_books_agree(&["acme"]).await;
}

async fn a_refusal_or_no_data_costs_nothing(bench: Bench) {
    let refused = script(|_, tab| async move {
        assert_eq!(tab.left(), 1_000, "what is refused leaves the tab alone");
        Err(RunError::Guest {
            kind: GuestErrorKind::Failed,
            text: "no data".into(),
        })
    });
    bench.script("refused", refused);
    let ended = bench.run("refused", plain()).await.expect("a run");
    assert_eq!(ended.outcome, Outcome::GuestError);
    let receipts = bench.receipts("acme").await;
    assert_eq!(
        (receipts.len(), receipts[0].total, receipts[0].reads.len()),
        (1, 0, 0)
    );
    assert_eq!(bench.balance("acme").await, 1_000);
    bench.assert_books_agree(&["acme"]).await;
}

async fn a_bound_is_kept_to_the_last_datapoint(bench: Bench) {
    let greedy = script(|_, tab| async move {
        let mut paid = 0;
        while read(&tab, Dataset::GlobalConsumption, 50).is_ok() {
            paid += 50;
        }
        report(&format!("{paid} {}", tab.left()))
    });
    bench.script("greedy", greedy);
    for (bound, expected) in [(120, "100 20"), (100, "100 0"), (49, "0 49"), (0, "0 0")] {
        let ended = bench.run("greedy", up_to(bound)).await.expect("a run");
        let End::Report { body, .. } = ended.end else {
            panic!("a report");
        };
        assert_eq!(String::from_utf8_lossy(&body), expected);
    }
    assert_eq!(bench.balance("acme").await, 800);
    bench.assert_books_agree(&["acme"]).await;
}

async fn a_bound_that_the_account_does_not_cover_is_refused_before_anything_runs(bench: Bench) {
    bench.script("never", script(|_, _| async { report("ran") }));
    let refused = bench.run("never", up_to(1_001)).await;
    let Err(Error::OutOfCredit(why)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((why.max_spend, why.balance), (1_001, 1_000));
    assert_eq!(bench.begun(), 0);
    assert!(bench.receipts("acme").await.is_empty());
    assert!(bench.run("never", up_to(1_000)).await.is_ok());
    bench.assert_books_agree(&["acme"]).await;
}

async fn compute_is_charged_last_and_never_more_than_is_left(bench: Bench) {
    bench.price_compute(3);
    let reads = scripted(1_500_000_000, |_, tab| async move {
        read(&tab, Dataset::Production, 70).expect("credit");
        report("done")
    });
    bench.script("reads", reads);
    for (bound, compute) in [(100, 5), (75, 5), (72, 2), (70, 0)] {
        let ended = bench.run("reads", up_to(bound)).await.expect("a run");
        let receipts = bench.receipts("acme").await;
        let receipt = receipts.iter().find(|receipt| receipt.id == ended.run);
        let receipt = receipt.expect("its receipt");
        assert_eq!(
            (receipt.compute, receipt.total),
            (compute, 70 + compute),
            "{bound}"
        );
        assert_eq!(receipt.fuel, 1_500_000_000);
    }
    bench.assert_books_agree(&["acme"]).await;
}

/// Fuel is bounded by what the hold can pay for.
#[tokio::test]
async fn fuel_is_bounded_by_what_is_held() {
    let (bench, _folder) = super::embedded().await;
    bench.price_compute(2);
    let fuel = script(|input, _| async move { report(&input.fuel_max.to_string()) });
    bench.script("fuel", fuel);
    for (bound, expected) in [(0, "0"), (1, "500000000"), (3, "1500000000")] {
        let ended = bench.run("fuel", up_to(bound)).await.expect("a run");
        let End::Report { body, .. } = ended.end else {
            panic!("a report");
        };
        assert_eq!(String::from_utf8_lossy(&body), expected);
    }
    bench.assert_books_agree(&["acme"]).await;
}

async fn runs_of_one_partner_share_its_account(bench: Bench) {
    bench.add("other", 3, 5_000).await;
    let reads = script(|_, tab| async move {
        tokio::task::yield_now().await;
        read(&tab, Dataset::GlobalConsumption, 50).expect("credit");
        report("done")
    });
    bench.script("reads", reads);
    // Credit for twenty, asked for by thirty at once: each holds exactly what it spends.
    let runs = (0..30).map(|_| bench.run("reads", up_to(50)));
    let ended = futures_util::future::join_all(runs).await;
    let done = ended.iter().filter(|ended| ended.is_ok()).count();
    let refused = ended
        .iter()
        .filter(|e| matches!(e, Err(Error::OutOfCredit(_))))
        .count();
    assert_eq!((done, refused), (20, 10));
    assert_eq!(bench.balance("acme").await, 0);
    assert_eq!(bench.balance("other").await, 5_000);
    bench.assert_books_agree(&["acme", "other"]).await;
}
