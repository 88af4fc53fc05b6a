//! Candidates that misbehave on one input in a hundred, in live traffic: each is taken back by itself, and those whom it
//! failed are answered by the version before.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use leyden::ids::Digest;
use reqwest::{Client, Method};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::partner::people::{Answer, Operator, WASM};
use crate::process::Process;
use crate::proof::{Proof, Size};
use crate::versions::assignment;

/// Clients that register houses.
const CLIENTS: usize = 8;

/// One name in so many is one that candidates fail on.
const ONE_IN: usize = 100;

/// Recorded decisions that a candidate is tried on; none of them is one that it fails on.
const TRIED: usize = 100;

/// Longest wait for a candidate to be taken back.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a client's name ends with that candidates fail on.
const MARK: char = '!';

/// What candidates do where the name ends with the mark: what it is called, the WebAssembly, and what the audit says of it.
const FAULTS: [(&str, &str, &str); 3] = [
    ("traps", "(unreachable)", "it trapped"),
    ("loops", "(loop $on (br $on)) (unreachable)", "it ran past"),
    (
        "answers garbage",
        "(return (i64.const 0))",
        "it broke its contract",
    ),
];

pub async fn prove(size: Size) -> Proof {
    let started = Instant::now();
    let rounds = size.of(2, 20);
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start_with(folder.path(), &["--log", "off"]).await;
    let bench = Bench {
        operator: Operator::of(&host.url),
        url: host.url.clone(),
    };
    let (mut found, mut times) = (Found::default(), String::new());
    for (name, fault, told) in FAULTS {
        let mut took = Vec::new();
        for round in 0..rounds {
            took.push(bench.round(fault, told, round, &mut found).await);
        }
        took.sort_by(f64::total_cmp);
        let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
        let _ = write!(
            times,
            "; {name}: back after {median:.0} ms, at most {most:.0} ms"
        );
    }
    let outcome = match found.wrong.first() {
        None => "all taken back".to_owned(),
        Some(first) => format!("{} WRONG, first {first}", found.wrong.len()),
    };
    Proof {
        name: "candidates".to_owned(),
        promise:
            "a candidate that fails in traffic is taken back by itself, and no request fails by it"
                .to_owned(),
        tried: format!(
            "{rounds} promotions each of candidates that trap, loop and answer garbage on one input in {ONE_IN}, under {} requests of {CLIENTS} clients",
            found.requests
        ),
        found: format!(
            "{outcome}; {} requests failed, {} that a candidate failed on were decided by the version before{times} (from the first input that it fails on)",
            found.failed, found.fell_back,
        ),
        held: found.wrong.is_empty() && found.failed == 0 && found.fell_back > 0,
        seconds: started.elapsed().as_secs_f64(),
    }
}

#[derive(Debug, Default)]
struct Found {
    requests: usize,
    failed: usize,
    fell_back: usize,
    wrong: Vec<String>,
}

/// An answer to who registers a house.
struct Told {
    name: String,
    sent: Instant,
    outcome: Result<String, String>,
}

struct Bench {
    operator: Operator,
    url: String,
}

impl Bench {
    /// Promotes a candidate under traffic until it is taken back; how long that took, ms.
    async fn round(&self, fault: &str, told: &str, round: usize, found: &mut Found) -> f64 {
        let candidate = candidate(fault, round);
        let digest = Digest::of(&candidate).to_string();
        let former = self.active().await;
        let marks = Arc::new(AtomicBool::new(false));
        let stop = Arc::new(AtomicBool::new(false));
        let clients = self.clients(&digest[digest.len() - 12..], &marks, &stop);
        // What it is tried on must be without marks.
        self.plain().await;
        let path =
            format!("/admin/policies/assignment/promote?canary=100%25&stepMs=600000&last={TRIED}");
        let request = self
            .operator
            .request(Method::POST, &path)
            .header("content-type", WASM)
            .body(candidate);
        let promoted = Answer::of(request).await.expect("an answer");
        promoted.expected("promoted");
        marks.store(true, Ordering::Relaxed);
        let back = self.taken_back(found).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.store(true, Ordering::Relaxed);
        let mut answers = Vec::new();
        for client in clients {
            answers.extend(client.await.expect("no panic"));
        }
        self.judge(&answers, &digest, &former, back, found);
        self.audited(&digest, &former, told, found).await;
        let marked = answers.iter().filter(|told| told.name.ends_with(MARK));
        let first = marked.map(|told| told.sent).min();
        first.map_or(0.0, |first| {
            back.saturating_duration_since(first).as_secs_f64() * 1_000.0
        })
    }

    async fn active(&self) -> String {
        let policy = self.operator.get("/admin/policies/assignment").await;
        policy["active"]["digest"]
            .as_str()
            .expect("a digest")
            .to_owned()
    }

    fn clients(
        &self,
        round: &str,
        marks: &Arc<AtomicBool>,
        stop: &Arc<AtomicBool>,
    ) -> Vec<JoinHandle<Vec<Told>>> {
        let client = |number: usize| {
            let (url, prefix) = (self.url.clone(), format!("{round} {number}"));
            tokio::spawn(register(url, prefix, number, marks.clone(), stop.clone()))
        };
        (0..CLIENTS).map(client).collect()
    }

    /// Waits until the last decisions that are recorded are without marks.
    async fn plain(&self) {
        let since = Instant::now();
        loop {
            let path = format!("/admin/policies/assignment/decisions?last={TRIED}");
            let page = self.operator.get(&path).await;
            let parts = page["parts"].as_array().expect("parts");
            let is_marked = parts
                .iter()
                .any(|part| part["decisions"].to_string().contains(MARK));
            if !is_marked && parts.len() >= TRIED {
                return;
            }
            assert!(since.elapsed() < WAIT_MAX, "nobody registers houses");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// When the candidate was gone.
    async fn taken_back(&self, found: &mut Found) -> Instant {
        let since = Instant::now();
        loop {
            let policy = self.operator.get("/admin/policies/assignment").await;
            if policy["rollout"].is_null() {
                return Instant::now();
            }
            if since.elapsed() > WAIT_MAX {
                found
                    .wrong
                    .push(format!("a candidate is not taken back: {policy}"));
                return Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn judge(
        &self,
        answers: &[Told],
        candidate: &str,
        former: &str,
        back: Instant,
        found: &mut Found,
    ) {
        for Told {
            name,
            sent,
            outcome,
        } in answers
        {
            found.requests += 1;
            let header = match outcome {
                Ok(header) => header,
                Err(why) => {
                    found.failed += 1;
                    found.wrong.push(format!("{name}: {why}"));
                    continue;
                }
            };
            let by = |digest: &str| header.contains(&format!("assignment=\"{digest}\""));
            let is_marked = name.ends_with(MARK);
            found.fell_back += usize::from(is_marked && *sent < back);
            let is_right = match is_marked || *sent > back {
                true => by(former) && !by(candidate),
                false => by(former) != by(candidate),
            };
            if !is_right {
                found.wrong.push(format!("{name} was told {header}"));
            }
        }
    }

    async fn audited(&self, candidate: &str, former: &str, told: &str, found: &mut Found) {
        let audit = self
            .operator
            .get("/admin/audit?subject=assignment&limit=1")
            .await;
        let last = &audit["entries"][0];
        let is_right = last["change"] == "take-back"
            && last["from"] == candidate
            && last["to"] == former
            && last["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains(told))
            && self.active().await == former;
        if !is_right {
            found
                .wrong
                .push(format!("the audit says {last} and not {told}"));
        }
    }
}

/// Puts each house into a community of its own and misbehaves where the name ends with the mark. Each round has another
/// one, since a version that is known would be loaded already.
fn candidate(fault: &str, round: usize) -> Vec<u8> {
    assignment(&format!(
        "(drop (i32.const {round}))
         (if (i32.eq (i32.const {}) (i32.load8_u (i32.sub (i32.add (local.get $name) (local.get $length)) (i32.const 1))))
           (then {fault}))
         (local.get $free)",
        u32::from(MARK)
    ))
}

async fn register(
    url: String,
    prefix: String,
    first: usize,
    marks: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
) -> Vec<Told> {
    let (client, mut told) = (Client::new(), Vec::new());
    let mut number = first * ONE_IN / CLIENTS;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let is_marked = number.is_multiple_of(ONE_IN) && marks.load(Ordering::Relaxed);
        let mark = if is_marked {
            MARK.to_string()
        } else {
            String::new()
        };
        let name = format!("{prefix}-{number}{mark}");
        let request = client.post(format!("{url}/house/house-editor/add-house"));
        let sent = Instant::now();
        let answer = request.json(&json!({ "client_name": name })).send().await;
        let outcome = match answer {
            Ok(answer) if answer.status().is_success() => {
                let header = answer.headers().get("leyden-generation");
                let header = header.and_then(|value| value.to_str().ok());
                Ok(header.unwrap_or_default().to_owned())
            }
            Ok(answer) => Err(format!(
                "{} {}",
                answer.status(),
                answer.text().await.unwrap_or_default()
            )),
            Err(error) => Err(format!("{error:?}")),
        };
        told.push(Told {
            name,
            sent,
            outcome,
        });
    }
    told
}
