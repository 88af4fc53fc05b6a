//! `leyden replay FILE`: runs recorded invocations once more, here, and tells what differs. It needs no host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::client::read_file;
use super::{Context, Error};
use crate::config;
use crate::replay::file::{self, Reader};
use crate::replay::format::{Component, ENGINE, Header, Invocation, Line, Plugin};
use crate::replay::{Difference, Name, PlayError, Player, differences};
use crate::runtime::PartnerOptions;

/// Largest component that is read, bytes: no host takes a larger one.
const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// Differences of one invocation that are told to people; JSON has all of them.
const TOLD_MAX: usize = 5;

/// Invocations that differ of which it is told how; the others are counted. A record that differs throughout needs no
/// million explanations.
const DIFFERING_MAX: usize = 1_000;

/// Runs recorded invocations once more, and compares output, effects, datapoints and fuel bit for bit.
///
/// The record holds the components: nothing else is needed, and no host has to run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden replay traffic.lrec
  leyden replay traffic.lrec --assert-identical
  leyden replay 17.lrec --with consumption=target/plugins/consumption.wasm
  leyden replay runs.lrec --with acme/daily-peaks=daily-peaks.wasm

Exit codes: 0 replayed (and identical, with --assert-identical); 1 something differs, with --assert-identical; 2 the
file is no record, or a line of it breaks a rule.")]
pub(super) struct Replay {
    /// The record.
    file: PathBuf,
    /// Another version in the place of a component of the record, or of a partner's plugin (PARTNER/PLUGIN); may be given
    /// for several.
    #[arg(long, value_name = "NAME=FILE", value_parser = instead)]
    with: Vec<(String, PathBuf)>,
    #[command(flatten)]
    cache: Cache,
    /// End with code 1 if anything differs, or if the record was cut off.
    #[arg(long)]
    assert_identical: bool,
}

/// Where compiled components are kept.
#[derive(Debug, clap::Args)]
pub(super) struct Cache {
    /// Folder of compiled components; the user's cache where it is not given.
    #[arg(long, value_name = "DIR", env = "LEYDEN_COMPILED")]
    compiled: Option<PathBuf>,
}

fn instead(text: &str) -> Result<(String, PathBuf), String> {
    let pair = text.split_once('=');
    let pair = pair.filter(|(name, file)| !name.is_empty() && !file.is_empty());
    let (name, file) = pair.ok_or("must be NAME=FILE, such as house=house.wasm")?;
    Ok((name.to_owned(), file.into()))
}

/// How a replay went.
#[derive(Debug, Default)]
struct Report {
    invocations: u64,
    identical: u64,
    without_fuel: u64,
    different: Vec<Value>,
    missed: u64,
    is_cut: bool,
}

impl Report {
    fn differing(&self) -> u64 {
        self.invocations - self.identical
    }
}

/// Opens a record.
pub(super) fn open(path: &Path) -> Result<Reader<BufReader<File>>, Error> {
    let file = File::open(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    Reader::open(BufReader::new(file)).map_err(|error| wrong(path, &error))
}

/// What is wrong with a record, and where.
pub(super) fn wrong(path: &Path, error: &file::Error) -> Error {
    Error::Usage(format!("{}: {error}", path.display()))
}

/// Who replays a record.
pub(super) fn player(header: &Header, cache: &Cache) -> Result<Player, Error> {
    let privacy = header.privacy_profile.parse();
    let privacy = privacy
        .map_err(|rule| Error::Usage(format!("line 1: leydenRecord.privacyProfile: {rule}")))?;
    let folder = cache.compiled.clone();
    let folder = folder.unwrap_or_else(config::user_compiled_folder);
    let compiling = PartnerOptions {
        compiled: std::path::absolute(folder).ok(),
        ..PartnerOptions::default()
    };
    Player::start(compiling, privacy).map_err(|error| Error::Host(error.to_string()))
}

impl Replay {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut instead = BTreeMap::new();
        for (name, file) in &self.with {
            instead.insert(name.clone(), read_file(file, COMPONENT_BYTES_MAX)?);
        }
        let report = self.replay(context, &instead).await?;
        self.show(context, &report)?;
        match self.assert_identical && (report.differing() > 0 || report.is_cut) {
            true => Err(Error::Differs),
            false => Ok(()),
        }
    }

    async fn replay(
        &self,
        context: &Context,
        instead: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Report, Error> {
        let mut reader = open(&self.file)?;
        let mut player = player(reader.header(), &self.cache)?;
        let mut names: BTreeMap<u32, String> = BTreeMap::new();
        let mut report = Report::default();
        while let Some(line) = reader.next_line().map_err(|e| wrong(&self.file, &e))? {
            let at = |error: &dyn std::error::Error| self.at(reader.line(), error);
            match line {
                Line::Component(component) => {
                    admit(&mut player, &component, instead).map_err(|error| at(&error))?;
                    names.insert(component.id, component.name.to_string());
                }
                Line::Plugin(plugin) => {
                    let name = admit_plugin(&mut player, &plugin, instead).await;
                    names.insert(plugin.id, name.map_err(|error| at(&error))?);
                }
                Line::Invocation(invocation) => {
                    let has_fuel = reader.header().engine == ENGINE;
                    let found = compare(&mut player, *invocation, has_fuel, &mut report).await;
                    let (invocation, found) = found.map_err(|error| at(&error))?;
                    let name = names.get(&invocation.runs).map_or("", String::as_str);
                    self.tell(
                        context,
                        reader.line(),
                        name,
                        &invocation,
                        &found,
                        &mut report,
                    )?;
                }
                Line::End(end) => report.missed = end.missed,
                Line::LeydenRecord(_) => {}
            }
        }
        report.is_cut = !reader.has_ended();
        let known: BTreeSet<&String> = names.values().collect();
        match instead.keys().find(|name| !known.contains(name)) {
            Some(name) => Err(Error::Usage(format!(
                "--with: no component of the record is named {name}"
            ))),
            None => Ok(report),
        }
    }

    /// Tells how an invocation differs, if it does.
    fn tell(
        &self,
        context: &Context,
        line: usize,
        component: &str,
        invocation: &Invocation,
        found: &[Difference],
        report: &mut Report,
    ) -> Result<(), Error> {
        if found.is_empty() || report.different.len() == DIFFERING_MAX {
            return Ok(());
        }
        report.different.push(json!({
            "invocation": invocation.id,
            "line": line,
            "component": component,
            "recordedSo": invocation.differs,
            "differences": found,
        }));
        if context.global.json {
            return Ok(());
        }
        let screen = &context.screen;
        let head = format!("line {line}: {component} {}", invocation.id);
        screen.line(&screen.bold(&head))?;
        for difference in found.iter().take(TOLD_MAX) {
            screen.line(&format!("  {difference}"))?;
        }
        if found.len() > TOLD_MAX {
            screen.line(&format!("  and {} more", found.len() - TOLD_MAX))?;
        }
        Ok(())
    }

    fn show(&self, context: &Context, report: &Report) -> Result<(), Error> {
        let mut value = json!({
            "invocations": report.invocations,
            "identical": report.identical,
            "different": report.differing(),
            "withoutFuel": report.without_fuel,
            "missed": report.missed,
            "cut": report.is_cut,
        });
        if context.global.json {
            value["differing"] = json!(report.different);
        }
        context.show(&value)
    }

    fn at(&self, line: usize, error: &dyn std::error::Error) -> Error {
        Error::Usage(format!("{}: line {line}: {error}", self.file.display()))
    }
}

fn admit(
    player: &mut Player,
    component: &Component,
    instead: &BTreeMap<String, Vec<u8>>,
) -> Result<(), PlayError> {
    match instead.get(component.name.as_str()) {
        Some(bytes) => player.admit_instead(component, bytes),
        None => player.admit(component),
    }
}

/// Its name after its partner.
async fn admit_plugin(
    player: &mut Player,
    plugin: &Plugin,
    instead: &BTreeMap<String, Vec<u8>>,
) -> Result<String, PlayError> {
    let name = Name::Plugin(plugin.partner.clone(), plugin.name.clone()).to_string();
    let instead = instead.get(&name).map(Vec::as_slice);
    player.admit_plugin(plugin, instead).await?;
    Ok(name)
}

/// Replays an invocation, and counts it.
async fn compare(
    player: &mut Player,
    mut invocation: Invocation,
    has_fuel: bool,
    report: &mut Report,
) -> Result<(Invocation, Vec<Difference>), PlayError> {
    // Fuel that another engine counted says nothing.
    if !has_fuel {
        (invocation.outcome.fuel, invocation.outcome.plugin_fuel) = (None, None);
    }
    let played = player.play(&invocation).await?;
    let found = differences(&invocation.outcome, &played.outcome);
    report.invocations += 1;
    report.identical += u64::from(found.is_empty());
    report.without_fuel += u64::from(invocation.outcome.fuel.is_none());
    Ok((invocation, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_named_with_its_file() {
        for name in ["house", "acme/daily-peaks"] {
            let pair = (name.to_owned(), PathBuf::from("a=b.wasm"));
            assert_eq!(instead(&format!("{name}=a=b.wasm")), Ok(pair));
        }
        for wrong in ["house", "=x", "house=", ""] {
            assert!(instead(wrong).is_err(), "{wrong}");
        }
    }
}
