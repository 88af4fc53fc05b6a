//! Records of invocations, and their replay: what an invocation was given and read, so that it can be run once more on
//! any machine, with the same versions or another, and what comes of it compared bit for bit. Runs of partners' plugins
//! and requests to functions are invocations like others. FORMAT.md documents the files for everybody.
//!
//! There is no second interpreter here: a replay is the same engine, the same transaction and the same bridge as
//! serving, over a snapshot that answers from the record.
//!
//! **Invariants.** A record holds all that its invocations went by, which is tried when it is written. A replay
//! depends on nothing else: not on the machine, its clock, or what ran before.

mod convert;
mod differences;
pub mod file;
pub mod format;
mod name;
mod player;
mod recorder;
mod redact;
mod run;
mod scribe;
mod secrets;
mod shelf;
mod tape;

pub use differences::{Difference, differences};
pub use name::Name;
pub use player::{Error as PlayError, Played, Player};
pub use recorder::{
    Error as RecordError, LIMIT_MAX, MIB_MAX, Options as RecordOptions, Recorder, SECONDS_MAX,
    Sources, Status as RecordStatus,
};
pub(crate) use recorder::{Pending, export};
pub use redact::{Error as RedactError, Redactor, Replacer};
pub(crate) use run::Run;
pub(crate) use secrets::cover;
pub(crate) use tape::{Taken, Tape};
