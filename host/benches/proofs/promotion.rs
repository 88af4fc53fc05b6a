//! Hosts are killed in the middle of promotions, at random instants: one host on the embedded store, and one or all of
//! three over Redis. Afterwards all serve one generation, which is what the audit says, and a promotion that was begun
//! has come to its end. Two commits are too short a time apart for a kill to fall between them often, so the number of the
//! generation and the audit are read together all the while.

use std::time::{Duration, Instant};

use leyden::ids::Digest;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::history::{History, Policies, audit, present};
use crate::kills::HOSTS;
use crate::partner::people::{Answer, Operator, WASM};
use crate::process::Process;
use crate::proof::{Proof, Random, Size};
use crate::rig::{Rig, Way};
use crate::together::Watcher;
use crate::versions::{alone, assignment, limit};

/// What is promoted.
const KIND: &str = "assignment";

/// Shares of the stages.
const CANARY: &str = "30%25,60%25,100%25";

/// Stages of a promotion.
const STAGES: usize = 3;

/// How long each lasts, ms.
const STEP_MS: u64 = 150;

/// Kills fall within this after a promotion was asked for, ms: what it takes from the upload to the end.
const KILLED_WITHIN_MS: u64 = 750;

/// Between two deployments of a host.
const DEPLOY_EVERY: Duration = Duration::from_millis(20);

/// Longest wait for hosts to agree, and for a promotion to end.
const WAIT_MAX: Duration = Duration::from_secs(60);

pub async fn prove(size: Size) -> Vec<Proof> {
    let one = embedded(size.of(8, 60)).await;
    let started = Instant::now();
    let (found, tried) = redis(size.of(6, 40), None).await;
    vec![one, found.proof("redis", tried, started)]
}

/// Where kills fell and what was wrong afterwards.
#[derive(Debug, Default)]
pub struct Found {
    /// Promotions that had not begun.
    before: usize,
    /// Those that were in a stage.
    stages: [usize; STAGES],
    /// Those that were completed.
    after: usize,
    wrong: Vec<String>,
}

impl Found {
    fn proof(self, name: &str, tried: String, started: Instant) -> Proof {
        self.wrong
            .iter()
            .for_each(|wrong| eprintln!("    WRONG {wrong}"));
        let well = "one generation and its audit each time, all that were begun completed";
        let outcome = self.wrong().unwrap_or_else(|| well.to_owned());
        let (before, after) = (self.before, self.after);
        let [one, two, three] = self.stages;
        // A proof that never hits the middle proves nothing.
        let is_hit = one + two + three > 0;
        Proof {
            name: format!("promotion {name}"),
            promise: "whenever hosts die, all serve one generation afterwards, which is the one of the audit, and a promotion that was begun ends".to_owned(),
            tried,
            found: format!(
                "promotions found not begun {before}, in stages one to three {one}, {two} and {three}, completed {after}; {outcome}"
            ),
            held: self.wrong.is_empty() && is_hit,
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    /// What was wrong, if anything was.
    pub fn wrong(&self) -> Option<String> {
        let first = self.wrong.first()?;
        Some(format!("{} WRONG, first {first}", self.wrong.len()))
    }

    /// Ends looking at number and audit; how often it was looked.
    fn watched(&mut self, watcher: Option<Watcher>) -> usize {
        let seen = watcher.map(|watcher| tokio::task::block_in_place(|| watcher.stop()));
        let seen = seen.unwrap_or_default();
        self.wrong.extend(seen.apart);
        seen.looks
    }

    /// Where a promotion was when hosts had come back.
    fn note(&mut self, policies: &Policies, candidate: &str) {
        let versions = &policies[KIND];
        match &versions.candidate {
            Some((.., stage)) => self.stages[(*stage).min(STAGES - 1)] += 1,
            None if versions.active == candidate => self.after += 1,
            None => self.before += 1,
        }
    }
}

/// What was known before a promotion was asked for.
struct Before {
    generation: (u64, Policies),
    entries: usize,
}

impl Before {
    async fn of(host: &Operator) -> Self {
        Self {
            generation: present(host).await,
            entries: audit(host).await.len(),
        }
    }

    /// What the audit makes of it.
    async fn history(&self, host: &Operator) -> History {
        let entries = audit(host).await.split_off(self.entries);
        History::replay(self.generation.clone(), &entries)
    }
}

/// The version that is promoted next: never the active one, and new every time.
fn version(round: usize) -> Vec<u8> {
    match round {
        0 => alone(),
        round => assignment(&format!("(drop (i32.const {round})) (local.get $free)")),
    }
}

/// Asks a host to promote a version; whether it said that it has begun.
fn promote(url: &str, bytes: Vec<u8>) -> JoinHandle<bool> {
    let operator = Operator::of(url);
    tokio::spawn(async move {
        let path = format!(
            "/admin/policies/{KIND}/promote?canary={CANARY}&stepMs={STEP_MS}&minDecisions=0"
        );
        let request = operator
            .request(Method::POST, &path)
            .header("content-type", WASM)
            .body(bytes);
        match Answer::of(request).await {
            // Where others always come first it is refused, and nothing has changed.
            Some(answer) => answer.status.is_success(),
            None => false,
        }
    })
}

/// Lets a host deploy two versions of another policy in turns, until told to stop; how often it has. So changes of several
/// hosts meet, and each has to stand on the one before.
fn deploy(url: &str, stop: watch::Receiver<bool>) -> JoinHandle<usize> {
    let operator = Operator::of(url);
    tokio::spawn(async move {
        let mut deployed = 0;
        for watts in [4_000.0, 6_000.0].into_iter().cycle() {
            if *stop.borrow() {
                break;
            }
            let request = operator.request(Method::POST, "/admin/components/peak-limit");
            let request = request.header("content-type", WASM).body(limit(watts));
            let answer = Answer::of(request).await;
            deployed += usize::from(answer.is_some_and(|answer| answer.status.is_success()));
            tokio::time::sleep(DEPLOY_EVERY).await;
        }
        deployed
    })
}

async fn embedded(rounds: usize) -> Proof {
    let (started, mut random) = (Instant::now(), Random::seeded());
    let (folder, mut found) = (tempfile::tempdir().expect("a folder"), Found::default());
    let mut watcher = None;
    for round in 0..rounds {
        let mut host = Process::start_with(folder.path(), &["--log", "error"]).await;
        let before = Before::of(&Operator::of(&host.url)).await;
        watcher.get_or_insert_with(|| Watcher::of_folder(folder.path()));
        let bytes = version(round);
        let candidate = Digest::of(&bytes).to_string();
        let asked = promote(&host.url, bytes);
        tokio::time::sleep(Duration::from_millis(random.below(KILLED_WITHIN_MS))).await;
        host.kill();
        let begun = asked.await.expect("no panic");
        let host = Process::start_with(folder.path(), &["--log", "error"]).await;
        let operator = Operator::of(&host.url);
        found.note(&present(&operator).await.1, &candidate);
        after(&[operator], &before, &candidate, begun, &mut found).await;
    }
    let looks = found.watched(watcher);
    let tried = format!(
        "{rounds} kill -9 within {KILLED_WITHIN_MS} ms after a promotion in {STAGES} stages was asked for; number and audit read together {looks} times"
    );
    found.proof("embedded", tried, started)
}

/// On three hosts over Redis, broken on purpose where a mutation is named; what was found, and what was tried.
pub async fn redis(rounds: usize, mutation: Option<&str>) -> (Found, String) {
    let (mut random, mut found) = (Random::seeded(), Found::default());
    let mut rig = Rig::start(HOSTS, Way::Direct, mutation).await;
    let (mut all_killed, mut deployed) = (0, 0);
    agreed(&operators(&rig), &mut found).await;
    let watcher = Watcher::of_redis(&rig.redis);
    for round in 0..rounds {
        let operators = operators(&rig);
        agreed(&operators, &mut found).await;
        let asked = random.below(HOSTS as u64) as usize;
        let before = Before::of(&operators[asked]).await;
        let bytes = version(round);
        let candidate = Digest::of(&bytes).to_string();
        let promoting = promote(&rig.host(asked).url, bytes);
        let (stop, stopped) = watch::channel(false);
        let others = (0..HOSTS).filter(|host| *host != asked);
        let deploying: Vec<_> = others
            .map(|host| deploy(&rig.host(host).url, stopped.clone()))
            .collect();
        tokio::time::sleep(Duration::from_millis(random.below(KILLED_WITHIN_MS))).await;
        // In turns the one that was asked, another one, and all of them.
        let killed: Vec<usize> = match round % 3 {
            0 => vec![asked],
            1 => vec![(asked + 1) % HOSTS],
            _ => (0..HOSTS).collect(),
        };
        all_killed += usize::from(killed.len() == HOSTS);
        killed.iter().for_each(|host| rig.kill_host(*host));
        let begun = promoting.await.expect("no panic");
        for host in killed {
            rig.start_host(host).await;
        }
        stop.send_replace(true);
        for deploying in deploying {
            deployed += deploying.await.expect("no panic");
        }
        let operators = self::operators(&rig);
        found.note(&present(&operators[0]).await.1, &candidate);
        after(&operators, &before, &candidate, begun, &mut found).await;
    }
    let looks = found.watched(Some(watcher));
    let tried = format!(
        "{rounds} promotions in {STAGES} stages on {HOSTS} hosts, while two of them deploy another policy ({deployed} times); kill -9 of one or ({all_killed} times) of all within {KILLED_WITHIN_MS} ms after it was asked for; number and audit read together {looks} times"
    );
    (found, tried)
}

fn operators(rig: &Rig) -> Vec<Operator> {
    let hosts = 0..rig.hosts();
    hosts
        .map(|host| Operator::of(&rig.host(host).url))
        .collect()
}

/// Waits until all hosts serve the same generation and nothing is being promoted; it, as all of them tell of it.
async fn agreed(hosts: &[Operator], found: &mut Found) -> (u64, Policies) {
    let since = Instant::now();
    loop {
        let mut told = Vec::new();
        for host in hosts {
            told.push(present(host).await);
        }
        let is_over = told[0].1[KIND].candidate.is_none();
        if is_over && told.iter().all(|other| *other == told[0]) {
            return told.swap_remove(0);
        }
        // The same number is the same generation on all, at any time.
        for other in &told {
            if other.0 == told[0].0 && other.1 != told[0].1 {
                found
                    .wrong
                    .push(format!("two generations {}: {told:?}", other.0));
            }
        }
        if since.elapsed() > WAIT_MAX {
            found.wrong.push(format!("hosts do not agree: {told:?}"));
            return told.swap_remove(0);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What must be so after hosts have come back.
async fn after(
    hosts: &[Operator],
    before: &Before,
    candidate: &str,
    begun: bool,
    found: &mut Found,
) {
    let (number, policies) = agreed(hosts, found).await;
    let history = before.history(&hosts[0]).await;
    found.wrong.extend(history.wrong.iter().cloned());
    let (last, audited) = history.last();
    let mut check = |is_right: bool, wrong: String| {
        if !is_right {
            found.wrong.push(wrong);
        }
    };
    let same = (last, audited) == (number, &policies);
    check(
        same,
        format!("hosts serve {number}: {policies:?}; the audit ends with {last}: {audited:?}"),
    );
    let is_active = policies[KIND].active == candidate;
    let was_begun = history.generations.len() > 1;
    check(
        was_begun || !begun,
        format!("{candidate} was said to be begun and is not"),
    );
    check(
        is_active == was_begun,
        format!("{candidate} was begun ({was_begun}) and is active ({is_active})"),
    );
    for host in hosts {
        let told = decided(host).await;
        let is_by = told["by"] == policies[KIND].active.as_str();
        check(
            is_by,
            format!(
                "a house is assigned by {told} where {} is active",
                policies[KIND].active
            ),
        );
    }
}

/// Lets a host assign a house; which version did, as the answer says.
async fn decided(host: &Operator) -> Value {
    let request = host.request(Method::POST, "/house/house-editor/add-house");
    let answer = request.json(&json!({ "client_name": "Ada" })).send().await;
    let answer = answer.expect("an answer");
    let header = answer.headers().get("leyden-generation");
    let header = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let by = header
        .split(';')
        .find_map(|part| part.strip_prefix("assignment="));
    json!({ "by": by.map(|by| by.trim_matches('"')), "status": answer.status().as_u16() })
}
