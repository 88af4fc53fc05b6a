//! A host starts with whatever it had, be it compiled already or not.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use leyden::config::Config;
use leyden::host::Host;
use leyden::operators::Operator;
use leyden::registry::manifest::attach;

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

/// Functions that a host leaves behind: their code stays as it is, is changed, or goes.
const LEFT: [&str; 3] = ["sound", "changed", "gone"];

/// Deploys them on a host that stops then.
async fn leave_behind(folder: &Path) {
    let mut config = config(folder, &built("guests"));
    configure(&mut config, folder);
    let host = Host::start(&config).await.expect("a host");
    for function in LEFT {
        let manifest = format!("[env]\nNAME = \"{function}\"\n");
        let bytes = attach(&guest("alternatives/web"), &manifest).expect("a manifest");
        let (by, name) = (Operator::host(), name(function));
        let deployed = host.registry.deploy(&by, &name, bytes).await;
        deployed.expect("deployed");
        assert!(!awaits_code(&host, function), "it is about to be called");
    }
    host.stop().await;
}

fn awaits_code(host: &Host, function: &str) -> bool {
    let generation = host.registry.generation();
    generation.components[&name(function)].loaded.awaits_code()
}

/// Where a function's compiled code is.
fn compiled(host: &Host, folder: &Path, function: &str) -> PathBuf {
    let generation = host.registry.generation();
    let digest = generation.components[&name(function)].digest.to_string();
    let files = std::fs::read_dir(folder.join("compiled/functions")).expect("a folder");
    let mut files = files.map(|file| file.expect("a file").path());
    let its = |file: &PathBuf| file.to_string_lossy().contains(&digest);
    files.find(its).expect("a file")
}

async fn answers(web: &Web, function: &str) {
    let answer = web.get(&format!("/fn/{function}/env?NAME")).await;
    assert_eq!((answer.status, &*answer.body), (200, function));
    assert!(!awaits_code(&web.host, function));
}

#[test]
fn code_is_loaded_at_the_first_call_and_compiled_again_where_it_is_not_the_hosts_own() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        leave_behind(folder).await;
        let (configured, guests) = (
            |config: &mut Config| configure(config, folder),
            built("guests"),
        );
        let web = Web::start_as(configured, &guests, |_| {}).await;
        assert!(LEFT.iter().all(|function| awaits_code(&web.host, function)));
        let [sound, changed, gone] = LEFT.map(|function| compiled(&web.host, folder, function));
        let before = std::fs::metadata(&sound).expect("a file").ino();
        let kept = std::fs::read(&changed).expect("bytes");
        let mut bytes = kept.clone();
        bytes[kept.len() / 2] ^= 1;
        std::fs::write(&changed, bytes).expect("written");
        std::fs::remove_file(&gone).expect("removed");

        join_all((0..8).map(|_| answers(&web, "sound"))).await;
        let after = std::fs::metadata(&sound).expect("a file").ino();
        assert_eq!(before, after, "it was compiled again");
        answers(&web, "changed").await;
        assert_eq!(std::fs::read(&changed).expect("bytes"), kept);
        answers(&web, "gone").await;
        assert!(gone.exists());
    });
}
