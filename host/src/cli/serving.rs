//! How `leyden up` serves and what it tells of that: TLS, the end, log lines, traces. Options of the command line become
//! those of the gateway and of `telemetry` here.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use super::{Context, Error};
use crate::gateway::{self, CertificateFiles};
use crate::telemetry::logs::{Format, Lines};
use crate::telemetry::otlp::{self, Exporter};
use crate::telemetry::{ACCESS, Tracer};

/// Options of serving.
#[derive(Debug, clap::Args)]
pub(super) struct ServingOptions {
    /// A certificate in PEM, with those that lead to one that clients know: other machines then reach the host over TLS
    /// only. SIGHUP has it read again.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// How long requests may still run when the host is told to stop, in seconds; a second signal ends it at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    drain: u32,
    /// What is logged to standard error, such as `warn` or `leyden=debug`.
    #[arg(
        long,
        value_name = "FILTER",
        env = "LEYDEN_LOG",
        default_value = "info"
    )]
    log: String,
    /// How it is logged; auto: pretty on a terminal, else JSON.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Auto, env = "LEYDEN_LOG_FORMAT")]
    log_format: LogFormat,
    /// Log a line for each request as well: method, path, status, bytes, duration, component, generation, request id.
    #[arg(long)]
    access_log: bool,
    /// A collector of OpenTelemetry traces, such as http://127.0.0.1:4318; without one no traces are made.
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// Headers for the collector, NAME=VALUE,…
    #[arg(
        long,
        value_name = "HEADERS",
        env = "OTEL_EXPORTER_OTLP_HEADERS",
        hide_env_values = true,
        hide_default_value = true,
        default_value = ""
    )]
    otlp_headers: String,
    /// Share of the traces that begin here which are made, 0 to 1; those of callers are made if they say so.
    #[arg(
        long,
        value_name = "RATIO",
        env = "OTEL_TRACES_SAMPLER_ARG",
        default_value_t = 1.0
    )]
    trace_ratio: f64,
    /// The name under which traces show.
    #[arg(
        long,
        value_name = "NAME",
        env = "OTEL_SERVICE_NAME",
        default_value = "leyden"
    )]
    service_name: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

impl ServingOptions {
    /// Fills in how the gateway serves.
    pub(super) fn gateway(&self, options: &mut gateway::Options, tracer: Option<Arc<Tracer>>) {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        options.certificate = files.map(|(certificate, key)| CertificateFiles { certificate, key });
        options.drain_ms = u64::from(self.drain) * 1_000;
        options.access_log = self.access_log;
        options.tracer = tracer;
    }

    /// Whether the host shows a certificate.
    pub(super) fn is_secure(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// Starts to send traces, where there is somebody to send them to.
    pub(super) fn traces(&self) -> Result<Option<(Arc<Tracer>, Exporter)>, Error> {
        let Some(endpoint) = self.otlp_endpoint.as_deref().filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        let usage = |option: &str, error: otlp::Error| Error::Usage(format!("{option}: {error}"));
        let options = otlp::Options::new(endpoint).map_err(|e| usage("--otlp-endpoint", e))?;
        let options = options.with_headers(&self.otlp_headers);
        let options = options.map_err(|e| usage("--otlp-headers", e))?;
        let options = options.with_ratio(self.trace_ratio);
        let options = options.map_err(|e| usage("--trace-ratio", e))?;
        Ok(Some(Exporter::start(otlp::Options {
            service: self.service_name.clone(),
            ..options
        })))
    }

    /// Logs to standard error from now on.
    pub(super) fn log(&self, context: &Context) -> Result<(), Error> {
        let filter = EnvFilter::try_new(&self.log);
        let filter = filter.map_err(|error| Error::Usage(format!("--log: {error}")))?;
        // The access log is wanted or not, whatever else is.
        let access = if self.access_log { "info" } else { "off" };
        let access = format!("{ACCESS}={access}").parse();
        let filter = filter.add_directive(access.map_err(|_| Error::Host("no log".into()))?);
        let lines = Lines {
            format: self.log_format.chosen(std::io::stderr().is_terminal()),
            colours: context.screen.error_colours(),
        };
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .event_format(lines);
        log.try_init()
            .map_err(|error| Error::Host(format!("no log: {error}")))
    }
}

impl LogFormat {
    fn chosen(self, on_terminal: bool) -> Format {
        match self {
            Self::Auto if on_terminal => Format::Pretty,
            Self::Pretty => Format::Pretty,
            Self::Auto | Self::Json => Format::Json,
        }
    }
}
