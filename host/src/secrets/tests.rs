//! Tests of secrets: who gets a value, and what refuses one.

use super::*;
use crate::store::Transaction;
use crate::store::embedded::{Embedded, Options};

fn component(name: &str) -> ComponentName {
    ComponentName::parse(name).expect("a name")
}

fn variable(name: &str) -> VariableName {
    VariableName::parse(name).expect("a name")
}

fn secret(value: &str) -> Secret {
    Secret::parse(value.as_bytes().to_vec()).expect("a value")
}

struct Rig {
    vault: Vault,
    store: Arc<dyn Store>,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store: Arc<dyn Store> =
            Arc::new(Embedded::open(Options::new(folder.path())).expect("a store"));
        let vault = Vault::new(store.clone(), Some([7; 32]));
        Self {
            vault,
            store,
            _folder: folder,
        }
    }

    async fn commit(&self, write: Write) {
        let transaction = Transaction {
            writes: vec![write],
            ..Transaction::default()
        };
        self.store.commit(transaction).await.expect("committed");
    }

    async fn set(&self, of: &str, name: &str, value: &str) -> Write {
        let write = self
            .vault
            .set(&component(of), &variable(name), &secret(value))
            .await;
        let write = write.expect("sealed");
        self.commit(write.clone()).await;
        write
    }

    async fn get(&self, vault: &Vault, of: &str, name: &str) -> Result<String, Error> {
        let opened = vault.open(&component(of), &[variable(name)]).await?;
        Ok(opened[0].1.reveal().to_owned())
    }
}

#[tokio::test]
async fn a_value_comes_back_to_its_component_alone_and_lies_sealed() {
    let rig = Rig::new();
    let written = rig.set("a", "KEY", "hunter2-hunter2").await;
    let record = written.value.expect("a record");
    assert!(!String::from_utf8_lossy(&record).contains("hunter2"));
    assert_eq!(
        rig.get(&rig.vault, "a", "KEY").await.expect("opened"),
        "hunter2-hunter2"
    );
    assert!(matches!(
        rig.get(&rig.vault, "b", "KEY").await,
        Err(Error::Unset(..))
    ));
    let known = rig.vault.list(&component("a")).await.expect("listed");
    assert_eq!(known.len(), 1);
    assert!(known[0].name == variable("KEY") && known[0].set_at_ms > 0);
    assert_eq!(format!("{:?}", secret("hunter2")), "Secret");
}

#[tokio::test]
async fn what_was_moved_changed_or_sealed_elsewhere_is_refused() {
    let rig = Rig::new();
    let written = rig.set("a", "KEY", "value").await;
    let record = written.value.expect("a record");
    rig.commit(write(
        place(&component("b"), &variable("KEY")),
        Some(record.clone()),
    ))
    .await;
    assert!(matches!(
        rig.get(&rig.vault, "b", "KEY").await,
        Err(Error::Sealed(..))
    ));
    for at in 0..record.len() {
        let mut changed = record.clone();
        changed[at] ^= 1;
        let opened = rig.vault.unseal(&written.key, &changed).expect("a key");
        assert_eq!(opened, None, "byte {at}");
        assert_eq!(
            rig.vault
                .unseal(&written.key, &record[..at])
                .expect("a key"),
            None
        );
    }
    let other = Vault::new(rig.store.clone(), Some([8; 32]));
    assert!(matches!(
        rig.get(&other, "a", "KEY").await,
        Err(Error::Sealed(..))
    ));
    let none = Vault::new(rig.store.clone(), None);
    assert!(matches!(
        rig.get(&none, "a", "KEY").await,
        Err(Error::NoKey)
    ));
}

#[tokio::test]
async fn the_number_of_secrets_and_their_values_are_bounded() {
    let rig = Rig::new();
    for number in 0..VARIABLES_MAX {
        rig.set("a", &format!("S{number}"), "x").await;
    }
    let one_more = rig
        .vault
        .set(&component("a"), &variable("MORE"), &secret("x"))
        .await;
    assert!(matches!(one_more, Err(Error::Full(_))));
    rig.set("a", "S0", "another value").await;
    for bad in [
        Vec::new(),
        vec![b'x'; VALUE_BYTES_MAX + 1],
        b"a\0b".to_vec(),
        vec![0xff],
    ] {
        assert!(Secret::parse(bad).is_err());
    }
    let gone = rig.vault.remove_all(&component("a")).await.expect("listed");
    assert_eq!(gone.len(), VARIABLES_MAX);
}

#[test]
fn a_key_is_made_once_and_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secrets.key");
    let key = key_in(&file).expect("made");
    assert_eq!(key_in(&file).expect("there"), key);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&file, open).expect("set");
    assert!(key_in(&file).is_err(), "others read it");
}
