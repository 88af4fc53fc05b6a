use super::keep::{Taken, take};
use super::*;

fn version(bytes: &str, name: &str, size_bytes: u64) -> Version {
    Version {
        digest: Digest::of(bytes.as_bytes()),
        version: PluginVersion::parse(name).unwrap(),
        size_bytes,
        datasets: vec![Dataset::Production],
        uploaded_at_ms: 1,
        signature: name.to_owned(),
        signed_by: String::new(),
        activation: 0,
    }
}

fn taken(plugin: Option<&Plugin>, bytes: &str, name: &str) -> Taken {
    take(plugin, &version(bytes, name, 1), 0).unwrap()
}

fn names(plugin: &Plugin) -> Vec<&str> {
    let names = plugin
        .versions
        .iter()
        .map(|version| version.version.as_str());
    names.collect()
}

#[test]
fn the_last_upload_is_active_and_the_one_before_is_found() {
    let one = taken(None, "a", "1").plugin;
    assert_eq!((one.active, one.before()), (Digest::of(b"a"), None));
    let two = taken(Some(&one), "b", "2").plugin;
    assert_eq!(
        (two.active, names(&two)),
        (Digest::of(b"b"), vec!["2", "1"])
    );
    assert_eq!(two.before().unwrap().digest, one.active);
    let again = taken(Some(&two), "a", "1").plugin;
    assert_eq!((again.active, names(&again)), (one.active, vec!["2", "1"]));
    assert_eq!(again.before().unwrap().digest, two.active);
    let repeated = taken(Some(&again), "a", "1").plugin;
    assert_eq!(repeated, again, "nothing changes");
}

#[test]
fn going_back_goes_further_back_each_time_and_never_forward() {
    let mut plugin = taken(None, "a", "1").plugin;
    for (bytes, name) in [("b", "2"), ("c", "3")] {
        plugin = taken(Some(&plugin), bytes, name).plugin;
    }
    let back = |plugin: &mut Plugin| {
        let before = plugin.before().map(|before| before.digest);
        before.inspect(|digest| plugin.roll_back(*digest))
    };
    let digest = |bytes: &str| Some(Digest::of(bytes.as_bytes()));
    assert_eq!(back(&mut plugin), digest("b"));
    assert_eq!(back(&mut plugin), digest("a"));
    assert_eq!(back(&mut plugin), None, "not to what it came back from");
    // Named, it goes forward, and from there back again.
    plugin.roll_back(Digest::of(b"c"));
    assert_eq!(back(&mut plugin), digest("a"));
    // What is uploaded after a rollback follows the version that ran then.
    plugin = taken(Some(&plugin), "b", "2").plugin;
    assert_eq!(back(&mut plugin), digest("a"));
    // Records of former versions tell the order of the last activations.
    plugin.led.clear();
    assert_eq!(plugin.before().unwrap().digest, Digest::of(b"b"));
}

#[test]
fn the_same_bytes_under_another_name_are_the_same_version() {
    let one = taken(None, "a", "1").plugin;
    let two = taken(Some(&one), "a", "2").plugin;
    assert_eq!((two.active, names(&two)), (one.active, vec!["2"]));
    assert_eq!(two.versions[0].signature, "2");
}

#[test]
fn versions_are_found_by_digest_or_name_the_newest_first() {
    let one = taken(None, "a", "dev").plugin;
    let two = taken(Some(&one), "b", "dev").plugin;
    assert_eq!(two.named("dev").unwrap().digest, Digest::of(b"b"));
    assert_eq!(
        two.named(&Digest::of(b"a").to_string()).unwrap().digest,
        Digest::of(b"a")
    );
    assert_eq!(two.named("1"), None);
}

#[test]
fn old_versions_go_and_the_active_one_stays() {
    let mut plugin = taken(None, "0", "0").plugin;
    for number in 1..VERSIONS_MAX {
        plugin = taken(Some(&plugin), &number.to_string(), &number.to_string()).plugin;
    }
    plugin.activate(Digest::of(b"0"));
    let more = taken(Some(&plugin), "more", "more");
    assert_eq!(
        more.dropped,
        [Digest::of(b"1")],
        "0 was active a moment ago"
    );
    assert_eq!(more.plugin.versions.len(), VERSIONS_MAX);
    let again = taken(Some(&plugin), "0", "0");
    assert_eq!(
        (again.dropped.len(), again.plugin.active),
        (0, Digest::of(b"0"))
    );
}

#[test]
fn bytes_are_bounded_and_what_is_inactive_makes_room() {
    let half = BYTES_MAX / 2;
    let one = take(None, &version("a", "1", half), 0).unwrap().plugin;
    let two = take(Some(&one), &version("b", "2", half), 0).unwrap();
    assert!(two.dropped.is_empty());
    let three = take(Some(&two.plugin), &version("c", "3", half), 0).unwrap();
    assert_eq!(three.dropped, [Digest::of(b"a")]);
    let crowded = take(Some(&two.plugin), &version("c", "3", half), half).unwrap();
    assert_eq!(crowded.dropped, [Digest::of(b"a"), Digest::of(b"b")]);
    assert!(take(Some(&two.plugin), &version("c", "3", half), half + 1).is_none());
}

#[test]
fn a_record_is_read_back() {
    let plugin = taken(Some(&taken(None, "a", "1").plugin), "b", "2").plugin;
    let bytes = serde_json::to_vec(&plugin).unwrap();
    assert_eq!(serde_json::from_slice::<Plugin>(&bytes).unwrap(), plugin);
}
