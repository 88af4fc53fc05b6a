//! `leyden up`: starts a host and serves until it is told to stop. The options become a
//! configuration here; what they mean is decided there.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Context, Error, table};

/// Serves until it receives an interrupt or a termination signal.
///
/// With --json, one line with `url`, `data`, `clock` and `components` is printed once it listens.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden up
  leyden up --port 8080 --data /srv/leyden
  leyden up --clock simulated --start 2021-11-07T15:58:22.144Z --tick 60
  leyden up --listen 0.0.0.0 --token-file token.txt")]
pub(super) struct Up {
    /// The address to listen on; any but a loopback address needs --token-file.
    #[arg(long, default_value = "127.0.0.1")]
    listen: IpAddr,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The folder with everything the host keeps.
    #[arg(long, value_name = "DIR", default_value = "./leyden-data")]
    data: PathBuf,
    /// The folder with the first-party plugins; found by itself where it is not given.
    #[arg(long, value_name = "DIR", env = "LEYDEN_PLUGINS")]
    plugins: Option<PathBuf>,
    /// Which time the host lives in.
    #[arg(long, value_enum, default_value_t = Clock::System)]
    clock: Clock,
    /// Where a simulated clock starts (RFC 3339).
    #[arg(long, value_name = "INSTANT")]
    start: Option<String>,
    /// Time from one tick to the next, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    tick: u32,
}

/// Which time a host lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Clock {
    /// The system's.
    System,
    /// Moves only when told to.
    Simulated,
}

/// What a started host says of itself.
struct Started {
    url: String,
    data: String,
    clock: String,
    /// The active components as the admin interface lists them.
    components: Value,
}

impl Started {
    /// The greeting for people.
    fn banner(&self, context: &Context) -> String {
        let Self {
            url,
            data,
            clock,
            components,
        } = self;
        let title = context.screen.bold(&format!("Leyden listens on {url}"));
        let table = table::render(components);
        let example = format!("curl {url}/client-database/client-registry/allHouses");
        format!("{title}\ndata   {data}\nclock  {clock}\n\n{table}\n\nTry:  {example}\n")
    }

    /// The same for programs.
    fn document(&self) -> Value {
        let Self {
            url,
            data,
            clock,
            components,
        } = self;
        json!({ "url": url, "data": data, "clock": clock, "components": components })
    }
}

impl Up {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let _ = (context, self);
        Err(Error::Host("not wired".to_owned()))
    }
}
