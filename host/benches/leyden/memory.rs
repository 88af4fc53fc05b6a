//! The memory of a process, as the kernel tells it.

/// What a process has for itself and cannot give back without losing it (anonymous pages), MiB. Pages of mapped files are not
/// in it: the kernel can take those back.
pub(crate) fn private_mib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.expect("RssAnon in KiB") / 1024.0
}

/// Places in a process's address space where something is mapped.
pub(crate) fn mappings(process: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("a process");
    maps.lines().count()
}
