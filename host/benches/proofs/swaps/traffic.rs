//! What goes on while policies are swapped: clients register houses, others ask for limits, meters send readings. Everything
//! that clients were told is kept, to be compared with what the host keeps.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use leyden::ids::Instant as Date;
use reqwest::{Client, Method, RequestBuilder, header};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::CONNECTIONS;
use crate::partner::people::{Answer, Operator, WASM};
use crate::process::built;

/// Connections that register houses; on the others limits are asked for. Houses wait for each other, since each changes
/// what is asked about the next one.
const REGISTERING: usize = CONNECTIONS / 2;

/// Houses with meters, in communities that each make one decision an interval.
pub const METERED: usize = 200;

/// Houses of such a community.
const COMMUNITY_HOUSES: usize = 50;

/// First community of houses with meters: none that a policy chooses.
const COMMUNITIES: usize = 100_000;

/// First community that limits are asked for, and how many each connection may ask for. There is nothing in them.
const ASKED_FOR: (u64, u64) = (1_000_000, 1_000_000);

/// Minutes that one upload tells of, of all meters.
const MINUTES: u64 = 5;

/// Readings of one upload, each of 1 Wh.
pub const READINGS: u64 = METERED as u64 * MINUTES;

/// First minute that meters tell of.
pub const FIRST: &str = "2021-01-01T00:00:00Z";

/// A pause after each request, so that the log keeps every decision until the end.
const PAUSE: Duration = Duration::from_millis(25);

/// How long the stream's maximum is measured.
const MEASURED: Duration = Duration::from_secs(4);

/// What clients were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Houses by their clients' names, each with the generation that the answer names.
    pub houses: BTreeMap<String, String>,
    /// Limits by their communities, each with the generation that the answer names.
    pub limits: BTreeMap<u64, (String, Value)>,
    /// Readings taken, all of them.
    pub readings: u64,
    /// Requests that failed, in words.
    pub failed: Vec<String>,
}

impl Told {
    fn add(&mut self, other: Self) {
        self.houses.extend(other.houses);
        self.limits.extend(other.limits);
        self.readings += other.readings;
        self.failed.extend(other.failed);
    }
}

/// An installation with houses.
pub struct Traffic {
    uploads: Meters,
    /// Readings that were taken before the swaps began.
    before: u64,
}

impl Traffic {
    /// Registers the houses with meters, and deploys what asks for limits.
    pub async fn prepare(operator: &Operator) -> Self {
        let rows = (0..METERED).map(|number| {
            let community = COMMUNITIES + number / COMMUNITY_HOUSES;
            format!("{}\n", json!({"client_name": format!("Meter {number}"), "communityID": community, "household": household(number)}))
        });
        let request = operator.request(Method::POST, "/house/house-editor/houses");
        let request = request.header(header::CONTENT_TYPE, "application/x-ndjson");
        let taken = Answer::of(request.body(rows.collect::<String>())).await;
        taken.expect("an answer").expected("houses");
        let asker = std::fs::read(built("guests").join("asker.wasm"));
        let asker = asker.expect("cargo xtask build");
        let request = operator.request(Method::POST, "/admin/components/asker");
        let request = request.header(header::CONTENT_TYPE, WASM).body(asker);
        Answer::of(request)
            .await
            .expect("an answer")
            .expected("asker");
        let uploads = Meters {
            operator: operator.clone(),
            next: 0,
        };
        Self { uploads, before: 0 }
    }

    /// How many readings go through the whole stream path a second at most.
    pub async fn most(&mut self) -> f64 {
        let since = Instant::now();
        while since.elapsed() < MEASURED {
            self.uploads.send().await.expect("readings");
            self.before += READINGS;
        }
        self.uploads
            .operator
            .post("/admin/settle", &json!({}))
            .await;
        self.before as f64 / since.elapsed().as_secs_f64()
    }

    /// Starts everybody, meters at so many readings a second.
    pub fn start(self, url: &str, rate: f64) -> Running {
        let (stop, stopped) = watch::channel(false);
        let mut tasks: Vec<_> = (0..REGISTERING)
            .map(|number| tokio::spawn(register(url.to_owned(), number, stopped.clone())))
            .collect();
        tasks.extend((REGISTERING..CONNECTIONS).map(|number| {
            let first = ASKED_FOR.0 + number as u64 * ASKED_FOR.1;
            tokio::spawn(ask(url.to_owned(), first, stopped.clone()))
        }));
        let every = Duration::from_secs_f64(READINGS as f64 / rate);
        tasks.push(tokio::spawn(feed(self.uploads, every, stopped)));
        let told = Told {
            readings: self.before,
            ..Told::default()
        };
        Running { stop, tasks, told }
    }
}

/// Everybody at work.
pub struct Running {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<Told>>,
    told: Told,
}

impl Running {
    /// Lets everybody finish; what they were told.
    pub async fn stop(mut self) -> Told {
        self.stop.send_replace(true);
        for task in self.tasks {
            self.told.add(task.await.expect("no panic"));
        }
        self.told
    }
}

/// The generation that an answer names and its body, if it is a success.
async fn send(request: RequestBuilder) -> Result<(String, String), String> {
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let (status, path) = (answer.status(), answer.url().path().to_owned());
    let generation = answer.headers().get("leyden-generation");
    let generation = generation.and_then(|value| value.to_str().ok());
    let generation = generation.unwrap_or_default().to_owned();
    let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
    match status.is_success() {
        true => Ok((generation, text)),
        false => Err(format!("{path}: {status} {text}")),
    }
}

async fn register(url: String, number: usize, stop: watch::Receiver<bool>) -> Told {
    let (client, mut told) = (Client::new(), Told::default());
    while !*stop.borrow() {
        // Names of different lengths.
        let name = format!("Client {number}-{}", told.houses.len());
        let body = json!({ "client_name": name });
        let request = client.post(format!("{url}/house/house-editor/add-house"));
        match send(request.json(&body)).await {
            Ok((generation, _)) => drop(told.houses.insert(name, generation)),
            Err(why) => told.failed.push(why),
        }
        tokio::time::sleep(PAUSE).await;
    }
    told
}

async fn ask(url: String, first: u64, stop: watch::Receiver<bool>) -> Told {
    let (client, mut told) = (Client::new(), Told::default());
    for community in first..first + ASKED_FOR.1 {
        if *stop.borrow() {
            break;
        }
        let body = json!({ "community": community, "at_ms": community, "houses": 3 });
        match send(client.post(format!("{url}/asker/peak-limit")).json(&body)).await {
            Ok((generation, text)) => {
                let limits = serde_json::from_str(&text).unwrap_or_default();
                told.limits.insert(community, (generation, limits));
            }
            Err(why) => told.failed.push(why),
        }
        tokio::time::sleep(PAUSE).await;
    }
    told
}

async fn feed(mut uploads: Meters, every: Duration, stop: watch::Receiver<bool>) -> Told {
    let mut told = Told::default();
    let mut ticks = tokio::time::interval(every);
    while !*stop.borrow() {
        ticks.tick().await;
        match uploads.send().await {
            Ok(_) => told.readings += READINGS,
            Err(why) => told.failed.push(why),
        }
    }
    told
}

/// All meters.
struct Meters {
    operator: Operator,
    /// The first minute of the next upload.
    next: u64,
}

impl Meters {
    async fn send(&mut self) -> Result<(String, String), String> {
        let first_ms = Date::parse(FIRST).expect("an instant").0;
        let mut rows = String::from("household,startsAt,endsAt,kind,energyWh\n");
        for minute in self.next..self.next + MINUTES {
            let at = |minute: u64| Date(first_ms + minute * 60_000).to_string();
            let (from, to) = (at(minute), at(minute + 1));
            for number in 0..METERED {
                rows += &format!("{},{from},{to},consumption,1\n", household(number));
            }
        }
        self.next += MINUTES;
        let request = self.operator.request(Method::POST, "/meters/readings");
        send(request.header(header::CONTENT_TYPE, "text/csv").body(rows)).await
    }
}

fn household(number: usize) -> String {
    format!("meter-{number}")
}
