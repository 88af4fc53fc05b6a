//! A host with the reader, and what there is to read. Tests share one; each has a partner, a community and
//! a day of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};

use leyden::dispatch::Error;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::TestHost;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static COMMON: OnceLock<Rig> = OnceLock::new();
static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
static PLACES: AtomicU64 = AtomicU64::new(0);

pub(crate) const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// 2021-11-01T00:00:00Z.
const FIRST_DAY_MS: u64 = 1_635_724_800_000;

/// Runs a test on the common runtime.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

pub(crate) struct Rig {
    pub(crate) host: TestHost,
}

/// The common host.
pub(crate) async fn common() -> &'static Rig {
    let _one = STARTING.lock().await;
    if COMMON.get().is_none() {
        assert!(COMMON.set(Rig::start().await).is_ok(), "started once");
    }
    COMMON.get().expect("a host")
}

/// A community and a day that no other test has, and a partner.
pub(crate) struct Place {
    pub(crate) community: u64,
    pub(crate) day_ms: u64,
    pub(crate) partner: String,
}

impl Place {
    fn new() -> Self {
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        Self {
            community: 1_000 + number,
            day_ms: FIRST_DAY_MS + number * DAY_MS,
            partner: format!("partner {number}"),
        }
    }

    /// What a house drew or produced, in W, in an hour of the day.
    pub(crate) fn reading(
        &self,
        house: &str,
        hour: u64,
        drew: Option<u64>,
        made: Option<u64>,
    ) -> Value {
        let starts_at_ms = self.day_ms + hour * HOUR_MS;
        let energy_uj = |power_w: u64| power_w * 1_000 * HOUR_MS;
        json!({
            "house": house,
            "community": self.community,
            "interval": { "startsAtMs": starts_at_ms, "endsAtMs": starts_at_ms + HOUR_MS },
            "consumptionUj": drew.map(energy_uj),
            "productionUj": made.map(energy_uj),
        })
    }

    /// A step that reads the day of the community.
    pub(crate) fn read(&self, dataset: &str) -> Value {
        self.read_with(dataset, &json!({}))
    }

    /// The same with other members.
    pub(crate) fn read_with(&self, dataset: &str, members: &Value) -> Value {
        let mut step = json!({
            "do": "read",
            "dataset": dataset,
            "from": self.day_ms,
            "to": self.day_ms + DAY_MS,
            "community": self.community,
        });
        for (name, value) in members.as_object().expect("members") {
            step[name] = value.clone();
        }
        step
    }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self {
            host: TestHost::with_guests(&["reader"]).await,
        }
    }

    /// Carries out steps in one invocation.
    pub(crate) async fn steps(&self, steps: &[Value]) -> Result<Vec<Value>, Error> {
        let body = Value::from(steps).to_string();
        let answer = self
            .host
            .post("reader", "/reader", &[], &body, None)
            .await?;
        Ok(serde_json::from_slice(&answer.body).expect("an array"))
    }

    /// A place with a partner of this trust level and credit.
    pub(crate) async fn place(&self, trust: u32, credit: u64) -> Place {
        let place = Place::new();
        self.partner(&place.partner, trust, credit).await;
        place
    }

    pub(crate) async fn partner(&self, id: &str, trust: u32, credit: u64) {
        let mut steps = vec![json!({ "do": "put", "partner": id, "trust": trust })];
        if credit > 0 {
            steps.push(json!({ "do": "credit", "partner": id, "amount": credit }));
        }
        let done = self.steps(&steps).await.expect("a partner");
        assert!(done.iter().all(Value::is_null), "{done:?}");
    }

    /// Lays readings down, and waits until they are taken in.
    pub(crate) async fn lay(&self, readings: Vec<Value>) {
        let publish = json!({ "do": "publish", "readings": readings });
        self.steps(&[publish]).await.expect("published");
        self.host.host.streams.settle().await.expect("settled");
    }

    /// What one step answers, for a partner.
    pub(crate) async fn one(&self, partner: &str, step: Value) -> Value {
        let act = json!({ "do": "act-for", "partner": partner });
        let done = self.steps(&[act, step]).await.expect("an answer");
        assert_eq!(done[0], Value::Null);
        done[1].clone()
    }

    /// What a partner holds.
    pub(crate) async fn balance(&self, partner: &str) -> u64 {
        let find = json!({ "do": "find", "partner": partner });
        let done = self.steps(&[find]).await.expect("an answer");
        done[0]["datapoints"].as_u64().expect("a balance")
    }

    /// Registers a house, whose consent can be withdrawn then.
    pub(crate) async fn house(&self, community: u64) -> String {
        let body = json!({ "client_name": "client", "communityID": community }).to_string();
        let route = "/house/house-editor/add-house";
        let added = self.host.post("house", route, &[], &body, None).await;
        String::from_utf8(added.expect("a house").body).expect("an id")
    }

    /// Grants or withdraws a dataset.
    pub(crate) async fn consent(&self, house: &str, dataset: &str, granted: bool) {
        let body = json!({ "houseID": house, "dataset": dataset, "granted": granted }).to_string();
        let route = "/client-database/client-registry/consent";
        let set = self
            .host
            .post("client-database", route, &[], &body, None)
            .await;
        assert_eq!(set.expect("consent").status, 204);
    }
}

/// The households or sums of a page.
pub(crate) fn readings(page: &Value) -> &Vec<Value> {
    page["readings"]
        .as_array()
        .unwrap_or_else(|| panic!("a page, not {page}"))
}

/// Which error a read ended with.
pub(crate) fn error(page: &Value) -> &str {
    page["error"]
        .as_str()
        .unwrap_or_else(|| panic!("an error, not {page}"))
}
