//! What a hostile plugin is, and how it must end.

use crate::partner::plugin::Plugin;

/// How the host puts an end to a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stop {
    /// The upload is refused.
    Upload,
    /// The request to run it is refused before anything runs.
    Request,
    /// It trapped.
    Trap,
    /// It ran past its deadline.
    Deadline,
    /// It used up its fuel.
    Fuel,
    /// It passed another limit.
    Limit,
    /// It gave up by itself.
    Failed,
    /// What it returned is no report.
    NoReport,
    /// It returned a report.
    Report,
}

/// Ends of a plugin that computes for ever: which bound comes first depends on the machine.
pub const TIME: &[Stop] = &[Stop::Deadline, Stop::Fuel];

/// A plugin, what it is run with and how it must end.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// Its family.
    pub family: &'static str,
    /// What it does, in words.
    pub what: String,
    /// What is uploaded.
    pub bytes: Vec<u8>,
    /// The body of the request that runs it.
    pub request: Vec<u8>,
    /// Which trust level its partner has meanwhile.
    pub trust: u32,
    /// How often it is run at the same time.
    pub at_once: usize,
    /// The ends that are right; one of them.
    pub ends: &'static [Stop],
    /// A word that the reason must name, in lower case; empty: any.
    pub names: &'static str,
}

/// How far the hostile partner is trusted, unless a plugin needs another level: the lowest level has the
/// shortest deadline, so that much fits into a proof.
pub const TRUST: u32 = 0;

impl Hostile {
    /// One of these bytes.
    pub fn of_bytes(what: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self {
            family: "",
            what: what.into(),
            bytes,
            request: b"{}".to_vec(),
            trust: TRUST,
            at_once: 1,
            ends: &[],
            names: "",
        }
    }

    /// One that is built from its module.
    pub fn new(what: impl Into<String>, plugin: &Plugin) -> Self {
        Self::of_bytes(what, plugin.build())
    }

    /// It must end so, with a reason that names this.
    pub fn ends(mut self, ends: &'static [Stop], names: &'static str) -> Self {
        (self.ends, self.names) = (ends, names);
        self
    }

    /// It is run by this request.
    pub fn request(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request = body.into();
        self
    }

    /// Its partner has this trust level.
    pub fn trust(mut self, level: u32) -> Self {
        self.trust = level;
        self
    }

    /// It is run so often at the same time.
    pub fn at_once(mut self, runs: usize) -> Self {
        self.at_once = runs;
        self
    }
}

/// A family: plugins of one kind, which end in the same ways unless one says otherwise.
pub fn family(
    name: &'static str,
    ends: &'static [Stop],
    names: &'static str,
    plugins: Vec<Hostile>,
) -> Vec<Hostile> {
    let of_family = |plugin: Hostile| Hostile {
        family: name,
        ends: if plugin.ends.is_empty() {
            ends
        } else {
            plugin.ends
        },
        names: if plugin.ends.is_empty() {
            names
        } else {
            plugin.names
        },
        ..plugin
    };
    plugins.into_iter().map(of_family).collect()
}
