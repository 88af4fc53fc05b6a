//! Which parts of a manifest belong to which kind of component. The kind is read from the component's type, which a
//! manifest's text does not know; so parsing notes what is there, and whoever knows the kind asks.
//!
//! **Invariant.** What was taken of services and policies before there were functions is taken still: hosts read the manifests
//! in their store again when they start.

use super::{Error, Manifest, Place};
use crate::registry::Kind;

/// Something that a manifest names and that not every kind of component has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) part: Part,
    pub(super) key: String,
    pub(super) place: Place,
}

/// The parts that not every kind has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Rows,
    RouteBody,
    Audited,
    Streams,
    Ledger,
    Partners,
    KeyValue,
    Batch,
    Queue,
    Bodies,
    Reuse,
    Env,
    Secrets,
    Outbound,
}

impl Part {
    /// Why a function does not have it, if it does not.
    const fn refused_for_functions(self) -> Option<&'static str> {
        match self {
            Self::Rows => Some("is for services; a function reads a body as it comes"),
            Self::RouteBody => {
                Some("is for services; limits.request-body-bytes bounds the bodies of a function")
            }
            Self::Audited => Some(
                "is for services; the bodies of a function are streamed and not there to be told",
            ),
            Self::Streams | Self::Batch => {
                Some("is for services; a function answers HTTP and has no streams")
            }
            Self::Ledger | Self::Partners => {
                Some("is for services, which are built against leyden's own packages")
            }
            _ => None,
        }
    }

    /// Why a service does not have it, if it does not.
    const fn refused_for_services(self) -> Option<&'static str> {
        match self {
            Self::KeyValue => Some("is for functions; a service has leyden:state"),
            Self::Queue => Some("is for functions; services have a rule of the host's"),
            Self::Bodies => {
                Some("is for functions; body-limit-bytes of a route bounds the bodies of a service")
            }
            Self::Env | Self::Secrets => Some("is for functions; a service has no environment"),
            Self::Outbound => Some("is for functions; a service reaches nothing outside"),
            _ => None,
        }
    }

    /// Why a policy does not have it, if it does not.
    const fn refused_for_policies(self) -> Option<&'static str> {
        match (self, self.refused_for_services()) {
            (Self::Reuse, _) => Some("is not for policies, which have a rule of the host's"),
            (_, Some(_)) => Some("is for functions; a policy decides from its input alone"),
            (_, None) => None,
        }
    }
}

impl Manifest {
    /// Checks that all it names is for components of this kind.
    ///
    /// # Errors
    /// The first key that is not, with its place.
    pub fn check_kind(&self, kind: Kind) -> Result<(), Error> {
        let refused = |part: Part| match kind {
            Kind::Function => part.refused_for_functions(),
            Kind::Service => part.refused_for_services(),
            Kind::Policy => part.refused_for_policies(),
        };
        let mut mentions = self.mentions.iter();
        match mentions.find_map(|mention| Some((mention, refused(mention.part)?))) {
            None => Ok(()),
            Some((mention, rule)) => Err(Error::Rule {
                place: mention.place,
                key: mention.key.clone(),
                rule: rule.to_owned(),
            }),
        }
    }
}
