//! Every trust level and every import: a plugin that imports it is taken, and runs, exactly where the level
//! opens it.

use std::time::Instant;

use super::CREDIT;
use crate::partner::ground::PERIOD;
use crate::partner::people::{Answer, Operator, Partner};
use crate::partner::plugin::{self, Import, Plugin};
use crate::partner::shell::{MODULE, Shell};
use crate::proof::Proof;

/// The highest trust level.
const LEVEL_MAX: u32 = 10;

/// Interfaces of services, and of the world outside, that no level opens.
const NEVER: [&str; 13] = [
    "leyden:state/store@0.1.0",
    "leyden:streams/publisher@0.1.0",
    "leyden:random/random@0.1.0",
    "leyden:ledger/ledger@0.1.0",
    "leyden:partners/accounts@0.1.0",
    "leyden:policy/access@0.1.0",
    "leyden:policy/access@0.2.0",
    "leyden:grid/consumption@0.1.0",
    "leyden:grid/client-registry@0.1.0",
    "leyden:http/handler@0.1.0",
    "wasi:sockets/udp@0.2.0",
    "wasi:sockets/tcp@0.2.0",
    "wasi:http/outgoing-handler@0.2.0",
];

/// The partner whose trust is changed.
const PARTNER: &str = "levels";

/// The level that opens an import, as the access policy that comes with a host has it.
fn needed(import: Import) -> u32 {
    match import {
        Import::Global => 1,
        Import::Production | Import::ProductionColumns => 2,
        Import::Detailed | Import::DetailedColumns => 3,
        Import::Left | Import::Spent | Import::Now | Import::Log => 0,
    }
}

/// A plugin that calls one import and says something.
fn caller(import: Import) -> Vec<u8> {
    let body = match import {
        Import::Global
        | Import::Production
        | Import::Detailed
        | Import::ProductionColumns
        | Import::DetailedColumns => plugin::read(import, PERIOD, 10),
        Import::Left => "(drop (call $left))".into(),
        Import::Spent => "(drop (call $spent))".into(),
        Import::Now => "(drop (call $now))".into(),
        Import::Log => "(call $log (i32.const 1) (i32.const 0) (i32.const 0))".into(),
    };
    plugin::say(Plugin::new(body)).with(&[import]).build()
}

fn importer(interface: &str) -> Vec<u8> {
    let import = format!("(import \"{interface}\" (instance (export \"get\" (func))))");
    let shell = Shell {
        before: format!("{import}\n{MODULE}"),
        ..Shell::default()
    };
    shell.build()
}

pub async fn prove(operator: &Operator) -> Proof {
    let started = Instant::now();
    let partner = operator.add(PARTNER, LEVEL_MAX, CREDIT * 1_000).await;
    let (mut tried, mut wrong) = (0, Vec::new());
    for import in Import::ALL {
        tried += 2 * (LEVEL_MAX as usize + 1);
        wrong.extend(opened(operator, &partner, import).await);
    }
    for interface in NEVER {
        tried += LEVEL_MAX as usize + 1;
        wrong.extend(never(operator, &partner, interface).await);
    }
    wrong
        .iter()
        .for_each(|wrong| eprintln!("    WRONG {wrong}"));
    let first = wrong
        .first()
        .map_or(String::new(), |wrong| format!(", first {wrong}"));
    Proof {
        name: "gates imports".to_owned(),
        promise: "an import is linked at the trust levels that open it, and at no other".to_owned(),
        tried: format!(
            "{} imports of the world and {} others at each trust level from 0 to {LEVEL_MAX}: uploaded at the level, and run at the level after an upload at {LEVEL_MAX}",
            Import::ALL.len(),
            NEVER.len()
        ),
        found: format!("{tried} uploads and runs, {} wrong{first}", wrong.len()),
        held: wrong.is_empty(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

async fn opened(operator: &Operator, partner: &Partner, import: Import) -> Vec<String> {
    let (bytes, mut wrong) = (caller(import), Vec::new());
    operator.trust(PARTNER, LEVEL_MAX).await;
    let uploaded = partner.upload("caller", bytes.clone()).await;
    uploaded
        .expect("an answer")
        .expected("an import that is open");
    for level in 0..=LEVEL_MAX {
        operator.trust(PARTNER, level).await;
        let run = partner.run("caller", b"{}".to_vec(), None).await;
        let upload = partner.upload("again", bytes.clone()).await;
        let is_open = level >= needed(import);
        for (what, answer) in [("run", run), ("upload", upload)] {
            let answer = answer.expect("an answer");
            if !is_right(&answer, is_open, import.interface(), needed(import)) {
                wrong.push(format!(
                    "{what} of {import:?} at level {level}: {} {}",
                    answer.status, answer.text
                ));
            }
        }
    }
    wrong
}

/// A success, or a refusal that names the import and the level it needs.
fn is_right(answer: &Answer, is_open: bool, interface: &str, level: u32) -> bool {
    if is_open {
        return answer.status.is_success();
    }
    let name = interface.split('@').next().unwrap_or(interface);
    let says = answer.text.contains(name) && answer.text.contains(&level.to_string());
    answer.status.is_client_error() && says
}

async fn never(operator: &Operator, partner: &Partner, interface: &str) -> Vec<String> {
    let (bytes, mut wrong) = (importer(interface), Vec::new());
    for level in 0..=LEVEL_MAX {
        operator.trust(PARTNER, level).await;
        let answer = partner
            .upload("never", bytes.clone())
            .await
            .expect("an answer");
        let name = interface.split('@').next().unwrap_or(interface);
        if !answer.status.is_client_error() || !answer.text.contains(name) {
            wrong.push(format!(
                "upload of {interface} at level {level}: {} {}",
                answer.status, answer.text
            ));
        }
    }
    wrong
}
