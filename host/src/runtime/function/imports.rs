//! What a function may import: WASI 0.2 as far as the host serves it. What is not served is named with what is
//! nearest to it.

use crate::capabilities::keyvalue;
use crate::registry::manifest::Grants;

/// The interface that makes a component a function, in any version of 0.2.
const HANDLER: &str = "wasi:http/incoming-handler@0.2.";

/// What functions are served besides, where their manifest grants it.
const KEYVALUE: &str = keyvalue::INTERFACES[0];

/// Interfaces of WASI that are served, in any version of 0.2.
const SERVED: [&str; 30] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
    CONFIG,
];

/// The draft that is served.
const CONFIG: &str = "wasi:config/store";
const CONFIG_VERSION: &str = "0.2.0-rc.1";

/// The grant that an import needs and a manifest does not give, if there is one.
pub(in crate::runtime) fn grant_missing(name: &str, grants: &Grants) -> Option<&'static str> {
    let needed = keyvalue::INTERFACES
        .iter()
        .any(|interface| name.starts_with(interface));
    (needed && !grants.keyvalue).then_some("keyvalue")
}

/// Whether an export makes its component a function.
pub(in crate::runtime) fn exports_handler(name: &str) -> bool {
    name.starts_with(HANDLER)
}

/// That each of a function's imports is served.
///
/// # Errors
/// All that are not, with what is.
pub(in crate::runtime) fn check<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let refused: Vec<String> = names.filter_map(refuse).collect();
    match refused.is_empty() {
        true => Ok(()),
        false => Err(refused.join("; ")),
    }
}

/// Why a function's import is not linked, if it is not.
fn refuse(name: &str) -> Option<String> {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    if is_served(interface, version) {
        return None;
    }
    let why = match nearest(interface) {
        _ if interface.starts_with("wasi:keyvalue/") => {
            format!("the nearest that is: {KEYVALUE}@{}", keyvalue::VERSION)
        }
        Some(CONFIG) => format!("the nearest that is: {CONFIG}@{CONFIG_VERSION}"),
        Some(nearest) => format!("the nearest that is: {nearest}@0.2"),
        None if interface.starts_with("leyden:") => {
            "components that export wasi:http/incoming-handler are functions and get WASI only; one that exports \
             leyden:http/handler gets Leyden's packages"
                .into()
        }
        None => "functions get wasi:http, wasi:io, wasi:clocks, wasi:random, wasi:cli and wasi:config of WASI 0.2".into(),
    };
    Some(format!("it imports {name}, which is not served ({why})"))
}

fn is_served(interface: &str, version: &str) -> bool {
    if interface == CONFIG {
        return version == CONFIG_VERSION;
    }
    if keyvalue::INTERFACES.contains(&interface) {
        return version == keyvalue::VERSION;
    }
    let of_two = version.strip_prefix("0.2.");
    let released = |patch: &str| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit());
    of_two.is_some_and(released) && SERVED.contains(&interface)
}

/// The served interface that somebody may have meant: the same in another version, else another one of the same
/// package whose name is closest.
fn nearest(interface: &str) -> Option<&'static str> {
    let package = interface.split('/').next().unwrap_or(interface);
    let same_package = |served: &&&str| served.split('/').next() == Some(package);
    let in_common = |served: &&&str| {
        let pairs = served.bytes().zip(interface.bytes());
        pairs.take_while(|(one, other)| one == other).count()
    };
    SERVED
        .iter()
        .filter(same_package)
        .max_by_key(in_common)
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_is_named_with_what_is() {
        for served in [
            "wasi:http/types@0.2.0",
            "wasi:http/outgoing-handler@0.2.12",
            "wasi:config/store@0.2.0-rc.1",
            "wasi:cli/environment@0.2.3",
        ] {
            assert_eq!(refuse(served), None, "{served}");
        }
        for (import, hint) in [
            ("wasi:http/types@0.3.0", "wasi:http/types@0.2"),
            ("wasi:http/client@0.3.0", "wasi:http/"),
            ("wasi:http/types@0.2.0-rc-2023-11-10", "wasi:http/types@0.2"),
            (
                "wasi:config/runtime@0.2.0-draft",
                "wasi:config/store@0.2.0-rc.1",
            ),
            (
                "wasi:keyvalue/store@0.2.0-draft",
                "wasi:keyvalue/store@0.2.0-draft2",
            ),
            ("wasi:nn/graph@0.2.0", "functions get wasi:http"),
            ("fermyon:spin/variables@2.0.0", "functions get wasi:http"),
            ("leyden:state/store@0.1.0", "leyden:http/handler"),
            ("wasi:http/types", "wasi:http/types@0.2"),
        ] {
            let refused = refuse(import).unwrap_or_else(|| panic!("{import} is served"));
            assert!(
                refused.contains(import) && refused.contains(hint),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_handler_of_0_2_makes_a_function() {
        assert!(exports_handler("wasi:http/incoming-handler@0.2.0"));
        assert!(!exports_handler("wasi:http/handler@0.3.0"));
        assert!(!exports_handler("wasi:http/incoming-handler@0.3.0"));
    }
}
