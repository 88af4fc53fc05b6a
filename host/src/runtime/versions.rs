//! Versions of WIT packages: which ones this host knows, and what two versions of an interface have in
//! common, its name. Carrying values over from one to the other is the business of `adapt.rs`.
//!
//! A version is known for as long as components built against it may be deployed: one that was
//! released is never taken off this list.

/// The packages of Leyden with their known versions, the oldest first. Where a package has several, its
/// interfaces of any version can be called by components built against any other.
const KNOWN: [(&str, &[&str]); 11] = [
    ("leyden:clock", &["0.1.0"]),
    ("leyden:data", &["0.1.0"]),
    ("leyden:grid", &["0.1.0"]),
    ("leyden:http", &["0.1.0"]),
    ("leyden:ledger", &["0.1.0"]),
    ("leyden:log", &["0.1.0"]),
    ("leyden:partners", &["0.1.0"]),
    ("leyden:policy", &["0.1.0", "0.2.0"]),
    ("leyden:random", &["0.1.0"]),
    ("leyden:state", &["0.1.0"]),
    ("leyden:streams", &["0.1.0"]),
];

/// The namespace of the packages above; others are the operator's own and are not checked.
const NAMESPACE: &str = "leyden:";

/// An interface's name without its version: `leyden:policy/shed` of `leyden:policy/shed@0.1.0`.
pub(crate) fn without(interface: &str) -> &str {
    interface
        .split_once('@')
        .map_or(interface, |(name, _)| name)
}

/// Which versions there are, if an interface is one of Leyden's and of none of them.
pub(super) fn unknown(interface: &str) -> Option<String> {
    if !interface.starts_with(NAMESPACE) {
        return None;
    }
    let Some(known) = known(interface) else {
        return Some(format!("known are {}", all()));
    };
    let version = interface.split_once('@').map(|(_, version)| version);
    if version.is_some_and(|version| known.contains(&version)) {
        return None;
    }
    let package = package(interface);
    Some(format!("of {package} {} is known", known.join(" and ")))
}

/// All packages with their versions, in words.
pub(super) fn all() -> String {
    let packages = KNOWN.map(|(package, versions)| format!("{package}@{}", versions.join(" and ")));
    packages.join(", ")
}

fn known(interface: &str) -> Option<&'static [&'static str]> {
    let package = package(interface);
    let mut all = KNOWN.iter();
    all.find_map(|(known, versions)| (*known == package).then_some(*versions))
}

fn package(interface: &str) -> &str {
    interface
        .split_once('/')
        .map_or(interface, |(package, _)| package)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Worlds are for building against; no component has them in its type.
    const WITHOUT_INTERFACES: &str = "worlds";

    #[test]
    fn the_list_is_what_the_folder_of_packages_has() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/deps");
        let packages = std::fs::read_dir(folder).expect("wit/deps");
        let names = packages.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.into_string().expect("text"));
        let there: BTreeSet<String> = names
            .filter(|name| !name.starts_with(WITHOUT_INTERFACES))
            .map(|name| format!("{NAMESPACE}{name}"))
            .collect();
        let listed = KNOWN.iter().flat_map(|(package, versions)| {
            versions
                .iter()
                .map(move |version| format!("{package}@{version}"))
        });
        assert_eq!(listed.collect::<BTreeSet<_>>(), there);
    }

    #[test]
    fn an_interface_of_an_unknown_version_or_package_is_told_what_there_is() {
        let policies = "of leyden:policy 0.1.0 and 0.2.0 is known";
        for (interface, told) in [
            ("leyden:policy/shed@0.1.0", None),
            ("leyden:policy/shed@0.2.0", None),
            ("leyden:policy/shed@0.9.0", Some(policies)),
            ("leyden:policy/shed", Some(policies)),
            (
                "leyden:state/store@0.2.0",
                Some("of leyden:state 0.1.0 is known"),
            ),
            ("acme:policy/shed@0.9.0", None),
            ("run", None),
        ] {
            assert_eq!(unknown(interface).as_deref(), told, "{interface}");
        }
        let told = unknown("leyden:weather/wind@0.1.0").expect("it is unknown");
        assert!(told.contains("leyden:policy@0.1.0 and 0.2.0"), "{told}");
    }
}
