//! `leyden scenario run FILE`: plays a scenario file against a host and says which of its
//! expectations are met. The host is spoken to over HTTP only, as any user would.

mod action;
mod call;
mod fixture;
mod format;
mod journal;
mod own_host;
mod pattern;
mod printing;
mod report;
mod runner;
mod text;
mod variables;
mod watch;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::client::Client;
use super::{Context, Error, signals};
use crate::config::Config;
use format::Scenario;
use journal::Telling;
use own_host::OwnHost;
use report::Report;
use runner::{Folders, Runner};
use text::Language;

/// Plays scenarios.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  leyden scenario run scenarios/scenario2.toml")]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(Run),
}

/// Plays a scenario file and marks each of its expectations.
///
/// Without --against it starts a host of its own, with a simulated clock and a temporary folder. With
/// --store this host keeps everything in Redis, where the scenario leaves what it has written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leyden scenario run scenarios/scenario2.toml
  leyden scenario run scenarios/scenario2.toml --lang fr
  leyden scenario run scenarios/scenario2.toml --against http://127.0.0.1:3000
  leyden scenario run scenarios/scenario2.toml --store redis://127.0.0.1:6379/0

The format of scenario files is described in scenarios/README.md.")]
struct Run {
    /// The scenario file.
    file: PathBuf,
    /// A running host with a simulated clock, best an empty one; its clock is set.
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// A Redis for the scenario's own host, best an empty one; as `leyden up` takes it.
    #[arg(long, value_name = "URL", conflicts_with = "against")]
    store: Option<String>,
    /// The language of the narration.
    #[arg(long, value_enum, default_value_t = Language::En)]
    lang: Language,
    /// The folder with the plugins, where components to deploy are looked for.
    #[arg(long, value_name = "DIR", env = "LEYDEN_PLUGINS")]
    plugins: Option<PathBuf>,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let Verb::Run(run) = self.verb;
        let scenario = Scenario::load(&run.file)?;
        let report = run.play(&scenario, context).await?;
        if context.global.json {
            let document = serde_json::to_string(&report);
            context
                .screen
                .line(&document.map_err(|error| Error::Answer(error.to_string()))?)?;
        }
        if report.not_met > 0 {
            Err(Error::NotMet)
        } else {
            Ok(())
        }
    }
}

impl Run {
    /// Plays on the host that was named, or on one of its own, which ends with an interrupt too.
    async fn play(&self, scenario: &Scenario, context: &Context) -> Result<Report, Error> {
        if let Some(url) = &self.against {
            let client = context.client_of(url)?;
            return self.runner(scenario, client, context).run().await;
        }
        let (plugins, store) = (self.plugins.as_deref(), self.store.as_deref());
        let mut host = OwnHost::spawn(&scenario.clock, plugins, store)?;
        let report = tokio::select! {
            report = self.play_on(&mut host, scenario, context) => report,
            _ = signals::told_to_stop() => Err(Error::Host("interrupted".to_owned())),
        };
        let report = report.map_err(|error| host.explain(error));
        host.stop().await;
        report
    }

    async fn play_on(
        &self,
        host: &mut OwnHost,
        scenario: &Scenario,
        context: &Context,
    ) -> Result<Report, Error> {
        let client = Client::new(&host.url().await?, None, None)?;
        self.runner(scenario, client, context).run().await
    }

    fn runner<'s>(&self, scenario: &'s Scenario, client: Client, context: &Context) -> Runner<'s> {
        let folder = self.file.parent().unwrap_or(Path::new("")).to_owned();
        let folders = Folders {
            scenario: folder,
            plugins: self.plugins(),
        };
        let telling = Telling {
            screen: context.screen,
            language: self.lang,
            silent: context.global.json,
        };
        Runner::new(scenario, client, folders, telling)
    }

    /// The folder with the plugins: the one that was given, or the one that `up` would find.
    fn plugins(&self) -> PathBuf {
        let config = Config {
            plugins: self.plugins.clone(),
            ..Config::default()
        };
        let mut folders = config.plugin_folders().into_iter();
        folders.find(|folder| folder.is_dir()).unwrap_or_default()
    }
}
