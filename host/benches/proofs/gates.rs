//! What keeps partners apart, and their plugins from what they may not use: each key opens its own partner's
//! things and nothing else, each import is linked exactly at the trust levels that open it.

mod links;
mod names;

use std::sync::Arc;
use std::time::Instant;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::partner::people::{Answer, Operator, Partner, segment};
use crate::partner::plugin;
use crate::process::Process;
use crate::proof::{Proof, Size};

/// Requests at the same time.
const AT_ONCE: usize = 16;

/// What each partner may spend.
const CREDIT: u64 = 1_000;

/// How far each is trusted.
const TRUST: u32 = 3;

/// The name of every partner's plugin.
const PLUGIN: &str = "report";

/// The idempotency key that all partners use.
const SHARED_KEY: &str = "one-key-for-all";

/// The operator's.
const TOKEN: &str = "a-token-that-nobody-guesses";

/// What a partner might try at another's: method and path below the other's own. `{report}` is the id of a
/// report that there is.
const TRIES: [(Method, &str); 14] = [
    (Method::GET, ""),
    (Method::GET, "/plugins"),
    (Method::GET, "/plugins/report"),
    (Method::GET, "/plugins/report/versions"),
    (Method::GET, "/plugins/report/logs"),
    (Method::GET, "/plugins/report/reports"),
    (Method::GET, "/plugins/report/triggers/t"),
    (Method::GET, "/receipts"),
    (Method::GET, "/usage?month=2021-11"),
    (Method::POST, "/plugins/report/run"),
    (Method::POST, "/plugins/report/quote"),
    (Method::POST, "/plugins/report/rollback"),
    (Method::PUT, "/plugins/report"),
    (Method::DELETE, "/plugins/report"),
];

/// What only the operator may read.
const OPERATORS: [&str; 5] = [
    "/admin/partners",
    "/admin/usage",
    "/admin/ledger",
    "/admin/components",
    "/admin/hosts",
];

pub async fn prove(size: Size) -> Vec<Proof> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).expect("a file");
    let more = ["--token-file", file.to_str().expect("a path")];
    let host = Process::start_with(&folder.path().join("data"), &more).await;
    let operator = Operator::with_token(&host.url, TOKEN);
    vec![
        apart(&operator, size.of(24, 100)).await,
        links::prove(&operator).await,
    ]
}

async fn apart(operator: &Operator, count: usize) -> Proof {
    let started = Instant::now();
    let mut partners = Vec::new();
    for id in names::ids(count) {
        let partner = operator.add(&id, TRUST, CREDIT).await;
        partners.push(Arc::new(partner));
    }
    let mut found = Found::default();
    for partner in &partners {
        live(partner).await;
    }
    for partner in &partners {
        own(operator, partner, &mut found).await;
    }
    others(&partners, &mut found).await;
    for (number, partner) in partners.iter().enumerate() {
        let other = &partners[(number + 1) % count];
        forged(partner, other, &mut found).await;
    }
    let first = found
        .wrong
        .first()
        .map_or(String::new(), |wrong| format!(", first {wrong}"));
    Proof {
        name: "gates partners".to_owned(),
        promise: "a partner's key opens what is its own, and nothing else".to_owned(),
        tried: format!(
            "{count} partners with adversarial ids, one name and one idempotency key for all plugins; each key at each other partner, forged keys, operators' paths"
        ),
        found: format!(
            "{} requests, {} cross reads or wrong answers{first}",
            found.requests,
            found.wrong.len()
        ),
        held: found.wrong.is_empty(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

#[derive(Debug, Default)]
struct Found {
    requests: usize,
    wrong: Vec<String>,
}

impl Found {
    fn check(&mut self, is_right: bool, wrong: impl FnOnce() -> String) {
        self.requests += 1;
        if !is_right {
            let wrong = wrong();
            eprintln!("    WRONG {wrong}");
            self.wrong.push(wrong);
        }
    }
}

/// A partner's life: it uploads a plugin and runs it once. What it says names the partner.
async fn live(partner: &Partner) {
    let plugin = plugin::report(&partner.id).build();
    let uploaded = partner.upload(PLUGIN, plugin).await;
    uploaded.expect("an answer").expected(&partner.id);
    let run = partner.run(PLUGIN, b"{}".to_vec(), Some(SHARED_KEY)).await;
    run.expect("an answer").expected(&partner.id);
}

/// Each finds its own things, and only those, where they are.
async fn own(operator: &Operator, partner: &Partner, found: &mut Found) {
    let id = partner.id.as_str();
    let again = partner.run(PLUGIN, b"{}".to_vec(), Some(SHARED_KEY)).await;
    let report = again.map_or(Value::Null, |answer| answer.json["report"]["body"].clone());
    found.check(report == id, || format!("{id:?} got the report {report}"));
    let info = partner.info().await;
    found.check(info["id"] == id, || format!("{id:?} is told of {info}"));
    let receipts = Answer::of(partner.request(Method::GET, "/receipts")).await;
    let receipts = receipts.expect("an answer").expected("receipts");
    let list = receipts["receipts"].as_array().cloned().unwrap_or_default();
    let is_own = list.len() == 1 && list.iter().all(|receipt| receipt["partner"] == id);
    found.check(is_own, || format!("{id:?} has the receipts {receipts}"));
    let path = format!("/admin/partners/{}", segment(id));
    let told = operator.get(&path).await;
    found.check(told["id"] == id, || {
        format!("the operator is told of {told} at {path}")
    });
}

/// Everybody tries everything at everybody else's.
async fn others(partners: &[Arc<Partner>], found: &mut Found) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = Vec::new();
    for (number, partner) in partners.iter().enumerate() {
        for (other, owner) in partners.iter().enumerate() {
            if number == other {
                continue;
            }
            let turn = turns.clone().acquire_owned().await.expect("open");
            let (partner, owner) = (partner.clone(), owner.clone());
            tasks.push(tokio::spawn(async move {
                let _turn = turn;
                trespass(&partner, &owner).await
            }));
        }
    }
    for task in tasks {
        let (requests, wrong) = task.await.expect("no panic");
        found.requests += requests;
        found.wrong.extend(wrong);
    }
}

async fn trespass(partner: &Partner, owner: &Partner) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    for (method, path) in &TRIES {
        let mut request = partner.request_to(&owner.id, method.clone(), path);
        if *method != Method::GET {
            request = request
                .header("content-type", "application/json")
                .body("{}");
        }
        let answer = Answer::of(request).await.expect("an answer");
        let is_refused = [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED].contains(&answer.status);
        if !is_refused {
            let (thief, owner, status) = (&partner.id, &owner.id, answer.status);
            wrong.push(format!(
                "{thief:?}: {method} {path} of {owner:?}: {status} {}",
                answer.text
            ));
        }
    }
    (TRIES.len(), wrong)
}

/// Keys that are not quite keys, paths that are not quite the partner's own, and the operator's paths.
async fn forged(partner: &Partner, other: &Partner, found: &mut Found) {
    for key in names::forged(&partner.key, &other.key) {
        let request = partner.request(Method::GET, "/receipts");
        let request = request.header("authorization", format!("Bearer {key}"));
        // Two headers: neither may count.
        let alone = partner
            .anonymous(Method::GET, "/receipts")
            .bearer_auth(&key);
        for request in [request, alone] {
            let Some(answer) = Answer::of(request).await else {
                continue;
            };
            let is_refused = answer.status.is_client_error();
            found.check(is_refused, || {
                format!("the forged key {key:?} opens {:?}", partner.id)
            });
        }
    }
    for path in OPERATORS {
        let with_key = partner.absolute(path).bearer_auth(&partner.key);
        for request in [with_key, partner.absolute(path)] {
            let answer = Answer::of(request).await.expect("an answer");
            let is_refused = answer.status.is_client_error();
            let read = || format!("{:?} reads {path}: {}", partner.id, answer.text);
            found.check(is_refused, read);
        }
    }
}
