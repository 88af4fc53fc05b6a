//! Functions whose code lies on disk: it is loaded before the first request, and not when the host starts. Of thousands that
//! are deployed few are called at a time; one that is not takes neither memory for its code nor mappings.
//!
//! **Invariant.** What was never loaded on any host is never kept like this: its imports, its handler's type and its manifest were
//! checked when it was deployed. Its code is authenticated when it is loaded, as all code on disk is.

use std::sync::Arc;

use tokio::task::JoinError;

use super::{LoadError, Loaded, shape};
use crate::dispatch::Culprit;
use crate::registry::Kind;
use crate::registry::manifest::Manifest;
use crate::runtime::Runtime;
use crate::runtime::function;

/// Longest code that is loaded on the thread that needs it, bytes: reading and hashing so much takes a few hundred microseconds, and a
/// hand-over to another thread about as long where the machine is busy.
const AT_ONCE_BYTES_MAX: u64 = 512 << 10;

impl Runtime {
    /// A version that was deployed before, where it is a function whose code is kept on disk: none of that is loaded yet, see
    /// [`Loaded::awaits_code`]. Takes no longer than a look at the disk.
    ///
    /// # Errors
    /// Its manifest breaks a rule; in words.
    pub fn recall(
        &self,
        culprit: Culprit,
        bytes: &[u8],
        manifest: Option<&Manifest>,
    ) -> Result<Option<Loaded>, LoadError> {
        let kept = self.compiling.kept_bytes(&self.engine, culprit.version);
        if kept.is_none() || !is_function(bytes) {
            return Ok(None);
        }
        let manifest = manifest.cloned().unwrap_or_else(|| {
            shape::default_manifest(&culprit.component, function::exports_of(bytes).into_iter())
        });
        let identity = self.identity(culprit, manifest, Kind::Function)?;
        self.function(identity, None).map(Some)
    }

    /// Loads a function's code from disk; whether it is there and what it should be.
    ///
    /// # Errors
    /// It does not fit what the host serves any more; in words.
    pub async fn load_kept(&self, loaded: &Arc<Loaded>) -> Result<bool, LoadError> {
        let bytes = self
            .compiling
            .kept_bytes(&self.engine, loaded.culprit().version);
        if bytes.is_none_or(|bytes| bytes <= AT_ONCE_BYTES_MAX) {
            return self.load_now(loaded);
        }
        let (runtime, loaded) = (self.clone(), loaded.clone());
        let loading = tokio::task::spawn_blocking(move || runtime.load_now(&loaded));
        let failed = |error: JoinError| LoadError::Host(error.to_string());
        loading.await.map_err(failed)?
    }

    fn load_now(&self, loaded: &Loaded) -> Result<bool, LoadError> {
        let Some(function) = loaded.as_function() else {
            return Ok(true);
        };
        let kept = self.compiling.kept(&self.engine, loaded.culprit().version);
        let Some(component) = kept else {
            return Ok(false);
        };
        function.set_code(self.linked(&component, loaded.manifest())?);
        Ok(true)
    }

    /// Compiles a function's code, where it is not on disk any more, or is not what it should be. Blocks as long as the compiler
    /// needs.
    ///
    /// # Errors
    /// It cannot be compiled, or does not fit what the host serves any more; in words.
    pub fn compile_again(&self, loaded: &Loaded, bytes: &[u8]) -> Result<(), LoadError> {
        let Some(function) = loaded.as_function() else {
            return Ok(());
        };
        let component = self.component(loaded.culprit(), bytes)?;
        function.set_code(self.linked(&component, loaded.manifest())?);
        Ok(())
    }
}

impl Loaded {
    /// Whether it is a function that cannot answer until its code is loaded.
    #[must_use]
    pub fn awaits_code(&self) -> bool {
        self.as_function()
            .is_some_and(|function| function.awaits_code())
    }
}

/// Whether bytes are a component that exports a function's handler.
pub(super) fn is_function(bytes: &[u8]) -> bool {
    let mut exports = function::exports_of(bytes).into_iter();
    exports.any(function::exports_handler)
}
