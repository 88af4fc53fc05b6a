//! 200 hostile plugins, each uploaded and run like any partner's, beside one that is not: the host lives, its
//! memory stays within bounds, each is stopped in time and for the right reason, and the neighbour
//! notices little.

mod binaries;
mod boundary;
mod computing;
mod family;
mod neighbour;
mod verdict;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::partner::ground::{self, PERIOD};
use crate::partner::people::{Operator, Partner};
use crate::process::Process;
use crate::proof::{Proof, Size};
use crate::watch::Watch;
use family::{Hostile, TRUST};
use neighbour::{Fared, Neighbour};
use verdict::{Run, Verdict};

/// Houses whose sums may be told: several times the largest group that a profile asks for.
const HOUSES: usize = 240;

/// Minutes that were measured.
const MINUTES: u64 = 20;

/// What each family's partner may spend.
const CREDIT: u64 = 1_000_000_000;

/// Most memory of the host above what it had before, bytes.
const MEMORY_MAX: u64 = 512 << 20;

/// Longest that a plugin goes on past its deadline, ms.
const OVERRUN_MS_MAX: f64 = 50.0;

/// Most that the neighbour's 99th percentile grows.
const SLOWDOWN_MAX: f64 = 1.5;

/// Lines of the host's log that are shown when it fails.
const LOG_LINES: usize = 5;

/// Of each family, plugins that a quick run leaves out between two.
const QUICK_STEP: usize = 5;

pub async fn prove(size: Size) -> Proof {
    let started = Instant::now();
    let plugins = plugins(size);
    let families: std::collections::BTreeSet<_> = plugins.iter().map(|p| p.family).collect();
    let tried = format!(
        "{} hostile plugins in {} families, uploaded and run over HTTP beside a plugin that behaves",
        plugins.len(),
        families.len()
    );
    let rig = Rig::start().await;
    let found = rig.run(&plugins, size).await;
    Proof {
        name: "hostile".to_owned(),
        promise: format!(
            "the host lives on at most {} MB more, each plugin is stopped within {OVERRUN_MS_MAX} ms of its deadline and for the right reason, a neighbour's p99 grows at most {SLOWDOWN_MAX}-fold",
            MEMORY_MAX >> 20
        ),
        tried,
        held: found.is_as_promised(),
        found: found.words(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// All of them, or for a quick run some of each family.
fn plugins(size: Size) -> Vec<Hostile> {
    let all = [
        computing::plugins(),
        boundary::plugins(),
        binaries::plugins(),
    ]
    .concat();
    let mut numbers = BTreeMap::new();
    let keep = |plugin: &Hostile| {
        let number = numbers.entry(plugin.family).or_insert(0_usize);
        *number += 1;
        size == Size::Full || (*number - 1).is_multiple_of(QUICK_STEP)
    };
    all.into_iter().filter(keep).collect()
}

/// A host, a neighbour and a partner for each family.
struct Rig {
    host: Process,
    operator: Operator,
    log: tempfile::NamedTempFile,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = tempfile::NamedTempFile::new().expect("a file");
        let host = Process::start_logged(folder.path(), &["--log", "warn"], &[], log.path()).await;
        let operator = Operator::of(&host.url);
        ground::measure(&operator, HOUSES, MINUTES).await;
        Self {
            host,
            operator,
            log,
            _folder: folder,
        }
    }

    /// One family after the other. Before each, the neighbour runs alone, so that whatever else slows the machine
    /// slows both alike.
    async fn run(&self, plugins: &[Hostile], size: Size) -> Found {
        let neighbour = Neighbour::start(&self.operator, CREDIT).await;
        let watch = Watch::start(self.host.id());
        let mut found = Found::default();
        for family in plugins.chunk_by(|one, next| one.family == next.family) {
            let alone = neighbour.alone(size.of(50, 100)).await;
            let running = neighbour.beside();
            self.stop_family(family, &mut found).await;
            let beside = running.stop().await;
            eprintln!(
                "  {}: the neighbour's p99 {:.1} ms alone, {:.1} ms beside",
                family[0].family,
                alone.percentile_ms(99),
                beside.percentile_ms(99)
            );
            found.alone.add(alone);
            found.beside.add(beside);
        }
        found.memory = watch.stop().await;
        found.alive = self.operator.get("/admin/ledger").await["sound"] == true;
        let log = std::fs::read_to_string(self.log.path()).unwrap_or_default();
        found.panics = log.matches("panicked at").count();
        found
    }

    /// The plugins of one family, by a partner of their own.
    async fn stop_family(&self, family: &[Hostile], found: &mut Found) {
        let id = family[0].family.replace(' ', "-");
        let partner = self.operator.add(&id, TRUST, CREDIT).await;
        for plugin in family {
            let verdict = self.stop(&partner, plugin).await;
            found.take(plugin, &verdict);
            if verdict.is_hosts() {
                let log = std::fs::read_to_string(self.log.path()).unwrap_or_default();
                let lines: Vec<_> = log.lines().rev().take(LOG_LINES).collect();
                lines
                    .iter()
                    .rev()
                    .for_each(|line| eprintln!("      host: {line}"));
            }
        }
    }

    /// Uploads a plugin, and runs it where that is taken.
    async fn stop(&self, partner: &Partner, plugin: &Hostile) -> Verdict {
        self.operator.trust(&partner.id, plugin.trust).await;
        let upload = partner.upload("hostile", plugin.bytes.clone()).await;
        match Verdict::of_upload(upload) {
            Some(refused) => refused,
            None => self.run_at_once(partner, plugin).await,
        }
    }

    /// Runs it as often as it wants at once; the worst of the outcomes.
    async fn run_at_once(&self, partner: &Partner, plugin: &Hostile) -> Verdict {
        let deadline_ms = partner.info().await["limits"]["deadlineMs"].as_f64();
        let run = |_| {
            let run = Run::of(partner.clone(), plugin.request.clone());
            tokio::spawn(run.outcome(deadline_ms.expect("a deadline")))
        };
        let runs: Vec<_> = (0..plugin.at_once).map(run).collect();
        let mut worst = None;
        for run in runs {
            let verdict = run.await.expect("no panic");
            worst = Some(verdict.worse(worst, plugin.ends));
        }
        worst.expect("one run or more")
    }
}

/// What came of it.
#[derive(Debug, Default)]
struct Found {
    stopped: usize,
    wrong: Vec<String>,
    overrun_ms: f64,
    memory: crate::watch::Seen,
    alone: Fared,
    beside: Fared,
    panics: usize,
    alive: bool,
}

impl Found {
    fn take(&mut self, plugin: &Hostile, verdict: &Verdict) {
        self.overrun_ms = self.overrun_ms.max(verdict.overrun_ms);
        let is_late = verdict.overrun_ms > OVERRUN_MS_MAX;
        if verdict.is_right(plugin) && !is_late {
            self.stopped += 1;
            return;
        }
        let wrong = format!("{}, {}: {verdict}", plugin.family, plugin.what);
        eprintln!("    WRONG {wrong}");
        self.wrong.push(wrong);
    }

    fn errors(&self) -> usize {
        self.alone.errors + self.beside.errors
    }

    fn slowdown(&self) -> f64 {
        self.beside.percentile_ms(99) / self.alone.percentile_ms(99)
    }

    fn is_as_promised(&self) -> bool {
        let is_sound = self.alive && self.panics == 0 && self.errors() == 0;
        is_sound
            && self.wrong.is_empty()
            && self.memory.grown() <= MEMORY_MAX
            && self.slowdown() <= SLOWDOWN_MAX
    }

    fn words(&self) -> String {
        let (alone, beside) = (&self.alone, &self.beside);
        let (alone, beside) = (alone.percentile_ms(99), beside.percentile_ms(99));
        let first: Vec<_> = self.wrong.iter().take(3).cloned().collect();
        let wrong = match self.wrong.len() {
            0 => String::new(),
            count => format!("; {count} NOT: {}", first.join("; ")),
        };
        format!(
            "{}, {} panics; memory {} MB more (compilers {} MB); {} stopped as they should, at most {:.0} ms past the deadline{wrong}; the neighbour's p99 {alone:.1} ms alone and {beside:.1} ms beside ({:.2}-fold, {} runs, {} errors)",
            if self.alive {
                "host alive"
            } else {
                "HOST DEAD"
            },
            self.panics,
            self.memory.grown() >> 20,
            self.memory.children >> 20,
            self.stopped,
            self.overrun_ms.max(0.0),
            self.slowdown(),
            self.beside.runs(),
            self.errors(),
        )
    }
}

/// How long the neighbour waits between two runs.
const PAUSE: Duration = Duration::from_millis(5);
