//! A host starts with whatever it had, be it compiled already or not.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use leyden::config::Config;
use leyden::host::Host;
use leyden::operators::Operator;
use leyden::registry::manifest::attach;
use tempfile::TempDir;

use super::{Web, built, guest, run};
use crate::support::{config, name};

/// More than may wait for the compiler at a time.
const FUNCTIONS: usize = 20;

#[test]
fn a_host_starts_with_more_functions_than_may_wait_to_be_compiled() {
    run(async {
        let data = tempfile::tempdir().expect("a folder");
        let mut config = config(data.path(), &built("guests"));
        config.bare = true;
        let host = Host::start(&config).await.expect("a host");
        for number in 0..FUNCTIONS {
            // Each is another version, whose code is its own.
            let manifest = format!("[env]\nNUMBER = \"{number}\"\n");
            let bytes = attach(&guest("alternatives/hello"), &manifest).expect("a manifest");
            let name = name(&format!("hello-{number}"));
            let deployed = host.registry.deploy(&Operator::host(), &name, bytes).await;
            deployed.expect("deployed");
        }
        host.stop().await;
        // Another version of the host finds nothing that it could use, for example.
        let empty = tempfile::tempdir().expect("a folder");
        config.compiled = Some(empty.path().into());
        let host = Host::start(&config).await.expect("a host");
        assert_eq!(host.registry.generation().components.len(), FUNCTIONS);
        host.stop().await;
    });
}

/// The configuration of a host whose data and compiled code lie in a folder that outlives it.
fn configure(config: &mut Config, folder: &Path) {
    config.bare = true;
    config.data = folder.join("data");
    config.compiled = Some(folder.join("compiled"));
}

/// The folder of a host with the component `web`, which has stopped since.
async fn left_behind() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config(folder.path(), &built("guests"));
    configure(&mut config, folder.path());
    let host = Host::start(&config).await.expect("a host");
    let (by, web) = (Operator::host(), guest("alternatives/web"));
    let deployed = host.registry.deploy(&by, &name("web"), web).await;
    deployed.expect("deployed");
    assert!(
        !awaits_code(&host),
        "whoever deploys it is about to call it"
    );
    host.stop().await;
    folder
}

/// A host in that folder.
async fn on(folder: &TempDir) -> Web {
    Web::start_as(
        |config| configure(config, folder.path()),
        &built("guests"),
        |_| {},
    )
    .await
}

fn awaits_code(host: &Host) -> bool {
    let generation = host.registry.generation();
    generation.components[&name("web")].loaded.awaits_code()
}

async fn answers(web: &Web) {
    let answer = web.get("/fn/web/hello").await;
    assert_eq!((answer.status, &*answer.body), (200, "Hello, world!"));
    assert!(!awaits_code(&web.host));
}

/// The one compiled function in a folder.
fn compiled(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder.join("compiled/functions")).expect("a folder");
    let files = files.map(|file| file.expect("a file").path());
    let code: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|e| e == "cwasm"))
        .collect();
    assert_eq!(code.len(), 1);
    code[0].clone()
}

#[test]
fn a_functions_code_is_loaded_when_it_is_first_called() {
    run(async {
        let folder = left_behind().await;
        let before = std::fs::metadata(compiled(folder.path())).expect("a file");
        let web = on(&folder).await;
        assert!(awaits_code(&web.host));
        join_all((0..8).map(|_| answers(&web))).await;
        let after = std::fs::metadata(compiled(folder.path())).expect("a file");
        assert_eq!(before.ino(), after.ino(), "it was compiled again");
    });
}

#[test]
fn code_that_is_not_the_hosts_own_is_compiled_again() {
    run(async {
        let folder = left_behind().await;
        let path = compiled(folder.path());
        let kept = std::fs::read(&path).expect("bytes");
        let mut changed = kept.clone();
        changed[kept.len() / 2] ^= 1;
        std::fs::write(&path, changed).expect("written");
        let web = on(&folder).await;
        assert!(
            awaits_code(&web.host),
            "whether it is sound is not seen yet"
        );
        answers(&web).await;
        assert_eq!(std::fs::read(&path).expect("bytes"), kept);
    });
}

#[test]
fn code_that_has_gone_since_the_start_is_compiled_again() {
    run(async {
        let folder = left_behind().await;
        let path = compiled(folder.path());
        let web = on(&folder).await;
        std::fs::remove_file(&path).expect("removed");
        answers(&web).await;
        assert!(path.exists());
    });
}
