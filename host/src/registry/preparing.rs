//! What a function needs before its first request: its code, where that was not loaded when the host started, and its secrets.
//! Many requests may come at once; one of them does it, and the others wait.

use super::{Active, Error, Registry, off_the_workers};
use crate::ids::ComponentName;
use crate::runtime::LoadError;

impl Registry {
    /// Has a function ready to answer. Does nothing where it is, and with other components.
    ///
    /// # Errors
    /// Its code cannot be loaded, a secret that its manifest names is not set or cannot be opened, or the store did not
    /// answer.
    pub async fn prepare(&self, active: &Active) -> Result<(), Error> {
        if active.loaded.awaits_code() {
            let loading = || self.load_code(active);
            active.code.get_or_try_init(loading).await?;
        }
        if active.loaded.awaits_secrets() {
            let variables = self.variables(active).await?;
            let secrets = variables.secret.iter();
            let secrets =
                secrets.map(|(name, value)| (name.to_string(), value.reveal().to_owned()));
            active.loaded.tell_secrets(secrets.collect());
        }
        Ok(())
    }

    /// Loads a function's code from disk. Where it is not there any more, or is not what it should be, it is compiled again.
    async fn load_code(&self, active: &Active) -> Result<(), Error> {
        let kept = self.shared.runtime.load_kept(&active.loaded).await;
        if kept.map_err(|error| not_loaded(&active.name, error))? {
            return Ok(());
        }
        let bytes = self.bytes(active).await?;
        let (runtime, loaded) = (self.shared.runtime.clone(), active.loaded.clone());
        let name = active.name.clone();
        let compiled = off_the_workers(move || {
            let compiled = runtime.compile_again(&loaded, &bytes);
            compiled.map_err(|error| not_loaded(&name, error))
        });
        compiled.await
    }
}

/// It was taken once, so whatever is wrong is not for whoever sends a request to put right.
fn not_loaded(name: &ComponentName, error: LoadError) -> Error {
    match error {
        LoadError::Busy => Error::Busy,
        LoadError::Refused(_) | LoadError::Host(_) => Error::Compiler(name.clone(), error),
    }
}
