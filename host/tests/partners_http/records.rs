//! What is told of runs: estimates before them; usage, logs and reports after them, with the values that the
//! runs really had.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::uploader::Uploader;
use super::{TOKEN, ask, get, partner};
use crate::plugin::{self, Import};
use crate::support::built;
use crate::web::{Answer, Web, run, send};

/// Houses, and minutes in which each was measured.
const HOUSES: usize = 20;
const MINUTES: usize = 3;

/// Readings of a read of everything.
const ROWS: usize = HOUSES * MINUTES;

/// What a read costs, datapoints, by the access policy that comes with a host.
const PRICE: u64 = 100;

/// The day of the measurements, ms since 1970, and its month.
const DAY: (u64, u64) = (1_636_243_200_000, 1_636_329_600_000);
const MONTH: &str = "2021-11";

/// Looks for the report of a trigger, and the wait between two: a minute in all.
const LOOKS_MAX: usize = 600;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A host with houses that were measured; each test deals with partners of its own.
async fn measured() -> &'static Web {
    static MEASURED: OnceCell<Web> = OnceCell::const_new();
    MEASURED.get_or_init(measure).await
}

async fn measure() -> Web {
    let token = leyden::gateway::Token::parse(TOKEN).expect("a token");
    let mut web = Web::start(&built("plugins"), |options| options.token = Some(token)).await;
    web.token = Some(TOKEN);
    let house = |number: usize| {
        let mixer = json!({ "name": "Mixer", "maxConsumption": 500, "enabled": true });
        let objects = json!([{ "object": mixer, "type": "BASIC" }]);
        let name = format!("Client {number}");
        let house = json!({ "client_name": name, "communityID": 1, "objects": objects });
        format!("{house}\n")
    };
    let houses: String = (0..HOUSES).map(house).collect();
    let request = web.request(Method::POST, "/house/house-editor/houses");
    let request = request.header("content-type", "application/x-ndjson");
    assert_eq!(send(request.body(houses)).await.status, 200);
    for (path, body) in [
        ("/admin/clock/tick", json!({ "count": MINUTES })),
        ("/admin/settle", json!({})),
    ] {
        assert_eq!(web.post(path, body.to_string()).await.status, 200);
    }
    web
}

/// A plugin that logs a line, reads everything that there is and reports a word.
fn reader() -> Vec<u8> {
    let log = format!(
        "(call $log (i32.const 2) (i32.const {}) (i32.const 10))\n",
        plugin::TEXT
    );
    let read = plugin::read(Import::Detailed, DAY, 1_000);
    let reader = plugin::Plugin::new(log + &read);
    plugin::say(reader)
        .with(&[Import::Detailed, Import::Log])
        .build()
}

/// A plugin that traps after the same read.
fn failing() -> Vec<u8> {
    let read = plugin::read(Import::Detailed, DAY, 1_000);
    let failing = plugin::Plugin::new(format!("{read}(unreachable)"));
    failing.with(&[Import::Detailed]).build()
}

/// A partner with credit and a plugin `reader`.
async fn prepared(web: &Web, id: &'static str) -> Uploader {
    let who = Uploader::new(web, id, 3).await;
    let credit = json!({ "amount": 1_000, "reference": "INV-1" });
    let path = format!("/admin/partners/{id}/credit");
    let credited = web.post(&path, credit.to_string()).await;
    assert!(credited.status < 300, "{credited:?}");
    let uploaded = who.upload(web, "reader", "1", &reader()).await;
    assert_eq!(uploaded.status, 201, "{uploaded:?}");
    who
}

async fn post(web: &Web, who: &Uploader, below: &str, body: Value) -> Answer {
    let request = web.request_as(Some(&who.key), Method::POST, &who.path(below));
    send(request.body(body.to_string())).await
}

async fn carried_out(web: &Web, who: &Uploader) -> Value {
    let ran = post(web, who, "/reader/run", json!({ "maxSpend": 150 })).await;
    assert_eq!(ran.status, 200, "{ran:?}");
    ran.json()
}

async fn balance(web: &Web, id: &str) -> Value {
    web.get(&format!("/admin/partners/{id}")).await.json()["balance"].clone()
}

#[test]
fn a_quote_says_what_a_run_would_cost_and_costs_nothing() {
    run(async {
        let web = measured().await;
        let who = prepared(web, "quoted").await;
        let quote = || post(web, &who, "/reader/quote", json!({ "params": { "n": 1 } }));
        let told = quote().await.json();
        assert_eq!(told["estimate"], true);
        assert_eq!(told["plugin"]["name"], "reader");
        let price = json!([{ "dataset": "detailed-consumption", "datapointsPerRead": PRICE }]);
        assert_eq!((&told["prices"], &told["balance"]), (&price, &json!(1_000)));
        let (tried, read) = (&told["tried"], &told["tried"]["reads"][0]);
        assert_eq!(tried["outcome"], "report");
        assert_eq!(
            (&tried["total"], &tried["compute"]),
            (&json!(PRICE), &json!(0))
        );
        assert_eq!(
            (&read["reads"], &read["datapoints"]),
            (&json!(1), &json!(PRICE))
        );
        assert!(
            tried["fuel"].as_u64() > Some(0) && read["rows"].as_u64() > Some(0),
            "{told}"
        );
        assert_eq!(told["lastRuns"]["count"], 0);
        assert_eq!(balance(web, who.id).await, 1_000);
        let receipts = get(web, &who.key, "/partners/quoted/receipts").await.json();
        assert_eq!(receipts["receipts"], json!([]));

        carried_out(web, &who).await;
        let expected = json!({ "count": 1, "least": PRICE, "most": PRICE, "newest": PRICE });
        let told = quote().await.json();
        assert_eq!(
            (&told["lastRuns"], &told["balance"]),
            (&expected, &json!(900))
        );

        let unknown = post(web, &who, "/nothing/quote", json!({})).await;
        assert_eq!(unknown.status, 404, "{unknown:?}");
        let misspelt = post(web, &who, "/reader/quote", json!({ "parms": {} })).await;
        assert_eq!(misspelt.status, 422, "{misspelt:?}");
    });
}

#[test]
fn usage_is_what_the_receipts_say_in_json_and_as_csv() {
    run(async {
        let web = measured().await;
        let who = prepared(web, "used").await;
        let uploaded = who.upload(web, "failing", "1", &failing()).await;
        assert_eq!(uploaded.status, 201, "{uploaded:?}");
        let fuels = [carried_out(web, &who).await, carried_out(web, &who).await]
            .map(|ran| ran["receipt"]["fuel"].as_u64().expect("fuel"));
        let failed = post(web, &who, "/failing/run", json!({ "maxSpend": 150 })).await;
        assert!(failed.status >= 400, "{failed:?}");
        let failed = failed.json()["receipt"]["fuel"].clone();

        let row = |name: &str, dataset: &str, runs: u64, reads: u64, fuel: Value| {
            json!({
                "month": MONTH, "partner": "used", "kind": "plugin", "name": name, "dataset": dataset,
                "runs": runs, "reads": reads, "rows": reads * ROWS as u64, "fuel": fuel,
                "datapoints": reads * PRICE,
            })
        };
        let detailed = "detailed-consumption";
        let expected = json!([
            row("failing", "compute", 1, 0, failed.clone()),
            row("failing", detailed, 1, 1, json!(0)),
            row("reader", "compute", 2, 0, json!(fuels[0] + fuels[1])),
            row("reader", detailed, 2, 2, json!(0)),
        ]);
        let usage = get(web, &who.key, "/partners/used/usage").await.json();
        assert_eq!(usage, json!({ "month": MONTH, "usage": expected }));
        let of_all = web
            .get("/admin/usage?partner=used&month=2021-11")
            .await
            .json();
        assert_eq!(of_all["usage"], expected);

        let heads = "month,partner,kind,name,dataset,runs,reads,rows,fuel,datapoints\r\n";
        let csv = get(web, &who.key, "/partners/used/usage?format=csv").await;
        assert!(csv.headers["content-type"].starts_with("text/csv"));
        let line = format!(
            "{MONTH},used,plugin,reader,{detailed},2,2,{},0,200\r\n",
            2 * ROWS
        );
        assert!(
            csv.body.starts_with(heads) && csv.body.ends_with(&line),
            "{csv:?}"
        );
        assert_eq!(csv.body.lines().count(), 5);
        let request = web.request_as(Some(&who.key), Method::GET, "/partners/used/usage");
        let accepted = send(request.header("accept", "text/csv")).await;
        assert_eq!(accepted.body, csv.body);
    });
}

#[test]
fn usage_is_a_partners_own_and_of_the_month_that_is_asked_for() {
    run(async {
        let web = measured().await;
        let who = prepared(web, "monthly").await;
        carried_out(web, &who).await;
        let other = partner(web, "onlooker", 3).await;
        let own = get(web, &other, "/partners/onlooker/usage").await.json();
        assert_eq!(own["usage"], json!([]));
        let foreign = get(web, &other, "/partners/monthly/usage").await;
        assert!([403, 404].contains(&foreign.status), "{foreign:?}");
        let all = get(web, &other, "/admin/usage").await;
        assert!([401, 403].contains(&all.status), "{all:?}");
        let before = get(web, &who.key, "/partners/monthly/usage?month=2021-10").await;
        assert_eq!(before.json(), json!({ "month": "2021-10", "usage": [] }));
        let rest = "/partners/monthly/usage?after=plugin%20reader/compute";
        let rest = get(web, &who.key, rest).await.json();
        assert_eq!(rest["usage"].as_array().map(Vec::len), Some(1), "{rest}");
        for (query, field) in [
            ("month=2021-13", "month"),
            ("month=now", "month"),
            ("format=xml", "format"),
            ("limit=3", "limit"),
        ] {
            let refused = get(web, &who.key, &format!("/partners/monthly/usage?{query}")).await;
            assert_eq!(refused.status, 422, "{query}: {refused:?}");
            assert!(refused.body.contains(field), "{query}: {refused:?}");
        }
    });
}

#[test]
fn logs_tell_of_the_last_runs_the_newest_first() {
    run(async {
        let web = measured().await;
        let who = prepared(web, "logging").await;
        assert_eq!(
            who.get(web, "/reader/logs").await.json(),
            json!({ "runs": [] })
        );
        let (first, second) = (carried_out(web, &who).await, carried_out(web, &who).await);
        let logs = who.get(web, "/reader/logs").await.json();
        let runs = logs["runs"].as_array().expect("a list");
        let ids: Vec<_> = runs.iter().map(|log| &log["run"]).collect();
        assert_eq!(ids, [&second["run"], &first["run"]]);
        let newest = &runs[0];
        assert_eq!(
            (&newest["number"], &newest["trigger"]),
            (&json!(2), &json!("request"))
        );
        assert_eq!(
            (&newest["outcome"], &newest["total"]),
            (&json!("report"), &json!(PRICE))
        );
        assert_eq!(
            (&newest["reads"], &newest["compute"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(newest["fuel"], second["receipt"]["fuel"]);
        assert_eq!(newest["at"], second["receipt"]["at"]);
        assert_eq!(newest["digest"], second["receipt"]["plugin"]["digest"]);
        assert_eq!(newest["lines"][0]["message"], "text/plain");

        let page = who.get(web, "/reader/logs?limit=1").await.json();
        assert_eq!(
            (&page["runs"][0]["number"], &page["next"]),
            (&json!(2), &json!(2))
        );
        let rest = who.get(web, "/reader/logs?limit=1&before=2").await.json();
        assert_eq!(rest["runs"][0]["run"], first["run"]);
        assert_eq!(who.get(web, "/reader/logs?limit=0").await.status, 422);
        assert_eq!(who.get(web, "/nothing/logs").await.status, 404);
    });
}

#[test]
fn reports_of_triggers_are_kept_and_given_out() {
    run(async {
        // A host of its own: its clock goes on while the others count what was measured.
        let web = &measure().await;
        let who = prepared(web, "reporting").await;
        let none = who.get(web, "/reader/reports").await.json();
        assert_eq!(none, json!({ "reports": [] }));
        carried_out(web, &who).await;
        let trigger = json!({ "cron": "* * * * *", "maxSpend": 150 });
        let path = who.path("/reader/triggers/minutely");
        let request = web.request_as(Some(&who.key), Method::PUT, &path);
        let set = send(request.body(trigger.to_string())).await;
        assert_eq!(set.status, 200, "{set:?}");
        let shelved = scheduled(web, &who).await;
        let removed = ask(web, &who.key, Method::DELETE, &path).await;
        assert_eq!(removed.status, 200, "{removed:?}");

        assert_eq!(
            (&shelved["mediaType"], &shelved["bytes"]),
            (&json!("text/plain"), &json!(10))
        );
        let started = shelved["trigger"].as_str().expect("what started it");
        assert!(
            started.starts_with("schedule minutely 2021-11-07T"),
            "{started}"
        );
        let below = format!(
            "/reader/reports/{}",
            shelved["run"].as_str().expect("a run")
        );
        let whole = who.get(web, &below).await.json();
        assert_eq!(whole["sha256"], shelved["sha256"]);
        let report = json!({ "mediaType": "text/plain", "body": "text/plain" });
        assert_eq!(whole["report"], report);
        let request = web.request_as(Some(&who.key), Method::GET, &who.path(&below));
        let plain = send(request.header("accept", "text/plain")).await;
        assert_eq!((plain.status, plain.body.as_str()), (200, "text/plain"));
        assert!(plain.headers["content-security-policy"].starts_with("sandbox"));
        assert_eq!(who.get(web, "/reader/reports/nothing").await.status, 404);
        assert_eq!(who.get(web, "/nothing/reports").await.status, 404);
    });
}

/// The newest report that a trigger has left, once there is one.
async fn scheduled(web: &Web, who: &Uploader) -> Value {
    for _ in 0..LOOKS_MAX {
        let tick = web.post("/admin/clock/tick", json!({ "count": 1 }).to_string());
        assert_eq!(tick.await.status, 200);
        let reports = who.get(web, "/reader/reports").await.json();
        if let Some(newest) = reports["reports"].get(0) {
            return newest.clone();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("no report of the trigger");
}
