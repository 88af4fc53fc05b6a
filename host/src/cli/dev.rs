//! `leyden dev`: a project that runs while it is written. A host of its own serves it; what changes is built anew and
//! swapped in, and what it logs is printed.
//!
//! **Invariants.** A build that fails, or a version that the host refuses, changes nothing: the former version serves on. The
//! host ends with this process.

mod watch;

use std::path::{Path, PathBuf};

use super::build::{self, Built};
use super::child::ChildHost;
use super::leyden_toml::ProjectFile;
use super::{Client, Context, Error, deploy, logs, signals};
use crate::clock;
use crate::config;
use crate::ids::Digest;
use watch::Watch;

/// The folder of the host in the project's; its name begins with a dot, so that it is not watched.
const FOLDER: &str = ".leyden";

/// Builds, runs and watches a project: what changes is built anew and swapped in, and what it logs is printed, until Ctrl-C.
///
/// The host is its own, on this machine, with the data of the project's folder `.leyden`, and without the components of energy
/// communities; or the one at --against. A build that fails leaves the former version serving.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden dev
  leyden dev --folder functions/hello --port 8080
  leyden dev --against http://127.0.0.1:3000     on a host that runs already")]
pub(super) struct Dev {
    /// The project's folder [default: this one].
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The port that its host listens on; 0 takes a free one.
    #[arg(long, default_value_t = config::PORT)]
    port: u16,
    /// A host that runs, in place of one of its own.
    #[arg(long, value_name = "URL", conflicts_with = "port")]
    against: Option<String>,
}

impl Dev {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let folder = self.folder.clone().unwrap_or_else(|| PathBuf::from("."));
        let project = ProjectFile::of(&folder)?;
        let mut own = match self.against {
            Some(_) => None,
            None => Some(own_host(&folder, self.port)?),
        };
        let url = match (&self.against, &mut own) {
            (Some(url), _) => url.clone(),
            (None, Some(own)) => own.url().await?,
            (None, None) => return Ok(()),
        };
        let token = context
            .global
            .token_file
            .as_deref()
            .filter(|_| own.is_none());
        let session = Session {
            context,
            client: Client::new(&url, token, context.global.ca_file.as_deref())?,
            url,
            folder: &folder,
        };
        let ended = tokio::select! {
            ended = session.run(&project) => ended,
            told = signals::told_to_stop() => Ok(told?),
        };
        let Some(own) = own else {
            return ended;
        };
        let ended = ended.map_err(|error| own.explain(error));
        own.stop().await;
        ended
    }
}

/// The host of a project: without the components of energy communities, and with its data in the project's folder.
fn own_host(project: &Path, port: u16) -> Result<ChildHost, Error> {
    let folder = project.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|source| Error::unwritable(&folder, source))?;
    ChildHost::spawn(&folder, |command| {
        command.args(["--bare", "--port", &port.to_string()]);
    })
}

/// A project on its host.
struct Session<'a> {
    context: &'a Context,
    client: Client,
    url: String,
    folder: &'a Path,
}

impl Session<'_> {
    /// Serves until the host is gone.
    async fn run(&self, project: &ProjectFile) -> Result<(), Error> {
        let mut watch = Watch::new(project);
        let name = project.name()?.to_string();
        let mut active = self.renew(project, None).await;
        self.say(&format!("watching {}; Ctrl-C ends", self.folder.display()));
        let mut following = Box::pin(self.follow(&name));
        loop {
            tokio::select! {
                () = watch.changed() => {}
                gone = &mut following => return gone,
            }
            match ProjectFile::of(self.folder) {
                Ok(project) => {
                    watch.follow(&project);
                    active = self.renew(&project, active).await;
                }
                Err(error) => self.tell(&error),
            }
        }
    }

    /// Builds and deploys; the digest of what is active then.
    async fn renew(&self, project: &ProjectFile, active: Option<Digest>) -> Option<Digest> {
        match self.try_renew(project, active).await {
            Ok(digest) => Some(digest),
            Err(error) => {
                self.tell(&error);
                active
            }
        }
    }

    async fn try_renew(
        &self,
        project: &ProjectFile,
        active: Option<Digest>,
    ) -> Result<Digest, Error> {
        let name = project.name()?;
        let started = clock::monotonic();
        let Built { file, component } = build::build(project).await?;
        let (built_in, digest) = (started.elapsed(), Digest::of(&component));
        if active == Some(digest) {
            self.say("nothing has changed in the component");
            return Ok(digest);
        }
        let started = clock::monotonic();
        deploy::upload(&self.client, name.as_str(), &file, component).await?;
        self.say(&format!(
            "built in {:.1} s, in service {:.2} s later: {}{}",
            built_in.as_secs_f64(),
            started.elapsed().as_secs_f64(),
            self.url.trim_end_matches('/'),
            reached(project),
        ));
        Ok(digest)
    }

    /// Prints what the function logs, as soon as it is deployed, until the host is gone.
    async fn follow(&self, name: &str) -> Result<(), Error> {
        loop {
            match logs::follow(self.context, &self.client, name, 0).await {
                // It is not deployed yet (its first build has failed, say) or not any more. A host that is gone is not
                // reached next time.
                Err(Error::Refused(_) | Error::Host(_)) => clock::sleep(watch::LOOK_EVERY).await,
                ended => return ended,
            }
        }
    }

    fn say(&self, text: &str) {
        let screen = &self.context.screen;
        screen.error_line(&screen.error_dim(&format!("dev: {text}")));
    }

    fn tell(&self, error: &Error) {
        error.print(&self.context.screen, self.context.global.json);
    }
}

/// Where it is reached: its first route without parameters, else the path that every function has.
fn reached(project: &ProjectFile) -> String {
    let manifest = &project.project.manifest;
    let mut paths = manifest.routes.iter().map(|route| route.path.as_str());
    match (paths.find(|path| !path.contains('{')), &manifest.name) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => format!("/fn/{name}"),
        (None, None) => String::new(),
    }
}
