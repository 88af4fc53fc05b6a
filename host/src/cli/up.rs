//! `leyden up`: starts a host and serves until it is told to stop. The options become a
//! configuration here; what they mean is decided there.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr as _;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::serving::ServingOptions;
use super::store_options::StoreOptions;
use super::{Context, Error, client, signals, table};
use crate::clock::Mode;
use crate::config::{self, Config, Store};
use crate::gateway::{self, Server, Token};
use crate::host::Host;
use crate::ids::Instant;
use crate::metering::Profile;
use crate::outbound::Allow;
use crate::policies::log::Bounds;

/// Most components that the greeting names: what fits on a screen.
const GREETED_MAX: usize = 40;

/// Serves until it receives an interrupt or a termination signal.
///
/// With --json, one line with `url`, `data` or `store`, `clock` and `components` is printed once it listens.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden up
  leyden up --port 8080 --data /srv/leyden
  leyden up --bare                 for functions alone
  leyden up --clock simulated --start 2021-11-07T15:58:22.144Z --tick 60
  leyden up --listen 0.0.0.0 --token-file token.txt
  leyden up --listen 0.0.0.0 --token-file token.txt --tls-cert host.crt --tls-key host.key
  leyden up --access-log --otlp-endpoint http://127.0.0.1:4318
  leyden up --store redis://127.0.0.1:6379/0
  leyden up --store redis+sentinel://a:26379,b:26379,c:26379/main --durable --lease 2s
  LEYDEN_STORE=rediss://user:password@redis.example:6380/0 leyden up --namespace north")]
pub(super) struct Up {
    /// The address to listen on; any but a loopback address needs --token-file.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = config::PORT)]
    port: u16,
    /// The folder with everything the host keeps; not used with --store.
    #[arg(long, value_name = "DIR", default_value = config::DATA)]
    data: PathBuf,
    /// The folder with the first-party plugins; found by itself where it is not given.
    #[arg(long, value_name = "DIR", env = "LEYDEN_PLUGINS")]
    plugins: Option<PathBuf>,
    /// Without the first-party plugins, the components of energy communities: only what is deployed.
    #[arg(long)]
    bare: bool,
    /// The folder of compiled components, which hosts of one user may share [default: DATA/compiled, with
    /// --store the user's cache].
    #[arg(long, value_name = "DIR", env = "LEYDEN_COMPILED")]
    compiled: Option<PathBuf>,
    /// The file with the key that secrets are sealed under (32 bytes, its owner's alone; made where it is missing), the same
    /// for all hosts that share a store [default: DATA/secrets.key, with --store none].
    #[arg(long, value_name = "FILE")]
    secrets_key: Option<PathBuf>,
    /// Which time the host lives in.
    #[arg(long, value_enum, default_value_t = Mode::System)]
    clock: Mode,
    /// Where a simulated clock starts in a new store (RFC 3339).
    #[arg(long, value_name = "INSTANT", value_parser = Instant::parse)]
    start: Option<Instant>,
    /// Time from one tick to the next, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    tick: u32,
    /// How sums of households are guarded where partners read them: us-15-15 (at least 15 households, none
    /// with more than 15 %), fr-10 (at least 10), ca-100 (at least 100).
    #[arg(long, value_name = "PROFILE", default_value_t)]
    privacy_profile: Profile,
    /// How long what policies decide is kept.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    decisions_days: u32,
    /// How much of what each kind of policy decides is kept, MiB; the oldest goes first.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    decisions_mib: u32,
    /// Where functions may send requests to, if their manifests name it, too; may be repeated. A host with or without a
    /// port (api.example.com, *.example.com:8443), an address (127.0.0.1:9000), a network (10.0.0.0/8), or * for every host.
    /// Addresses that are not public have to be listed as addresses or networks, whatever names lead to them.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = Allow::from_str)]
    outbound_allow: Vec<Allow>,
    #[command(flatten)]
    serving: ServingOptions,
    #[command(flatten)]
    store: StoreOptions,
}

/// What a started host says of itself.
struct Started {
    url: String,
    /// Where this machine reaches it: without TLS, whatever its certificate says.
    here: String,
    config: Config,
    /// What a crash of the store's server can lose, if there is one.
    durability: Option<String>,
    /// The active components as the admin interface lists them.
    components: Value,
}

impl Started {
    /// The greeting for people.
    fn banner(&self, context: &Context) -> String {
        let Self {
            url,
            here,
            config,
            durability,
            components,
        } = self;
        let title = context.screen.bold(&format!("Leyden listens on {url}"));
        let place = place(config);
        let durability = durability.as_ref();
        let durability = durability.map_or(String::new(), |told| format!("\n       {told}"));
        let clock = self.clock();
        let table = greeted(components);
        let token = config
            .token
            .as_ref()
            .map_or("", |_| "-H \"Authorization: Bearer $TOKEN\" ");
        let example = match config.bare {
            true => "leyden new hello --lang rust".to_owned(),
            false => format!("curl {token}{here}/client-database/client-registry/allHouses"),
        };
        format!("{title}\n{place}{durability}\nclock  {clock}\n\n{table}\n\nTry:  {example}\n")
    }

    fn clock(&self) -> String {
        let seconds = self.config.tick_ms / 1_000;
        match self.config.clock {
            Mode::System => format!("system, a tick every {seconds} s"),
            Mode::Simulated => format!("simulated, {seconds} s a tick, moves with `leyden tick`"),
        }
    }

    /// The same for programs.
    fn document(&self) -> Value {
        let Self { url, config, .. } = self;
        let (member, place) = match &config.store {
            Store::Embedded => ("data", config.data.display().to_string()),
            Store::Redis(options) => ("store", options.place()),
        };
        let mut document = json!({ "url": url, member: place, "clock": config.clock });
        if let Some(durability) = &self.durability {
            document["durability"] = json!(durability);
        }
        document["components"] = self.components.clone();
        document
    }
}

/// The components that the greeting names, each with what it is.
fn greeted(components: &Value) -> String {
    let all = components.as_array().map_or(&[][..], Vec::as_slice);
    let row = |component: &Value| {
        json!({
            "name": component["name"],
            "version": table::short(component["digest"].as_str().unwrap_or_default()),
            "kind": component["kind"],
            "description": component["description"],
        })
    };
    let table = table::render(&all.iter().take(GREETED_MAX).map(row).collect());
    match all.len().saturating_sub(GREETED_MAX) {
        0 => table,
        more => format!("{table}\n… and {more} more, see `leyden list`"),
    }
}

/// Where everything is kept, as a line of the greeting.
fn place(config: &Config) -> String {
    match &config.store {
        Store::Embedded => format!("data   {}", config.data.display()),
        Store::Redis(options) => {
            let (url, namespace) = (options.place(), &options.namespace);
            format!("store  {url}, installation {namespace}")
        }
    }
}

impl Up {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        self.serving.log(context)?;
        let config = self.config(context)?;
        let mut options = options(&config)?;
        let (tracer, exporter) = self.serving.traces()?.unzip();
        self.serving.gateway(&mut options, tracer);
        let host = Host::start(&config).await.map_err(Error::start)?;
        let shutdown = CancellationToken::new();
        let server = gateway::serve(host.clone(), options, shutdown.clone()).await;
        let served = match server {
            Ok(server) => {
                if config.advertise.is_none() {
                    host.streams
                        .advertise(format!("{}://{}", self.scheme(), server.address()));
                }
                let durability = host.durability.clone();
                let url = format!("{}://{}", self.scheme(), server.address());
                serve(server, url, config, durability, context, &shutdown).await
            }
            Err(error) => Err(Error::start(error)),
        };
        host.stop().await;
        if let Some(exporter) = exporter {
            exporter.flushed().await;
        }
        served
    }

    fn scheme(&self) -> &'static str {
        match self.serving.is_secure() {
            true => "https",
            false => "http",
        }
    }

    fn config(&self, context: &Context) -> Result<Config, Error> {
        let token = context
            .global
            .token_file
            .as_deref()
            .map(client::read_token)
            .transpose()?;
        Ok(Config {
            listen: SocketAddr::new(self.listen, self.port),
            data: self.data.clone(),
            plugins: self.plugins.clone(),
            bare: self.bare,
            compiled: self.compiled.clone(),
            secrets_key: self.secrets_key.clone(),
            store: self.store.store()?,
            lease_ms: self.store.lease_ms()?,
            advertise: self.store.advertise()?,
            links: self.store.links()?,
            clock: self.clock,
            start: self.start,
            tick_ms: u64::from(self.tick) * 1_000,
            token,
            compiler: None,
            privacy_profile: self.privacy_profile,
            outbound_allow: self.outbound_allow.clone(),
            decisions: Bounds {
                age_ms: u64::from(self.decisions_days) * 86_400_000,
                bytes: u64::from(self.decisions_mib) << 20,
            },
        })
    }
}

fn options(config: &Config) -> Result<gateway::Options, Error> {
    let token = config.token.as_deref().map(Token::parse).transpose();
    let token = token.map_err(|rule| Error::Usage(format!("--token-file: {rule}")))?;
    Ok(gateway::Options {
        token,
        ..gateway::Options::new(config.listen)
    })
}

/// Greets, and serves until a signal comes; running requests may end.
async fn serve(
    server: Server,
    url: String,
    config: Config,
    durability: Option<String>,
    context: &Context,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let greeted = greet(server.address(), url, config, durability, context).await;
    let ended = match greeted {
        Ok(()) => until_told(&server).await.map_err(Error::from),
        Err(error) => Err(error),
    };
    if ended.is_ok() {
        tracing::info!(
            "told to stop: what runs may end within the time of --drain; told once more, it is cut off"
        );
    }
    signals::end_at_next();
    shutdown.cancel();
    server.stopped().await;
    ended
}

/// Waits until the host is told to stop. Meanwhile a hangup has the certificate read again.
async fn until_told(server: &Server) -> std::io::Result<()> {
    let renew = || match server.renew_certificate() {
        Ok(()) => tracing::info!("read the certificate again"),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the certificate stays as it was");
        }
    };
    if !server.is_secure() {
        return signals::told_to_stop().await;
    }
    tokio::select! {
        told = signals::told_to_stop() => told,
        failed = signals::at_each_hangup(renew) => failed,
    }
}

async fn greet(
    address: SocketAddr,
    url: String,
    config: Config,
    durability: Option<String>,
    context: &Context,
) -> Result<(), Error> {
    let here = reachable(address);
    let components = context.client_of(&here)?.get("/admin/components").await?;
    let started = Started {
        url,
        here,
        config,
        durability,
        components,
    };
    let text = if context.global.json {
        started.document().to_string()
    } else {
        started.banner(context)
    };
    Ok(context.screen.line(&text)?)
}

/// Where the host reaches itself: an address that means every interface is none to connect to.
fn reachable(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => format!("http://127.0.0.1:{port}"),
        IpAddr::V6(ip) if ip.is_unspecified() => format!("http://[::1]:{port}"),
        _ => format!("http://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_fits_on_a_screen() {
        let component = |number| json!({ "name": format!("f{number:04}"), "digest": "0123456789abcdef", "kind": "function" });
        let told = |count| greeted(&(0..count).map(component).collect());
        let all = told(GREETED_MAX);
        assert!(all.contains("f0039") && !all.contains("more"), "{all}");
        let some = told(1_000);
        assert!(
            some.ends_with("\n… and 960 more, see `leyden list`"),
            "{some}"
        );
        assert_eq!(some.lines().count(), GREETED_MAX + 2);
        assert_eq!(greeted(&json!([])), "(none)");
    }
}
