//! Invocations of all kinds are recorded while a host is used as people use it, and replayed by another process: all have
//! to come to the same, bit for bit; runs of a partner's plugin and requests to functions are among them. Then one bit of a
//! policy, of the plugin, or of a function is changed, and the replay has to notice.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use leyden::registry::manifest::attach;
use leyden::replay::file::Reader;
use leyden::replay::format::{Input, Line};
use serde_json::{Value, json};

use crate::partner::people::{Operator, Partner};
use crate::process::{Process, built};
use crate::proof::{Proof, Size};

/// Longest recording, s; far more than it takes.
const SECONDS_MAX: &str = "3600";

/// Houses, in communities of three: each adds an object, and some ask when to charge.
const HOUSES: usize = 60;

/// The partner's plugin.
const ANALYST: &str = "analyst";

/// What it is asked for in turn: reads of each kind and ends of each kind.
const WISHES: [&str; 8] = [
    r#"{"do":"echo"}"#,
    r#"{"do":"read","dataset":"global-consumption"}"#,
    r#"{"do":"read","dataset":"production"}"#,
    r#"{"do":"read","dataset":"detailed-consumption","n":3}"#,
    r#"{"do":"read-then-trap","dataset":"detailed-consumption"}"#,
    r#"{"do":"read-then-fail","dataset":"production"}"#,
    r#"{"do":"recurse"}"#,
    r#"{"do":"calls","n":100000000}"#,
];

/// A bit of a component's code that changes what it says.
struct Bit {
    component: &'static str,
    /// Where it was built.
    file: &'static str,
    /// What stands there.
    find: &'static [u8],
    /// Which byte of it.
    at: usize,
    bit: u8,
    what: &'static str,
}

/// The limit of a peak is 10,000 W, and 625 W with a bit of its exponent changed (`i64.const` with its bits in LEB128);
/// a community takes a house that has up to two, or up to three (`i32.const`, `i32.gt_u`); the plugin's words and the
/// function's are a letter off.
const BITS: [Bit; 4] = [
    Bit {
        component: "peak-limit",
        file: "plugins/peak-limit.wasm",
        find: &[0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xe2, 0xe1, 0xc0],
        at: 8,
        bit: 5,
        what: "the limit of a peak",
    },
    Bit {
        component: "assignment",
        file: "plugins/assignment.wasm",
        find: &[0x41, 0x02, 0x4b],
        at: 1,
        bit: 0,
        what: "the size of a community",
    },
    Bit {
        component: "observer/analyst",
        file: "guests/partners/analyst.wasm",
        find: b"It has read and fails.",
        at: 3,
        bit: 0,
        what: "a plugin's words",
    },
    Bit {
        component: "web",
        file: "guests/alternatives/web.wasm",
        find: b"Hello, world!",
        at: 0,
        bit: 0,
        what: "a function's words",
    },
];

pub async fn prove(size: Size) -> Proof {
    let started = Instant::now();
    let wanted = size.of(1_500, 10_000) as u64;
    let folder = tempfile::tempdir().expect("a folder");
    let record = folder.path().join("traffic.lrec");
    let ended = recorded(folder.path(), &record, wanted).await;
    let all = replayed(&record, None);
    let changed: Vec<(&Bit, Value)> = BITS
        .iter()
        .map(|bit| {
            let file = with_bit(folder.path(), bit);
            (bit, replayed(&record, Some((bit.component, &file))))
        })
        .collect();
    let identical = number(&all, "identical");
    let (runs, functions) = runs_and_functions_in(&record);
    let noticed = changed.iter().all(|(_, one)| number(one, "different") > 0);
    let told: Vec<String> = changed
        .iter()
        .map(|(bit, one)| {
            let (different, of) = (number(one, "different"), number(one, "invocations"));
            format!("one bit of {}: {different} of {of} differ", bit.what)
        })
        .collect();
    Proof {
        name: "replay".to_owned(),
        promise: "recorded invocations come to the same elsewhere, bit for bit, and a changed bit is found"
            .to_owned(),
        tried: format!(
            "{wanted} requests, uploads, stream batches with ticks, {runs} runs of a plugin and {functions} requests to functions, recorded ({} missed) and replayed by another process",
            number(&ended, "missed")
        ),
        found: format!("{identical} identical with their fuel; {}", told.join("; ")),
        held: identical == wanted
            && number(&all, "invocations") == wanted
            && number(&all, "withoutFuel") == 0
            && runs > 0
            && functions > 0
            && noticed,
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// How many runs of plugins and requests to functions a record has.
fn runs_and_functions_in(record: &Path) -> (usize, usize) {
    let mut reader = Reader::open(BufReader::new(File::open(record).expect("the record")));
    let reader = reader.as_mut().expect("a record");
    let (mut functions, mut found) = (Vec::new(), (0, 0));
    while let Some(line) = reader.next_line().expect("a line") {
        match line {
            Line::Component(one) if one.function.is_some() => functions.push(one.id),
            Line::Invocation(one) if matches!(one.input, Input::Run(_)) => found.0 += 1,
            Line::Invocation(one) if functions.contains(&one.runs) => found.1 += 1,
            _ => {}
        }
    }
    found
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

/// Records so many invocations; what the recorder said in the end.
async fn recorded(folder: &Path, record: &Path, wanted: u64) -> Value {
    let own = ["--log", "error", "--outbound-allow", "127.0.0.0/8"];
    let host = Process::start_with(&folder.join("data"), &own).await;
    let mut recorder = recorder(&host.url, record, wanted);
    let client = reqwest::Client::new();
    wait_for_recording(&host).await;
    let observer = Operator::of(&host.url)
        .add("observer", 3, 100_000_000)
        .await;
    let mut town = Town {
        host: &host,
        client,
        observer,
        houses: Vec::new(),
        minute: 0,
    };
    town.settle_in().await;
    while recorder.try_wait().expect("a state").is_none() {
        town.minute().await;
    }
    let output = recorder.wait_with_output().expect("an end");
    assert!(output.status.success(), "the recording failed");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn recorder(url: &str, record: &Path, wanted: u64) -> Child {
    Command::new(env!("CARGO_BIN_EXE_leyden"))
        .args(["--json", "--url", url, "record", "start", "--limit"])
        .args([
            &wanted.to_string(),
            "--max-mib",
            "4096",
            "--seconds",
            SECONDS_MAX,
            "-o",
        ])
        .arg(record)
        .stdout(Stdio::piped())
        .spawn()
        .expect("leyden starts")
}

async fn wait_for_recording(host: &Process) {
    loop {
        let status = host.get_json("/admin/record/status").await;
        if status["since"].is_string() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How a replay went.
fn replayed(record: &Path, with: Option<(&str, &Path)>) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
    command.args(["--json", "replay"]).arg(record);
    command.arg("--compiled").arg(built("compiled"));
    if let Some((component, file)) = with {
        command
            .arg("--with")
            .arg(format!("{component}={}", file.display()));
    }
    let output = command.output().expect("leyden starts");
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// A plugin with one bit changed.
fn with_bit(folder: &Path, bit: &Bit) -> PathBuf {
    let mut bytes = std::fs::read(built(bit.file)).expect("cargo xtask build");
    let places = bytes.windows(bit.find.len());
    let place = places.clone().position(|window| window == bit.find);
    bytes[place.expect("the constant is there") + bit.at] ^= 1 << bit.bit;
    let changed = folder.join(bit.component.replace('/', "-"));
    std::fs::write(&changed, bytes).expect("written");
    changed
}

/// People who use a host.
struct Town<'a> {
    host: &'a Process,
    client: reqwest::Client,
    observer: Partner,
    houses: Vec<String>,
    minute: usize,
}

impl Town<'_> {
    async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let request = self
            .client
            .post(format!("{}{path}", self.host.url))
            .json(body);
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap_or_default())
    }

    /// Houses with things in them, and a partner.
    async fn settle_in(&mut self) {
        for house in 0..HOUSES {
            let body = json!({ "client_name": format!("Client {house}"), "household": format!("meter-{house}") });
            let (_, id) = self.post("/house/house-editor/add-house", &body).await;
            let id = id.trim_matches('"').to_owned();
            let power = 300 + 90 * (house % 20);
            let object = json!({ "type": "BASIC", "object": { "name": "Mixeur", "maxConsumption": power, "maxProduction": 50 } });
            self.post(
                &format!("/house/house-editor/house/{id}/add-object"),
                &object,
            )
            .await;
            let car = json!({ "type": "SCHEDULED", "object": { "name": "Voiture", "maxConsumption": 2_300 } });
            self.post(&format!("/house/house-editor/house/{id}/add-object"), &car)
                .await;
            self.houses.push(id);
        }
        let partner = json!({ "partnerID": "acme", "trustLevel": 3, "datapoint": 1_000_000 });
        self.post("/partner-api/add-partner", &partner).await;
        let analyst = std::fs::read(built("guests/partners/analyst.wasm"));
        let analyst = analyst.expect("cargo xtask build");
        let uploaded = self.observer.upload(ANALYST, analyst).await;
        uploaded.expect("an answer").expected("an upload");
        let itself = self.host.url.trim_start_matches("http://");
        let outbound = format!("[outbound]\nhosts = [\"{itself}\"]\n");
        self.deploy("web", &outbound).await;
        self.deploy("keeper", "[grants]\nkeyvalue = true\n").await;
    }

    async fn deploy(&self, function: &str, manifest: &str) {
        let file = built(&format!("guests/alternatives/{function}.wasm"));
        let bytes = std::fs::read(file).expect("cargo xtask build");
        let bytes = attach(&bytes, manifest).expect("a manifest");
        let url = format!("{}/admin/components/{function}", self.host.url);
        let deploy = self
            .client
            .post(url)
            .header("content-type", "application/wasm");
        let deployed = deploy.body(bytes).send().await;
        assert!(
            deployed.expect("an answer").status().is_success(),
            "{function}"
        );
    }

    /// Functions that keep a number, look at the clock, draw, stream, trap, and ask each other.
    async fn ask_functions(&self, minute: usize) {
        let url = &self.host.url;
        let fetched = format!("/fn/web/fetch?{url}/fn/web/draw");
        for path in [
            "/fn/web/hello",
            "/fn/web/trap-after",
            "/fn/keeper/add?n",
            &fetched,
        ] {
            let answer = self.client.get(format!("{url}{path}")).send().await;
            // What breaks off is as it should be.
            drop(answer.expect("an answer").bytes().await);
        }
        let echo = self.client.post(format!("{url}/fn/web/echo"));
        let echo = echo.body("word ".repeat(100 * minute)).send().await;
        drop(echo.expect("an answer").bytes().await);
    }

    /// What happens in a minute: time moves, a meter reports, people look, change and mistype, functions answer, a plugin runs.
    async fn minute(&mut self) {
        self.minute += 1;
        let minute = self.minute;
        self.post("/admin/clock/tick", &json!({ "count": 1 })).await;
        let now = self.host.get_json("/admin/clock").await;
        let house = &self.houses[minute % HOUSES];
        let date = json!({ "date": now["now"], "houseID": house, "communityID": minute % 20 });
        for path in [
            "/consumption-api/total-consumption",
            "/consumption-api/community-consumption",
            "/consumption-detailed/get-detailed-consumption",
            "/client-database/client-registry/communities",
            "/client-notifier/client-notifier/get-community-messages",
        ] {
            self.post(path, &date).await;
        }
        let slot = format!(
            "/house/manage-schedul-object/{house}/scheduled-object/Voiture/requestTimeSlot"
        );
        self.post(&slot, &json!({})).await;
        self.post(
            "/house/house-editor/add-house",
            &json!({ "client_name": format!("Nouveau {minute}") }),
        )
        .await;
        self.post(
            "/house/house-editor/add-house",
            &json!({ "client_name": 5 }),
        )
        .await;
        let read = json!({ "partnerID": "acme", "date": now["now"] });
        self.post("/partner-api/request-detailed-consumption", &read)
            .await;
        self.upload(minute).await;
        self.ask_functions(minute).await;
        let wish = format!("{{\"params\":{}}}", WISHES[minute % WISHES.len()]);
        let ran = self.observer.run(ANALYST, wish.into_bytes(), None).await;
        ran.expect("an answer");
    }

    /// Readings of real meters.
    async fn upload(&self, minute: usize) {
        let mut rows = "household,startsAt,endsAt,kind,energyWh\n".to_owned();
        let day = 1 + minute % 28;
        for hour in 0..20 {
            let meter = (minute + hour) % HOUSES;
            rows += &format!(
                "meter-{meter},2021-10-{day:02}T{hour:02}:00:00Z,2021-10-{day:02}T{hour:02}:30:00Z,consumption,{}\n",
                100 + hour * 7 + minute % 13
            );
        }
        let request = self
            .client
            .post(format!("{}/meters/readings", self.host.url));
        let answer = request
            .header("content-type", "text/csv")
            .body(rows)
            .send()
            .await;
        answer.expect("an answer");
    }
}
