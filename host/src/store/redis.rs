//! The store of many hosts: everything lies in Redis (7.0 or later), under one hash tag, so that every
//! commit is one script on one node. Hosts keep nothing.

mod link;
mod options;

pub use options::{OpenError, Options};

/// The store. Cheap to share.
pub struct Redis {}

impl Redis {
    /// Connects, checks the server and makes the namespace where it is new.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        drop(options);
        Err(OpenError::Old(String::new()))
    }
}
