//! Reads of sums: which groups are told, which are left out, and what earlier sums rule out.

use serde_json::{Value, json};

use crate::rig::{HOUR_MS, Place, Rig, common, error, readings, run};

/// Households of 100 W each, in an hour of the place's community.
async fn households(rig: &Rig, place: &Place, hour: u64, count: u64) {
    let drew = |number| place.reading(&format!("h{number}"), hour, Some(100), None);
    rig.lay((0..count).map(drew).collect()).await;
}

async fn sums(rig: &Rig, place: &Place) -> Value {
    rig.one(&place.partner, place.read("global-consumption"))
        .await
}

#[test]
fn a_large_group_is_told_as_one_value() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 100).await;
        households(rig, &place, 0, 15).await;
        let page = sums(rig, &place).await;
        let reading = json!({
            "interval": [place.day_ms, place.day_ms + HOUR_MS],
            "powerW": 1_500.0,
            "households": 15,
            "complete": false,
        });
        let expected = json!({ "readings": [reading], "suppressed": 0, "next": null, "price": 50 });
        assert_eq!(page, expected);
        assert_eq!(rig.balance(&place.partner).await, 50);
    });
}

#[test]
fn a_group_that_is_too_small_is_not_told_and_free() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 100).await;
        households(rig, &place, 0, 14).await;
        let refused = sums(rig, &place).await;
        assert_eq!(error(&refused), "suppressed");
        let rule = refused["detail"].as_str().expect("a rule");
        assert_eq!(rule, "us-15-15: a value needs at least 15 households");
        assert_eq!(rig.balance(&place.partner).await, 100);
    });
}

#[test]
fn a_household_that_stands_out_keeps_its_group_from_being_told() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 100).await;
        households(rig, &place, 0, 20).await;
        rig.lay(vec![place.reading("large", 0, Some(400), None)])
            .await;
        let rule = sums(rig, &place).await["detail"].clone();
        assert_eq!(
            rule,
            "us-15-15: no household may have more than 15 % of a value"
        );
    });
}

#[test]
fn suppressed_intervals_are_left_out_and_counted() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 100).await;
        for (hour, count) in [(0, 20), (1, 3), (2, 20), (3, 14)] {
            households(rig, &place, hour, count).await;
        }
        let page = sums(rig, &place).await;
        assert_eq!((readings(&page).len(), &page["suppressed"]), (2, &json!(2)));
        assert_eq!(rig.balance(&place.partner).await, 50);
    });
}

#[test]
fn sums_come_page_by_page_and_each_is_charged() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 1_000).await;
        for hour in 0..5 {
            households(rig, &place, hour, if hour == 4 { 2 } else { 15 }).await;
        }
        let (mut cursor, mut pages) = (Value::Null, Vec::new());
        loop {
            let members = json!({ "limit": 2, "cursor": cursor });
            let step = place.read_with("global-consumption", &members);
            let page = rig.one(&place.partner, step).await;
            let starts = readings(&page).iter();
            let hour =
                |row: &Value| (row["interval"][0].as_u64().expect("ms") - place.day_ms) / HOUR_MS;
            pages.push((starts.map(hour).collect::<Vec<_>>(), page["price"].clone()));
            cursor = page["next"].clone();
            if cursor.is_null() {
                break;
            }
        }
        let expected = [
            (vec![0, 1], json!(50)),
            (vec![2, 3], json!(50)),
            (vec![], json!(0)),
        ];
        assert_eq!(pages, expected);
        assert_eq!(rig.balance(&place.partner).await, 900);
    });
}

#[test]
fn those_who_withhold_are_not_in_the_sum() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 1_000).await;
        let house = rig.house(place.community).await;
        households(rig, &place, 0, 15).await;
        rig.lay(vec![place.reading(&house, 0, Some(100), None)])
            .await;
        rig.consent(&house, "global-consumption", false).await;
        let page = sums(rig, &place).await;
        let sum = &readings(&page)[0];
        assert_eq!(
            (&sum["households"], &sum["powerW"]),
            (&json!(15), &json!(1_500.0))
        );
    });
}

#[test]
fn a_household_that_withdraws_is_not_the_difference_of_two_reads() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 1_000).await;
        let house = rig.house(place.community).await;
        households(rig, &place, 0, 20).await;
        rig.lay(vec![place.reading(&house, 0, Some(100), None)])
            .await;
        assert_eq!(readings(&sums(rig, &place).await)[0]["households"], 21);
        rig.consent(&house, "global-consumption", false).await;
        let refused = sums(rig, &place).await;
        let rule = refused["detail"].as_str().expect("a rule");
        assert!(rule.starts_with("overlap: "), "{rule}");
        rig.consent(&house, "global-consumption", true).await;
        assert_eq!(readings(&sums(rig, &place).await)[0]["households"], 21);
        assert_eq!(rig.balance(&place.partner).await, 900);
        let other = format!("{} too", place.partner);
        rig.consent(&house, "global-consumption", false).await;
        rig.partner(&other, 1, 100).await;
        let page = rig.one(&other, place.read("global-consumption")).await;
        assert_eq!(
            readings(&page)[0]["households"],
            20,
            "who knows nothing else"
        );
    });
}

#[test]
fn a_total_less_its_communities_is_not_a_small_group() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 1_000).await;
        households(rig, &place, 0, 20).await;
        let few = |number: u64| {
            let mut reading = place.reading(&format!("few{number}"), 0, Some(100), None);
            reading["community"] = json!(place.community + 500_000);
            reading
        };
        rig.lay((0..5).map(few).collect()).await;
        assert_eq!(readings(&sums(rig, &place).await)[0]["households"], 20);
        let all = place.read_with("global-consumption", &json!({ "community": null }));
        let act = json!({ "do": "act-for", "partner": place.partner });
        let refused = rig.steps(&[act, all.clone()]).await.expect("an answer");
        let rule = refused[1]["detail"].as_str().expect("a rule");
        assert!(rule.starts_with("overlap: "), "{rule}");
        rig.lay((5..15).map(few).collect()).await;
        let page = rig.one(&place.partner, all).await;
        assert_eq!(readings(&page)[0]["households"], 35);
    });
}

#[test]
fn reads_of_one_invocation_count_together() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 1_000).await;
        households(rig, &place, 0, 20).await;
        let few = |number: u64| {
            let mut reading = place.reading(&format!("few{number}"), 0, Some(100), None);
            reading["community"] = json!(place.community + 500_000);
            reading
        };
        rig.lay((0..5).map(few).collect()).await;
        let all = place.read_with("global-consumption", &json!({ "community": null }));
        let act = json!({ "do": "act-for", "partner": place.partner });
        let steps = [act, all, place.read("global-consumption")];
        let done = rig.steps(&steps).await.expect("an answer");
        assert_eq!(readings(&done[1])[0]["households"], 25);
        assert_eq!(error(&done[2]), "suppressed");
    });
}

#[test]
fn reads_at_the_same_time_count_together() {
    run(async {
        let rig = common().await;
        for _ in 0..5 {
            let place = rig.place(1, 1_000).await;
            households(rig, &place, 0, 20).await;
            let other = place.community + 500_000;
            let mut few = place.reading("few", 0, Some(100), None);
            few["community"] = json!(other);
            rig.lay(vec![few]).await;
            let all = place.read_with("global-consumption", &json!({ "community": null }));
            let (one, two) = tokio::join!(rig.one(&place.partner, all), sums(rig, &place));
            let told = [&one, &two]
                .iter()
                .filter(|page| page["error"].is_null())
                .count();
            assert_eq!(told, 1, "{one} and {two}");
            assert_eq!(rig.balance(&place.partner).await, 950);
        }
    });
}

#[test]
fn a_sum_that_could_not_be_paid_counts_as_not_told() {
    run(async {
        let rig = common().await;
        let place = rig.place(1, 49).await;
        let house = rig.house(place.community).await;
        households(rig, &place, 0, 20).await;
        rig.lay(vec![place.reading(&house, 0, Some(100), None)])
            .await;
        assert_eq!(error(&sums(rig, &place).await), "out-of-credit");
        rig.consent(&house, "global-consumption", false).await;
        let credit = json!({ "do": "credit", "partner": place.partner, "amount": 1 });
        rig.steps(&[credit]).await.expect("credited");
        assert_eq!(readings(&sums(rig, &place).await)[0]["households"], 20);
    });
}

#[test]
fn whoever_reads_details_is_not_told_the_sum_of_the_others() {
    run(async {
        let rig = common().await;
        let place = rig.place(3, 1_000).await;
        let house = rig.house(place.community).await;
        households(rig, &place, 0, 20).await;
        rig.lay(vec![place.reading(&house, 0, Some(100), None)])
            .await;
        rig.consent(&house, "detailed-consumption", false).await;
        let refused = sums(rig, &place).await;
        let rule = refused["detail"].as_str().expect("a rule");
        assert!(rule.contains("details"), "{rule}");
        rig.partner(&place.partner, 1, 0).await;
        assert_eq!(readings(&sums(rig, &place).await)[0]["households"], 21);
    });
}
