//! Compiled components on disk: found again, never executed unless they are the host's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use leyden::ids::Digest;
use leyden::runtime::{PartnerLoadError, PartnerOptions, PartnerRuntime};

use super::components::{self, MEMORY, REALLOC, REPORT};

/// A compiler that cannot be started, so that only what is on disk loads.
const NO_COMPILER: &str = "/nonexistent/leyden";

fn runtime(folder: &Path, program: &str) -> PartnerRuntime {
    PartnerRuntime::start(&PartnerOptions {
        compiled: Some(folder.into()),
        program: Some(program.into()),
        ..PartnerOptions::default()
    })
    .expect("an engine")
}

fn leyden() -> &'static str {
    env!("CARGO_BIN_EXE_leyden")
}

async fn load(runtime: &PartnerRuntime, bytes: &[u8]) -> Result<(), PartnerLoadError> {
    let loaded = runtime
        .load(Digest::of(bytes), Arc::new(bytes.into()))
        .await;
    loaded.map(|_| ())
}

fn sound() -> Vec<u8> {
    components::plain(&[MEMORY, REALLOC, REPORT])
}

fn compiled(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder.join("partners")).expect("a folder");
    let mut files = files.map(|file| file.expect("a file").path());
    files
        .find(|file| file.extension().is_some_and(|e| e == "cwasm"))
        .expect("a compiled component")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_compiled_once_is_found_by_the_next_host() {
    let folder = tempfile::tempdir().expect("a folder");
    load(&runtime(folder.path(), leyden()), &sound())
        .await
        .expect("compiled");
    load(&runtime(folder.path(), NO_COMPILER), &sound())
        .await
        .expect("found on disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_hosts_own_is_compiled_anew_never_executed() {
    let folder = tempfile::tempdir().expect("a folder");
    load(&runtime(folder.path(), leyden()), &sound())
        .await
        .expect("compiled");
    let path = compiled(folder.path());
    let kept = std::fs::read(&path).expect("bytes");
    for at in [0, kept.len() / 2, kept.len() - 33, kept.len() - 1] {
        let mut changed = kept.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).expect("written");
        let found = load(&runtime(folder.path(), NO_COMPILER), &sound()).await;
        assert!(
            matches!(found, Err(PartnerLoadError::Host(_))),
            "byte {at}: {found:?}"
        );
    }
    for cut in [0, 10, kept.len() - 1] {
        std::fs::write(&path, &kept[..cut]).expect("written");
        let found = load(&runtime(folder.path(), NO_COMPILER), &sound()).await;
        assert!(found.is_err(), "cut at {cut}");
    }
    load(&runtime(folder.path(), leyden()), &sound())
        .await
        .expect("compiled anew");
    assert_eq!(std::fs::read(&path).expect("bytes"), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_component_cannot_be_put_in_anothers_place_nor_under_another_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = components::plain(&[MEMORY, REALLOC, REPORT, "(func)"]);
    load(&runtime(folder.path(), leyden()), &other)
        .await
        .expect("compiled");
    let path = compiled(folder.path());
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let swapped = name.replace(
        &Digest::of(&other).to_string(),
        &Digest::of(&sound()).to_string(),
    );
    std::fs::copy(&path, path.with_file_name(swapped)).expect("copied");
    let found = load(&runtime(folder.path(), NO_COMPILER), &sound()).await;
    assert!(matches!(found, Err(PartnerLoadError::Host(_))), "{found:?}");
    std::fs::remove_file(folder.path().join("partners/key")).expect("removed");
    let found = load(&runtime(folder.path(), NO_COMPILER), &other).await;
    assert!(found.is_err(), "the key is another now");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_load_the_same_get_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = runtime(folder.path(), leyden());
    let bytes = Arc::new(sound());
    let digest = Digest::of(&bytes);
    let loads = (0..8).map(|_| runtime.load(digest, bytes.clone()));
    let loaded = futures_util::future::join_all(loads).await;
    let first = loaded[0].as_ref().expect("loaded");
    assert!(
        loaded
            .iter()
            .all(|other| Arc::ptr_eq(first, other.as_ref().expect("loaded")))
    );
    assert!(runtime.loaded(&digest).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_under_another_digest_are_not_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = runtime(folder.path(), leyden());
    let loaded = runtime.load(Digest::of(b"other"), Arc::new(sound())).await;
    assert!(matches!(loaded, Err(PartnerLoadError::Host(_))));
}
