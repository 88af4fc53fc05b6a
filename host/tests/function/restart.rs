//! A host starts with whatever it had, be it compiled already or not.

use leyden::host::Host;
use leyden::operators::Operator;
use leyden::registry::manifest::attach;

use super::{built, guest, run};
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
