//! Prices and trust come from the active access policy, data from the active components; what fails of
//! them is not the reader's fault.

use std::sync::Arc;

use leyden::dispatch::Error;
use leyden::dispatch::work::{Seed, Work};
use leyden::metering::{self, Dataset, Decision};
use serde_json::{Value, json};

use crate::rig::{HOUR_MS, Place, Rig, error, readings, run};
use crate::support::{frozen, plugin};

/// An empty transaction.
fn work(rig: &Rig) -> Box<Work> {
    let seed = Seed {
        secret: Arc::new([0; 32]),
        invocation: 0,
    };
    let host = &rig.host.host;
    Work::new(host.store.clone(), host.clock.now(), seed)
}

#[test]
fn prices_and_trust_are_those_of_the_active_policy() {
    run(async {
        let rig = Rig::start().await;
        let place = rig.place(0, 5).await;
        let both = |number| place.reading(&format!("h{number}"), 0, Some(100), Some(1));
        rig.lay((0..3).map(both).collect()).await;
        let production = place.read("production");
        let details = place.read("detailed-consumption");
        let refused = rig.one(&place.partner, production.clone()).await;
        assert_eq!(error(&refused), "not-trusted");
        rig.host.deploy_as("access", "access-open").await;
        let page = rig.one(&place.partner, production).await;
        assert_eq!((readings(&page).len(), &page["price"]), (3, &json!(0)));
        let page = rig.one(&place.partner, details).await;
        assert_eq!(page["price"], 3);
        assert_eq!(rig.balance(&place.partner).await, 2);
    });
}

#[test]
fn terms_are_told_with_the_policys_version() {
    run(async {
        let rig = Rig::start().await;
        let host = &rig.host.host;
        let before = host.registry.generation();
        let terms = metering::terms(&before, work(&rig), 2)
            .await
            .expect("terms");
        let granted: Vec<_> = terms.granted().collect();
        let expected = [(Dataset::GlobalConsumption, 50), (Dataset::Production, 70)];
        assert_eq!(granted, expected);
        let details = (Dataset::DetailedConsumption, Decision::NotTrusted(3));
        assert!(terms.datasets.contains(&details));
        assert_eq!(terms.compute_price, 0);
        rig.host.deploy_as("access", "access-open").await;
        let now = host.registry.generation();
        let others = metering::terms(&now, work(&rig), 0).await.expect("terms");
        assert_eq!((others.compute_price, others.granted().count()), (2, 3));
        assert_ne!(terms.policy, others.policy);
    });
}

#[test]
fn a_component_that_cannot_be_read_is_at_fault_and_nothing_is_charged() {
    run(async {
        let rig = Rig::start().await;
        let place = rig.place(2, 70).await;
        rig.host.deploy_as("production", "broken-production").await;
        let act = json!({ "do": "act-for", "partner": place.partner });
        let failed = rig.steps(&[act, place.read("production")]).await;
        let blamed = matches!(&failed, Err(Error::Trapped(culprit, _))
            if culprit.component.as_str() == "production");
        assert!(blamed, "{failed:?}");
        assert_eq!(rig.balance(&place.partner).await, 70);
    });
}

/// All readings of a place's day, two at a time.
async fn all_of(rig: &Rig, place: &Place, dataset: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut members = json!({ "limit": 2 });
    loop {
        let page = rig
            .one(&place.partner, place.read_with(dataset, &members))
            .await;
        all.extend(readings(&page).iter().cloned());
        if page["next"].is_null() {
            return all;
        }
        members["cursor"] = page["next"].clone();
    }
}

#[test]
fn components_of_the_first_release_are_read_as_those_of_today() {
    run(async {
        let rig = Rig::start().await;
        for name in ["consumption", "production"] {
            rig.host.deploy(name, frozen("0.1.0", name)).await;
        }
        let place = rig.place(3, 10_000).await;
        let reading = |number: u64| {
            let house = format!("h{}", number % 3);
            let mut reading = place.reading(&house, number / 3, Some(1 + number), Some(number));
            let object = |name| json!({ "name": name, "consumptionUj": number * 1_000 * HOUR_MS, "productionUj": 0 });
            let objects = ["Car", "Oven"].iter().skip(number as usize % 2);
            reading["objects"] = objects.map(object).collect();
            reading
        };
        rig.lay((0..9).map(reading).collect()).await;
        let mut before = Vec::new();
        for dataset in ["production", "detailed-consumption"] {
            before.push(all_of(&rig, &place, dataset).await);
        }
        assert!(before.iter().all(|all| all.len() == 9), "{before:?}");
        let objects = |row: &Value| row["objects"].as_array().map_or(0, Vec::len);
        assert_eq!(before[1].iter().map(objects).sum::<usize>(), 14);
        for name in ["consumption", "production"] {
            rig.host.deploy(name, plugin(name)).await;
        }
        for (dataset, before) in ["production", "detailed-consumption"].iter().zip(before) {
            assert_eq!(all_of(&rig, &place, dataset).await, before, "{dataset}");
        }
    });
}
