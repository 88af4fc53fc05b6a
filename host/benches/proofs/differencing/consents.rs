//! The same attack through a real host: a partner reads sums of communities and of all again and again while
//! households withdraw their consent and give it back. What it was told is put together by somebody who
//! knows exactly who consented when.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::algebra::Span;
use crate::partner::ground::{self, COMMUNITY_HOUSES, PERIOD};
use crate::partner::people::{Operator, Partner};
use crate::partner::plugin;
use crate::process::Process;
use crate::proof::Random;

/// Communities, each of [`COMMUNITY_HOUSES`] houses.
const COMMUNITIES: u64 = 3;

/// Minutes that were measured.
const MINUTES: u64 = 6;

/// What the partner may spend.
const CREDIT: u64 = 1_000_000_000;

/// Bytes of a reading as it lies in a plugin's memory: start and end, power, households and quality.
const READING_BYTES: usize = 32;

/// What came of it.
#[derive(Debug, Default)]
pub struct Found {
    pub reads: usize,
    pub told: usize,
    pub wrong: Vec<String>,
}

/// Reads so often, with a few consents changed between any two reads.
pub async fn attack(rounds: usize, random: &mut Random) -> Found {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start(folder.path()).await;
    let mut town = Town::of(&host).await;
    let mut found = Found::default();
    for round in 0..rounds {
        for community in std::iter::once(None).chain((1..=COMMUNITIES).map(Some)) {
            found.reads += 1;
            found.told += town.read(community, &mut found.wrong).await;
        }
        // Now and then many at once, so that groups are told that have little in common.
        let count = if round % 5 == 4 {
            COMMUNITY_HOUSES as u64
        } else {
            1 + random.below(2)
        };
        for _ in 0..count {
            town.toggle(random).await;
        }
    }
    for (interval, span) in &town.spans {
        let isolated = span.isolated();
        if !isolated.is_empty() {
            found.wrong.push(format!(
                "in {interval:?} households {isolated:?} follow from what was told"
            ));
        }
    }
    found
}

struct House {
    id: String,
    community: u64,
    consents: bool,
}

/// Everybody, and what the partner was told of them.
struct Town {
    operator: Operator,
    partner: Partner,
    houses: Vec<House>,
    spans: BTreeMap<(u64, u64), Span>,
}

impl Town {
    async fn of(host: &Process) -> Self {
        let operator = Operator::of(&host.url);
        let houses = COMMUNITIES as usize * COMMUNITY_HOUSES;
        ground::measure(&operator, houses, MINUTES).await;
        let partner = operator.add("curious", 1, CREDIT).await;
        for community in std::iter::once(None).chain((1..=COMMUNITIES).map(Some)) {
            let plugin = plugin::raw_sums(community, PERIOD).build();
            let uploaded = partner.upload(&name_of(community), plugin).await;
            uploaded.expect("an answer").expected("an upload");
        }
        let listed = operator
            .get("/client-database/client-registry/allHouses")
            .await;
        let house = |house: &Value| House {
            id: house["id"].as_str().expect("an id").to_owned(),
            community: house["communityID"].as_u64().expect("a community"),
            consents: true,
        };
        let listed = listed.as_array().expect("a list");
        Self {
            operator,
            partner,
            houses: listed.iter().map(house).collect(),
            spans: BTreeMap::new(),
        }
    }

    /// Reads sums; how many values were told.
    async fn read(&mut self, community: Option<u64>, wrong: &mut Vec<String>) -> usize {
        let members: Vec<usize> = self.members(community);
        let answer = self
            .partner
            .run(&name_of(community), b"{}".to_vec(), None)
            .await;
        let answer = answer.expect("an answer").expected("a run");
        let bytes = body_of(&answer["report"]);
        for reading in bytes.chunks_exact(READING_BYTES) {
            let number =
                |at: usize| u64::from_le_bytes(reading[at..at + 8].try_into().expect("8 bytes"));
            let (interval, households) = ((number(0), number(8)), number(24) & 0xffff_ffff);
            if households as usize != members.len() {
                wrong.push(format!(
                    "{households} households told where {} consent",
                    members.len()
                ));
            }
            let span = self.spans.entry(interval);
            span.or_insert_with(|| Span::new(self.houses.len()))
                .add(&members);
        }
        bytes.len() / READING_BYTES
    }

    /// Who consents, of a community or of all.
    fn members(&self, community: Option<u64>) -> Vec<usize> {
        let is_in = |house: &House| community.is_none_or(|community| house.community == community);
        let houses = self.houses.iter().enumerate();
        let members = houses.filter(|(_, house)| house.consents && is_in(house));
        members.map(|(number, _)| number).collect()
    }

    /// Has somebody change their mind.
    async fn toggle(&mut self, random: &mut Random) {
        let house = &mut self.houses
            [random.below(u64::MAX) as usize % (COMMUNITIES as usize * COMMUNITY_HOUSES)];
        house.consents = !house.consents;
        let body = json!({ "houseID": house.id, "dataset": "global-consumption", "granted": house.consents });
        let path = "/client-database/client-registry/consent";
        self.operator.post(path, &body).await;
    }
}

fn name_of(community: Option<u64>) -> String {
    community.map_or("all".to_owned(), |community| {
        format!("community-{community}")
    })
}

/// A report's body: text where it happens to be, else base64.
fn body_of(report: &Value) -> Vec<u8> {
    match report["body"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => {
            let body = report["bodyBase64"].as_str().expect("a body");
            STANDARD.decode(body).expect("base64")
        }
    }
}
