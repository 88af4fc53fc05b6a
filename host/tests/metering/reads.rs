//! Reads of rows: order of checks, consent, prices, pages and pseudonyms.

use std::collections::BTreeSet;

use leyden::dispatch::Error;
use serde_json::{Value, json};

use crate::rig::{HOUR_MS, Place, Rig, common, error, readings, run};

/// Producers `p0`, `p1`, … of the place's community, one hour each 100 W more.
async fn producers(rig: &Rig, place: &Place, count: u64) {
    let made = |number| place.reading(&format!("p{number}"), 0, None, Some(100 + number));
    rig.lay((0..count).map(made).collect()).await;
}

#[test]
fn a_read_is_charged_its_price_and_booked_to_revenue() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 100).await;
        producers(rig, &place, 2).await;
        let page = rig.one(&place.partner, place.read("production")).await;
        assert_eq!(page["price"], 70);
        let powers: BTreeSet<u64> = readings(&page)
            .iter()
            .map(|row| row["powerW"].as_f64().expect("a power") as u64)
            .collect();
        assert_eq!(powers, BTreeSet::from([100, 101]));
        assert_eq!(rig.balance(&place.partner).await, 30);
    });
}

#[test]
fn trust_is_checked_before_anything_is_read() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 1_000).await;
        let refused = rig
            .one(&place.partner, place.read("detailed-consumption"))
            .await;
        assert_eq!(
            (error(&refused), &refused["detail"]),
            ("not-trusted", &json!(3))
        );
        rig.partner(&place.partner, 0, 0).await;
        for (dataset, needed) in [("global-consumption", 1), ("production", 2)] {
            let refused = rig.one(&place.partner, place.read(dataset)).await;
            assert_eq!(refused["detail"], needed, "{dataset}");
        }
        assert_eq!(rig.balance(&place.partner).await, 1_000);
    });
}

#[test]
fn a_read_that_finds_nothing_is_free() {
    run(async {
        let rig = common().await;
        let place = rig.place(3, 100).await;
        for dataset in ["global-consumption", "production", "detailed-consumption"] {
            let refused = rig.one(&place.partner, place.read(dataset)).await;
            assert_eq!(error(&refused), "no-data", "{dataset}");
        }
        assert_eq!(rig.balance(&place.partner).await, 100);
    });
}

/// With rows, without rows and with rows that are withheld it is the same answer.
#[test]
fn a_read_that_cannot_be_paid_is_refused_before_anything_is_read() {
    run(async {
        let rig = common().await;
        let place = rig.place(3, 49).await;
        let house = rig.house(place.community).await;
        let mut answers = BTreeSet::new();
        for step in 0..3 {
            for (dataset, price) in [
                ("global-consumption", 50),
                ("production", 70),
                ("detailed-consumption", 100),
            ] {
                let refused = rig.one(&place.partner, place.read(dataset)).await;
                let shortfall = json!({ "price": price, "left": 49 });
                assert_eq!(
                    (error(&refused), &refused["detail"]),
                    ("out-of-credit", &shortfall)
                );
                answers.insert(refused.to_string());
                if step == 1 {
                    rig.consent(&house, dataset, false).await;
                }
            }
            rig.lay(vec![place.reading(&house, 0, Some(500), Some(200))])
                .await;
        }
        assert_eq!(answers.len(), 3, "one for each dataset: {answers:?}");
        assert_eq!(rig.balance(&place.partner).await, 49);
    });
}

#[test]
fn consent_is_checked_on_every_read_and_per_dataset() {
    run(async {
        let rig = common().await;
        let place = rig.place(3, 1_000).await;
        let house = rig.house(place.community).await;
        let at = |hour| place.reading(&house, hour, Some(500), Some(200));
        rig.lay(vec![at(0), at(1)]).await;
        let of = async |dataset: &str| rig.one(&place.partner, place.read(dataset)).await;
        assert_eq!(readings(&of("production").await).len(), 2);
        rig.consent(&house, "production", false).await;
        assert_eq!(error(&of("production").await), "not-consented");
        assert_eq!(readings(&of("detailed-consumption").await).len(), 2);
        rig.consent(&house, "detailed-consumption", false).await;
        assert_eq!(error(&of("detailed-consumption").await), "not-consented");
        rig.consent(&house, "production", true).await;
        assert_eq!(readings(&of("production").await).len(), 2);
        assert_eq!(rig.balance(&place.partner).await, 1_000 - 70 - 100 - 70);
    });
}

#[test]
fn households_that_withhold_are_left_out_and_the_price_stays() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 100).await;
        let house = rig.house(place.community).await;
        producers(rig, &place, 3).await;
        rig.lay(vec![place.reading(&house, 0, None, Some(900))])
            .await;
        rig.consent(&house, "production", false).await;
        let page = rig.one(&place.partner, place.read("production")).await;
        assert_eq!((readings(&page).len(), &page["price"]), (3, &json!(70)));
        assert!(readings(&page).iter().all(|row| row["powerW"] != 900.0));
    });
}

#[test]
fn what_the_account_does_not_cover_is_refused_and_kept() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 139).await;
        producers(rig, &place, 1).await;
        let (act, read) = (
            json!({ "do": "act-for", "partner": place.partner }),
            place.read("production"),
        );
        let left = json!({ "do": "left" });
        let spent = json!({ "do": "spent" });
        let done = rig.steps(&[act, read.clone(), read, left, spent]).await;
        let done = done.expect("an answer");
        assert_eq!(done[1]["price"], 70);
        let shortfall = json!({ "price": 70, "left": 69 });
        assert_eq!(
            (error(&done[2]), &done[2]["detail"]),
            ("out-of-credit", &shortfall)
        );
        assert_eq!((&done[3], &done[4]), (&json!(69), &json!(70)));
        assert_eq!(rig.balance(&place.partner).await, 69);
    });
}

#[test]
fn the_last_datapoint_can_be_spent() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 70).await;
        producers(rig, &place, 1).await;
        let page = rig.one(&place.partner, place.read("production")).await;
        assert_eq!(page["price"], 70);
        assert_eq!(rig.balance(&place.partner).await, 0);
    });
}

#[test]
fn a_wrong_query_names_field_and_rule_and_is_free() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 70).await;
        producers(rig, &place, 1).await;
        for (members, field) in [
            (json!({ "to": place.day_ms }), "to-ms"),
            (
                json!({ "to": place.day_ms + 31 * 24 * HOUR_MS + 1 }),
                "to-ms",
            ),
            (json!({ "limit": 0 }), "limit"),
            (json!({ "limit": 1_001 }), "limit"),
            (json!({ "cursor": "nonsense" }), "cursor"),
        ] {
            let step = place.read_with("production", &members);
            let refused = rig.one(&place.partner, step).await;
            assert_eq!(error(&refused), "invalid", "{members}");
            let rule = refused["detail"].as_str().expect("a rule");
            assert!(rule.starts_with(&format!("{field} must be ")), "{rule}");
        }
        assert_eq!(rig.balance(&place.partner).await, 70);
    });
}

#[test]
fn each_page_is_a_read_and_charged() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 1_000).await;
        producers(rig, &place, 5).await;
        let (mut cursor, mut seen, mut pages) = (Value::Null, BTreeSet::new(), 0);
        loop {
            let members = json!({ "limit": 2, "cursor": cursor });
            let step = place.read_with("production", &members);
            let page = rig.one(&place.partner, step).await;
            pages += 1;
            assert_eq!(page["price"], 70);
            for row in readings(&page) {
                let household = row["household"].as_str().expect("a pseudonym");
                assert!(seen.insert(household.to_owned()), "each once");
            }
            cursor = page["next"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!((pages, seen.len()), (3, 5));
        assert_eq!(rig.balance(&place.partner).await, 1_000 - 3 * 70);
    });
}

#[test]
fn a_page_of_those_who_withhold_is_empty_and_free() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 140).await;
        let house = rig.house(place.community).await;
        producers(rig, &place, 100).await;
        rig.lay(vec![place.reading(&house, 1, None, Some(5))]).await;
        rig.consent(&house, "production", false).await;
        let limited = json!({ "limit": 100 });
        let first = place.read_with("production", &limited);
        let page = rig.one(&place.partner, first).await;
        let left = rig.balance(&place.partner).await;
        assert_eq!((readings(&page).len(), left), (100, 70));
        let next = json!({ "limit": 100, "cursor": page["next"] });
        let rest = place.read_with("production", &next);
        let page = rig.one(&place.partner, rest).await;
        assert_eq!(page, json!({ "readings": [], "next": null, "price": 0 }));
        assert_eq!(rig.balance(&place.partner).await, 70);
    });
}

#[test]
fn pseudonyms_are_the_partners_own_and_order_tells_nothing() {
    run(async {
        let rig = common().await;
        let place = rig.place(3, 1_000).await;
        let other = format!("{} too", place.partner);
        rig.partner(&other, 3, 1_000).await;
        let both =
            |number: u64| place.reading(&format!("h{number}"), 0, Some(100 + number), Some(1));
        rig.lay((0..20).map(both).collect()).await;
        let names = async |partner: &str, dataset: &str| -> Vec<String> {
            let page = rig.one(partner, place.read(dataset)).await;
            let name = |row: &Value| row["household"].as_str().expect("a pseudonym").to_owned();
            readings(&page).iter().map(name).collect()
        };
        let own = names(&place.partner, "production").await;
        assert_eq!(own.len(), 20);
        assert!(own.is_sorted(), "by pseudonym");
        assert_eq!(own, names(&place.partner, "production").await, "stable");
        assert_eq!(own, names(&place.partner, "detailed-consumption").await);
        let others = names(&other, "production").await;
        assert!(own.iter().all(|name| !others.contains(name)));
        assert!(own.iter().all(|name| !name.starts_with('h')));
    });
}

#[test]
fn a_cursor_is_its_partners_and_querys_own() {
    run(async {
        let rig = common().await;
        let place = rig.place(3, 1_000).await;
        let other = format!("{} too", place.partner);
        rig.partner(&other, 3, 1_000).await;
        let both = |number| place.reading(&format!("h{number}"), 0, Some(100), Some(1));
        rig.lay((0..3).map(both).collect()).await;
        let first = place.read_with("production", &json!({ "limit": 1 }));
        let page = rig.one(&place.partner, first).await;
        let cursor = &page["next"];
        let again = place.read_with("production", &json!({ "cursor": cursor }));
        let page = rig.one(&place.partner, again.clone()).await;
        assert_eq!(readings(&page).len(), 2, "the limit may differ");
        assert_eq!(error(&rig.one(&other, again).await), "invalid");
        for (dataset, members) in [
            ("detailed-consumption", json!({ "cursor": cursor })),
            ("production", json!({ "cursor": cursor, "community": null })),
            (
                "production",
                json!({ "cursor": cursor, "to": place.day_ms + 1 }),
            ),
        ] {
            let step = place.read_with(dataset, &members);
            assert_eq!(error(&rig.one(&place.partner, step).await), "invalid");
        }
    });
}

#[test]
fn readings_tell_their_objects_interval_and_quality() {
    run(async {
        let rig = common().await;
        let place = rig.place(3, 1_000).await;
        let mut first = place.reading("a", 0, Some(500), None);
        let watt_hours = |power_w: u64| power_w * 1_000 * HOUR_MS;
        first["objects"] = json!([
            { "name": "Mixeur", "consumptionUj": watt_hours(500), "productionUj": 0 },
        ]);
        rig.lay(vec![first]).await;
        rig.lay(vec![place.reading("a", 1, Some(1), None)]).await;
        let page = rig
            .one(&place.partner, place.read("detailed-consumption"))
            .await;
        let rows = readings(&page);
        let hour = |hour| {
            json!([
                place.day_ms + hour * HOUR_MS,
                place.day_ms + (hour + 1) * HOUR_MS
            ])
        };
        assert_eq!(
            (&rows[0]["interval"], &rows[1]["interval"]),
            (&hour(0), &hour(1))
        );
        assert_eq!(rows[0]["objects"], json!([["Mixeur", 500.0]]));
        assert_eq!(rows[0]["powerW"], 500.0);
        assert_eq!(rows[0]["complete"], true, "another hour has begun");
        assert_eq!(rows[1]["complete"], false, "it is open");
    });
}

/// A page of two readings and the one after it, of a dataset one by one and in columns; the page after by the cursor of
/// the other form.
async fn in_both_forms(rig: &Rig, place: &Place, dataset: &str) -> [Value; 4] {
    let columns = format!("{dataset}-columns");
    let read = async |form: &str, cursor: &Value| {
        let members = json!({ "limit": 3, "cursor": cursor });
        rig.one(&place.partner, place.read_with(form, &members))
            .await
    };
    let first = read(dataset, &Value::Null).await;
    let same = read(&columns, &Value::Null).await;
    let second = read(dataset, &same["next"]).await;
    let same_second = read(&columns, &first["next"]).await;
    [first, same, second, same_second]
}

#[test]
fn columns_tell_what_readings_one_by_one_do_and_cost_the_same() {
    run(async {
        let rig = common().await;
        let place = rig.place(3, 2_000).await;
        let withholds = rig.house(place.community).await;
        for hour in 0..2 {
            let reading = |number: u64| {
                let house = match number {
                    3 => withholds.clone(),
                    _ => format!("h{number}"),
                };
                let mut made = place.reading(&house, hour, Some(100 + number), Some(number));
                let object = |name: &str| json!({ "name": name, "consumptionUj": 7_200_000_000_000_u64, "productionUj": 0 });
                made["objects"] = match number {
                    0 => json!([]),
                    3 => json!([object("Secret"), object("Oven")]),
                    _ => json!([object("Oven"), object(&format!("Of {number}"))]),
                };
                made
            };
            rig.lay((0..4).map(reading).collect()).await;
        }
        rig.consent(&withholds, "detailed-consumption", false).await;
        for (dataset, price, of_page) in [
            ("production", 70, [3, 3]),
            ("detailed-consumption", 100, [3, 3]),
        ] {
            let before = rig.balance(&place.partner).await;
            let [first, columns, second, more_columns] = in_both_forms(rig, &place, dataset).await;
            for ((one_by_one, columns), count) in [(first, columns), (second, more_columns)]
                .iter()
                .zip(of_page)
            {
                assert_eq!(readings(one_by_one).len(), count, "{dataset}: {one_by_one}");
                for member in ["readings", "next", "price"] {
                    assert_eq!(one_by_one[member], columns[member], "{dataset}: {member}");
                }
                let named = readings(columns)
                    .iter()
                    .map(|row| row["household"].as_str().expect("a name"));
                let named: BTreeSet<&str> = named.collect();
                let named: Vec<&str> = named.into_iter().collect();
                assert_eq!(
                    columns["households"],
                    json!(named),
                    "each once, in order, and no others"
                );
                let names = columns["objectNames"].to_string();
                assert!(!names.contains("Secret"), "of who withholds: {names}");
            }
            assert_eq!(before - rig.balance(&place.partner).await, 4 * price);
        }
    });
}

#[test]
fn a_component_that_fails_afterwards_has_read_nothing() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 70).await;
        producers(rig, &place, 1).await;
        let act = json!({ "do": "act-for", "partner": place.partner });
        for end in ["trap", "refuse"] {
            let steps = [act.clone(), place.read("production"), json!({ "do": end })];
            let failed = rig.steps(&steps).await;
            let expected = matches!(failed, Err(Error::Trapped(..) | Error::Rejected(_)));
            assert!(expected, "{failed:?}");
            assert_eq!(rig.balance(&place.partner).await, 70, "{end}");
        }
    });
}

#[test]
fn nothing_is_read_for_nobody_or_for_two() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 70).await;
        let other = format!("{} too", place.partner);
        rig.partner(&other, 3, 70).await;
        producers(rig, &place, 1).await;
        let act = |partner: &str| json!({ "do": "act-for", "partner": partner });
        let unnamed = rig.steps(&[place.read("production")]).await;
        assert_eq!(error(&unnamed.expect("an answer")[0]), "invalid");
        let steps = [
            act("nobody"),
            act(&place.partner),
            act(&other),
            act(&place.partner),
        ];
        let done = rig.steps(&steps).await.expect("an answer");
        assert_eq!(
            (error(&done[0]), error(&done[2])),
            ("unknown-partner", "invalid")
        );
        assert_eq!((&done[1], &done[3]), (&Value::Null, &Value::Null));
    });
}

#[test]
fn reads_of_one_invocation_are_bounded() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 70).await;
        let mut steps = vec![json!({ "do": "act-for", "partner": place.partner })];
        let wrong = place.read_with("production", &json!({ "limit": 0 }));
        steps.extend(std::iter::repeat_n(wrong, 1_001));
        let done = rig.steps(&steps).await.expect("an answer");
        assert_eq!(error(&done[1_000]), "invalid");
        assert_eq!(error(&done[1_001]), "limit");
    });
}

#[test]
fn accounts_keep_their_rules() {
    run(async {
        let rig = common().await;
        let place = rig.place(2, 5).await;
        let id = &place.partner;
        let long = "x".repeat(201);
        for (step, case) in [
            (
                json!({ "do": "put", "partner": "a/b", "trust": 1 }),
                "invalid",
            ),
            (
                json!({ "do": "put", "partner": id, "trust": 11 }),
                "invalid",
            ),
            (
                json!({ "do": "credit", "partner": "nobody", "amount": 1 }),
                "unknown-partner",
            ),
            (
                json!({ "do": "credit", "partner": id, "amount": 0 }),
                "invalid",
            ),
            (
                json!({ "do": "credit", "partner": id, "amount": 1, "reference": long }),
                "invalid",
            ),
            (
                json!({ "do": "act-for", "partner": "a/b" }),
                "unknown-partner",
            ),
        ] {
            let done = rig
                .steps(std::slice::from_ref(&step))
                .await
                .expect("an answer");
            assert_eq!(error(&done[0]), case, "{step}");
        }
        let find = |id: &str| json!({ "do": "find", "partner": id });
        let done = rig.steps(&[find(id), find("nobody"), find("a/b")]).await;
        let known = json!({ "id": id, "trust": 2, "datapoints": 5 });
        assert_eq!(done.expect("an answer"), [known, Value::Null, Value::Null]);
    });
}
