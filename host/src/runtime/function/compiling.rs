//! How a function's code comes about: from disk, or compiled apart from the host after a pass over the binary, as partners'
//! uploads are. Whoever deploys a function has it from anywhere, most often.

use std::sync::Arc;

use tokio::runtime::Handle;
use wasmparser::{Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::imports;
use crate::ids::Digest;
use crate::runtime::artifacts::{Artifacts, Room};
use crate::runtime::compile::{Artifact, CompileLimits, Compiler, Target};
use crate::runtime::{LoadError, Options, PartnerLoadError, inspect};

/// Compiles functions, one after the other, and keeps their code.
pub(in crate::runtime) struct Compiling {
    compiler: Compiler,
    artifacts: Option<Artifacts>,
    compiles_here: bool,
}

impl Compiling {
    pub(in crate::runtime) fn new(options: &Options) -> Self {
        let folder = options.cache_directory.as_ref();
        let artifacts = folder.and_then(|folder| {
            let folder = folder.join("functions");
            let opened = Artifacts::open(&folder, Room::FUNCTIONS).inspect_err(|error| {
                tracing::warn!(folder = %folder.display(), %error, "functions are compiled anew at every start");
            });
            opened.ok()
        });
        let limits = CompileLimits::default();
        let target = match options.counts_fuel {
            true => Target::Replays,
            false => Target::Functions,
        };
        Self {
            compiler: Compiler::new(options.compiler.clone(), limits, target),
            artifacts,
            compiles_here: options.compiles_here,
        }
    }

    /// How many bytes of a function's code lie on disk, if any do. Whether they are what they should be is seen when they are loaded.
    pub(in crate::runtime) fn kept_bytes(&self, engine: &Engine, digest: Digest) -> Option<u64> {
        self.artifacts.as_ref()?.bytes(engine, &digest)
    }

    /// A function's code, where it lies on disk and is what it should be.
    pub(in crate::runtime) fn kept(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        self.artifacts.as_ref()?.load(engine, &digest)
    }

    /// Makes a function's bytes a component. Blocks as long as the compiler needs.
    ///
    /// # Errors
    /// Why it is not taken.
    pub(in crate::runtime) fn component(
        &self,
        engine: &Engine,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<Component, LoadError> {
        if let Some(kept) = self.kept(engine, digest) {
            return Ok(kept);
        }
        let imported = inspect::imports_of(bytes).map_err(PartnerLoadError::from)?;
        let served = imports::check(imported.iter().map(String::as_str));
        served.map_err(LoadError::Refused)?;
        if self.compiles_here {
            let made = Component::new(engine, bytes);
            return made.map_err(|error| LoadError::Refused(format!("{error:#}")));
        }
        let artifact = self.compiled(bytes)?;
        let artifacts = self.artifacts.as_ref();
        let kept = artifacts.and_then(|all| all.keep(engine, &digest, &artifact));
        let component = kept.map_or_else(|| artifact.into_component(engine), Ok);
        component
            .map_err(|error| LoadError::Refused(format!("it does not fit an instance: {error:#}")))
    }

    fn compiled(&self, bytes: &[u8]) -> Result<Artifact, LoadError> {
        let handle = Handle::try_current();
        let handle = handle.map_err(|error| LoadError::Host(error.to_string()))?;
        let bytes = Arc::new(bytes.to_vec());
        let compile = || {
            handle.block_on(async {
                let turn = self.compiler.turn().await?;
                turn.compile(bytes).await
            })
        };
        // Whoever waits here may drive a future, and may not drive another one.
        let lost = |_| LoadError::Host("the thread that waited for the compiler is gone".into());
        let compiled = std::thread::scope(|scope| scope.spawn(compile).join());
        compiled.map_err(lost)?.map_err(LoadError::from)
    }
}

/// The names of a component's outermost exports. Reads no further than those; what is wrong with the rest is told by whoever
/// reads it.
pub(in crate::runtime) fn exports_of(bytes: &[u8]) -> Vec<&str> {
    let (mut depth, mut names) = (0_u32, Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::Version { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::ComponentExportSection(section)) if depth == 1 => {
                let exports = section.into_iter().filter_map(Result::ok);
                names.extend(exports.map(|export| export.name.name));
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::runtime::engine;

    #[tokio::test]
    async fn a_busy_compiler_is_no_fault_of_what_is_to_be_compiled() {
        let compiling = Arc::new(Compiling::new(&Options::default()));
        let compiler = &compiling.compiler;
        let (mut turns, mut waiting) = (Vec::new(), Vec::new());
        loop {
            let mut turn = Box::pin(compiler.turn());
            match turn.as_mut().now_or_never() {
                Some(Ok(turn)) => turns.push(turn),
                Some(Err(_)) => break,
                None => waiting.push(turn),
            }
        }
        let asked = compiling.clone();
        let refused = tokio::task::spawn_blocking(move || {
            let engine = Engine::new(&engine::compiling(false)).expect("an engine");
            let bytes = wat::parse_str("(component)").expect("a component");
            let component = asked.component(&engine, Digest::of(&bytes), &bytes);
            component.map(|_| ()).expect_err("busy")
        });
        let refused = refused.await.expect("an answer");
        assert!(matches!(refused, LoadError::Busy), "{refused}");
    }
}
