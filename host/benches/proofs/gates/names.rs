//! Ids that are chosen to be taken for others, and keys that are not quite keys.

/// Ids that mean something elsewhere: in paths, keys, accounts, markup, or to the eye.
const ODD: [&str; 48] = [
    "a",
    "A",
    "a b",
    "a  b",
    "acme",
    "acme2",
    "acm",
    "Acme",
    "ACME",
    "acme.",
    "acme-",
    "acme_",
    "acme...",
    "%2e%2e",
    "%00",
    "a%2Fb",
    "a\\b",
    "a?b",
    "a#b",
    "a;b",
    "a&b=c",
    "a:b",
    "a,b",
    "a+b",
    "issuer",
    "revenue",
    "hold",
    "partner",
    "leyden.partners",
    "admin",
    "receipt-keys",
    "plugins",
    "é",
    "e\u{301}",
    "\u{202e}emca",
    "acme\u{200b}",
    "\u{feff}acme",
    "аcme",
    "😀",
    "{id}",
    "*",
    "' or 1=1 --",
    "<script>",
    "null",
    "0",
    "-1",
    "~",
    "\u{10ffff}",
];

/// So many ids, no two alike.
pub fn ids(count: usize) -> Vec<String> {
    let odd = ODD.map(str::to_owned);
    // Each is the beginning of the next; the longest have as many bytes as an id may.
    let nested = (1..=26).map(|length| "x".repeat(length));
    let long = (0..26_u8).map(|last| format!("{}{}", "y".repeat(127), (b'a' + last) as char));
    let mut all: Vec<_> = odd.into_iter().chain(nested).chain(long).collect();
    if count < all.len() {
        // Some of each kind.
        let step = all.len() as f64 / count as f64;
        all = (0..count)
            .map(|n| all[(n as f64 * step) as usize].clone())
            .collect();
    }
    assert_eq!(all.len(), count, "as many as are asked for");
    all
}

/// Keys made of a partner's and another's that must open nothing.
pub fn forged(key: &str, other: &str) -> Vec<String> {
    let parts: Vec<_> = key.split('_').collect();
    let others: Vec<_> = other.split('_').collect();
    let (Some(last), true) = (key.chars().last(), parts.len() >= 4) else {
        return Vec::new();
    };
    let changed = if last == '0' { '1' } else { '0' };
    let mut upper = key.to_uppercase();
    upper.replace_range(..3, "ley");
    vec![
        key[..key.len() - 1].to_owned(),
        format!("{}{changed}", &key[..key.len() - 1]),
        format!("{key}0"),
        format!("{key} {key}"),
        format!("{key},{other}"),
        upper,
        key.replacen("ley_", "", 1),
        // Another's id before the own secret, and the other way round.
        key.replacen(parts[1], others[1], 1),
        format!(
            "{}_{}_{}",
            parts[..2].join("_"),
            others[2..others.len() - 1].join("_"),
            parts[parts.len() - 1]
        ),
        format!("ley_{}__", parts[1]),
        String::new(),
        "ley".to_owned(),
        "Bearer".to_owned(),
    ]
}
