//! A community that was measured for some minutes, and a partner with plugins.

use std::time::Duration;

use leyden::ids::{Digest, PartnerId, StreamName};
use leyden::operators::Operator;
use leyden::operators::audit::By;
use leyden::partners::receipts::Receipt;
use leyden::partners::runs::{Ended, Error};
use leyden::partners::signature::PluginVersion;
use leyden::partners::triggers::{Key, Wanted, WantedOn};
use leyden::partners::{Accounts, RunRequest, Started, plugins};
use leyden::store::{Append, Space, Transaction, Write};
use serde_json::{Value, json};

use crate::components;
use crate::support::{TestHost, guest, name};

/// Who misbehaves on request.
pub(crate) const PLUGIN: &str = "analyst";

/// Who takes long with little fuel.
pub(crate) const SLOW: &str = "slow";

/// Who tells what WASI told it at random, eight letters.
pub(crate) const DICE: &str = "dice";

/// A stream that no service reads.
pub(crate) const STREAM: &str = "consumption.peak-end";

/// Houses: so many that sums of them are told.
const HOUSES: usize = 18;

/// What the partner begins with, datapoints.
const CREDIT: u64 = 1_000_000;

/// Looks for what a trigger does, 40 a second: half a minute.
const PATIENCE_LOOKS: u32 = 1_200;

/// Square roots of square roots, a hundred in a row: few instructions for the time that they take.
fn roots() -> String {
    let roots = "f64.sqrt ".repeat(100);
    format!("(local f64) (loop local.get 8 {roots} local.set 8 br 0)")
}

/// Five random bits for each letter.
fn dice() -> Vec<u8> {
    let random = [
        "wasi:random/random@0.2.0",
        r#"(export "get-random-u64" (func (result u64)))"#,
        r#"(core func $f (canon lower (func $wasi "get-random-u64")))"#,
        "(result i64)",
    ];
    let letters = "(i64.or (i64.const 0x4040404040404040) \
        (i64.and (i64.const 0x1f1f1f1f1f1f1f1f) (call $f)))";
    components::calling(random, letters, 8)
}

/// The community.
pub(crate) struct Town {
    pub(crate) host: TestHost,
    houses: Vec<String>,
}

fn partner(id: &str) -> PartnerId {
    PartnerId::parse(id).expect("an id")
}

fn acme() -> PartnerId {
    partner("acme")
}

/// Whose plugin it is: who is not trusted may not take long.
fn owner(plugin: &str) -> PartnerId {
    partner(if plugin == SLOW { "newcomer" } else { "acme" })
}

/// A request without bound or key.
pub(crate) fn request(params: &str) -> RunRequest {
    RunRequest {
        params: params.into(),
        max_spend: None,
        key: None,
        started: Started::ByRequest,
    }
}

impl Town {
    pub(crate) async fn start() -> Self {
        let host = TestHost::start().await;
        let mut town = Self {
            host,
            houses: Vec::new(),
        };
        for number in 0..HOUSES {
            town.house(number).await;
        }
        for _ in 0..3 {
            town.host.host.streams.tick().await.expect("a tick");
        }
        town.host.host.streams.settle().await.expect("settled");
        let parts = &town.host.host;
        let accounts = Accounts::new(parts.store.clone(), parts.clock.clone());
        let by = Operator::local();
        for (plugin, trust_level, bytes) in [
            (PLUGIN, 3, guest("partners/analyst")),
            (SLOW, 0, components::instead(&roots())),
        ] {
            let added = accounts.add(&by, &owner(plugin), trust_level, CREDIT).await;
            added.expect("a partner");
            town.keep(plugin, bytes).await;
        }
        town.keep(DICE, dice()).await;
        town
    }

    async fn house(&mut self, number: usize) {
        let added = self.host.add_house(&format!("Client {number}")).await;
        let house = String::from_utf8(added.body).expect("an id");
        let house = house.trim_matches('"').to_owned();
        let power = 500 + number;
        let object = json!({"name": "Mixeur", "maxConsumption": power, "maxProduction": 50});
        let body = json!({"type": "BASIC", "object": object}).to_string();
        let route = "/house/house-editor/house/{id}/add-object";
        let added = self
            .host
            .post("house", route, &[("id", &house)], &body, None)
            .await;
        added.expect("an object");
        self.houses.push(house);
    }

    pub(crate) fn houses(&self) -> impl Iterator<Item = &str> {
        self.houses.iter().map(String::as_str)
    }

    /// Keeps a plugin as if it had been uploaded.
    async fn keep(&self, plugin: &str, bytes: Vec<u8>) {
        let digest = Digest::of(&bytes);
        let version = plugins::Version {
            digest,
            version: PluginVersion::parse("1.2.3").expect("a version"),
            size_bytes: bytes.len() as u64,
            datasets: Vec::new(),
            uploaded_at_ms: 0,
            signature: String::new(),
            signed_by: String::new(),
            activation: 1,
        };
        let kept = plugins::Plugin {
            active: digest,
            led: vec![digest],
            versions: vec![version],
        };
        let write = |space: &str, key: Vec<u8>, value: Vec<u8>| Write {
            space: Space::from(space),
            key,
            value: Some(value),
        };
        let kept = serde_json::to_vec(&kept).expect("JSON");
        let key = format!("{}\0{plugin}", owner(plugin));
        let writes = vec![
            write("leyden.plugins", key.into(), kept),
            write("leyden.plugin-bytes", digest.bytes().to_vec(), bytes),
        ];
        self.commit(Transaction {
            writes,
            ..Transaction::default()
        })
        .await;
    }

    async fn commit(&self, transaction: Transaction) {
        let committed = self.host.host.store.commit(transaction).await;
        committed.expect("committed");
    }

    pub(crate) async fn asked(&self, plugin: &str, request: RunRequest) -> Result<Ended, Error> {
        let runs = &self.host.host.runs;
        runs.run(&owner(plugin), &name(plugin), request).await
    }

    /// Runs the analyst.
    pub(crate) async fn run(&self, params: &str) -> Ended {
        self.run_of(PLUGIN, params).await
    }

    pub(crate) async fn run_of(&self, plugin: &str, params: &str) -> Ended {
        let ended = self.asked(plugin, request(params)).await;
        ended.unwrap_or_else(|error| panic!("{params}: {error}"))
    }

    /// Runs the analyst for so much at most.
    pub(crate) async fn up_to(&self, params: &str, max_spend: u64) -> Ended {
        let bounded = RunRequest {
            max_spend: Some(max_spend),
            ..request(params)
        };
        self.asked(PLUGIN, bounded).await.expect("a run")
    }

    /// Has computing cost something.
    pub(crate) async fn price_compute(&self) {
        self.host.deploy_as("access", "access-open").await;
    }

    /// Has the analyst run on a batch of a stream, and waits for it.
    pub(crate) async fn a_batch(&self, params: &str) {
        let (host, before) = (&self.host.host, self.receipts().await.len());
        let key = Key {
            partner: acme(),
            plugin: name(PLUGIN),
            name: name("news"),
        };
        let by = By::partner(&acme(), "a key");
        let stream = StreamName::parse(STREAM).expect("a name");
        let wanted = Wanted {
            on: WantedOn::Stream(stream.clone()),
            params: params.into(),
            max_spend: None,
        };
        host.triggers
            .put(&by, &key, wanted)
            .await
            .expect("a trigger");
        self.commit(Transaction {
            appends: vec![Append {
                stream,
                key: "k".into(),
                payload: b"news".to_vec(),
            }],
            at: host.clock.now().0,
            ..Transaction::default()
        })
        .await;
        for _ in 0..PATIENCE_LOOKS {
            if self.receipts().await.len() > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the trigger did not run in time");
    }

    /// The partner's receipts.
    pub(crate) async fn receipts(&self) -> Vec<Receipt> {
        let page = self.host.host.runs.receipts(&acme(), None, 0, 1_000).await;
        let receipts = page.expect("a page").receipts;
        let receipt = |bytes: &Vec<u8>| serde_json::from_slice(bytes).expect("a receipt");
        receipts.iter().map(receipt).collect()
    }

    /// The partner's secret, as records of its runs have it.
    pub(crate) async fn secret(&self) -> String {
        let mut snapshot = self.host.host.store.snapshot().await.expect("a snapshot");
        let kept = snapshot
            .read(&Space::from("leyden.partners"), b"acme")
            .await;
        let kept = kept.expect("an answer").expect("a partner");
        let partner: Value = serde_json::from_slice(&kept).expect("JSON");
        let bytes: Vec<u8> = serde_json::from_value(partner["secret"].clone()).expect("bytes");
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Has a service read for the partner, who reads its record.
    pub(crate) async fn asks_a_service(&self) {
        let body = json!({"partnerID": "acme", "date": "2021-11-07T16:00:22.144Z"}).to_string();
        let route = "/partner-api/request-detailed-consumption";
        let read = self.host.post("partner-api", route, &[], &body, None).await;
        assert_eq!(read.expect("an answer").status, 200);
    }
}
