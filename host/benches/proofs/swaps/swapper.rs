//! Swaps versions of policies, one after the other, as an operator would.

use std::time::{Duration, Instant};

use leyden::ids::Digest;
use reqwest::Method;
use serde_json::{Value, json};

use crate::partner::people::{Answer, Operator, WASM};
use crate::process::built;
use crate::proof::Random;
use crate::versions::{alone, assignment, limit};

/// Longest that a promotion without pauses may take.
const PROMOTION_MAX: Duration = Duration::from_secs(30);

/// Between two swaps: each is to decide for a moment.
const APART: Duration = Duration::from_millis(2);

/// How promotions go, all without pauses.
const CANARIES: [&str; 3] = ["100%", "50%,100%", "10%,60%,100%"];

/// What a version decides, done again in native code.
pub type Rule = fn(&Value) -> Value;

/// A version of a policy.
pub struct Version {
    /// What it decides.
    pub kind: &'static str,
    /// Its digest.
    pub digest: String,
    /// What it says.
    pub rule: Rule,
    bytes: Vec<u8>,
}

/// The versions that are swapped.
pub struct Versions(Vec<Version>);

impl Versions {
    /// Three of each policy, the first being the one that comes with a host.
    pub fn all() -> Self {
        let of = |kind: &'static str, bytes: Vec<u8>, rule: Rule| Version {
            kind,
            digest: Digest::of(&bytes).to_string(),
            rule,
            bytes,
        };
        let bundled = |kind: &str| {
            let file = built("plugins").join(format!("{kind}.wasm"));
            std::fs::read(file).expect("cargo xtask build")
        };
        // By the length of the client's name: communities that no other version chooses.
        let by_length = "(i64.add (i64.const 900000) (i64.extend_i32_u (local.get $length)))";
        Self(vec![
            of("assignment", bundled("assignment"), fill),
            of("assignment", alone(), |input| {
                input["first-free-id"].clone()
            }),
            of("assignment", assignment(by_length), |input| {
                let name = input["client-name"].as_str().unwrap_or_default();
                json!(900_000 + name.len())
            }),
            of("peak-limit", bundled("peak-limit"), |_| {
                limits(10_000.0, 9_500.0)
            }),
            of("peak-limit", limit(2_000.0), |_| limits(2_000.0, 2_000.0)),
            of("peak-limit", limit(5_000.0), |_| limits(5_000.0, 5_000.0)),
        ])
    }

    /// The version with this digest.
    pub fn find(&self, digest: &str) -> Option<&Version> {
        self.0.iter().find(|version| version.digest == digest)
    }

    /// One of a kind that is not the one with this digest.
    fn other(&self, kind: &str, than: &str, random: &mut Random) -> &Version {
        let others = self.0.iter();
        let others: Vec<_> = others
            .filter(|v| v.kind == kind && v.digest != than)
            .collect();
        others[random.below(others.len() as u64) as usize]
    }
}

fn limits(open: f64, close: f64) -> Value {
    json!({"open-above-w": open, "close-at-w": close})
}

/// Communities of three, the lowest id that has room first.
fn fill(input: &Value) -> Value {
    let classes = input["classes"].as_array().into_iter().flatten();
    let with_room = classes.filter(|class| class["houses"].as_u64() < Some(3));
    let lowest = with_room
        .filter_map(|class| class["lowest-id"].as_u64())
        .min();
    lowest.map_or(input["first-free-id"].clone(), Value::from)
}

/// What was done.
#[derive(Debug, Default)]
pub struct Swapped {
    pub deployed: usize,
    pub promoted: usize,
    pub rolled_back: usize,
    /// What was refused or did not end, in words.
    pub refused: Vec<String>,
}

/// Swaps so often, of the kinds in turns.
pub async fn swap(
    operator: &Operator,
    versions: &Versions,
    swaps: usize,
    random: &mut Random,
) -> Swapped {
    let mut swapped = Swapped::default();
    let mut told = Instant::now();
    // Versions of each kind that led to the present one.
    let mut led = [0_usize; 2];
    for number in 0..swaps {
        tokio::time::sleep(APART).await;
        let kind = ["assignment", "peak-limit"][number % 2];
        let policy = operator.get(&format!("/admin/policies/{kind}")).await;
        let active = policy["active"]["digest"].as_str().unwrap_or_default();
        let other = versions.other(kind, active, random);
        // Where nothing led to the present version there is nothing to go back to.
        let led = &mut led[number % 2];
        let way = if *led == 0 { 0 } else { random.below(3) };
        let done = match way {
            0 => deploy(operator, other).await,
            1 => promote(operator, other, CANARIES[random.below(3) as usize]).await,
            _ => roll_back(operator, kind).await,
        };
        match (done, way) {
            (Err(why), _) => swapped.refused.push(why),
            (Ok(()), 0) => (swapped.deployed, *led) = (swapped.deployed + 1, *led + 1),
            (Ok(()), 1) => (swapped.promoted, *led) = (swapped.promoted + 1, *led + 1),
            (Ok(()), _) => (swapped.rolled_back, *led) = (swapped.rolled_back + 1, *led - 1),
        }
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            eprintln!("  {} swaps to go", swaps - number);
        }
    }
    swapped
}

async fn send(
    operator: &Operator,
    path: &str,
    media_type: &str,
    body: Vec<u8>,
) -> Result<Value, String> {
    let request = operator.request(Method::POST, path);
    let request = request.header("content-type", media_type).body(body);
    let answer = Answer::of(request).await.ok_or("no answer")?;
    match answer.status.is_success() {
        true => Ok(answer.json),
        false => Err(format!("{path}: {} {}", answer.status, answer.text)),
    }
}

async fn deploy(operator: &Operator, version: &Version) -> Result<(), String> {
    let path = format!("/admin/components/{}", version.kind);
    send(operator, &path, WASM, version.bytes.clone())
        .await
        .map(drop)
}

async fn roll_back(operator: &Operator, kind: &str) -> Result<(), String> {
    let path = format!("/admin/policies/{kind}/rollback");
    send(operator, &path, "application/json", b"{}".to_vec())
        .await
        .map(drop)
}

/// Promotes a version and waits until it has taken over. What was decided lately was decided by others, so it may differ.
async fn promote(operator: &Operator, version: &Version, canary: &str) -> Result<(), String> {
    let kind = version.kind;
    let path = format!("/admin/policies/{kind}/promote?canary={canary}&minDecisions=0&last=50");
    send(
        operator,
        &path.replace('%', "%25"),
        WASM,
        version.bytes.clone(),
    )
    .await?;
    let since = Instant::now();
    loop {
        let policy = operator.get(&format!("/admin/policies/{kind}")).await;
        if policy["rollout"].is_null() {
            return match policy["active"]["digest"] == version.digest.as_str() {
                true => Ok(()),
                false => Err(format!("{kind}: a promotion was taken back: {policy}")),
            };
        }
        if since.elapsed() > PROMOTION_MAX {
            return Err(format!("{kind}: a promotion does not end: {policy}"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
