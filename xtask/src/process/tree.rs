//! Ending a program with all that it has started. Not by a process group of its own, which would take the terminal from it: on
//! that sudo asks for a password, and Ctrl-C ends everything.
//!
//! Who started whom is read from `/proc`; where there is none, the program alone is ended. What has left its parent behind
//! (a daemon) is not found.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};

/// Ends a child and everything below it.
pub(super) fn end(child: &mut Child) -> io::Result<()> {
    signal("KILL", &stopped(child.id()));
    child.kill()?;
    child.wait().map(|_| ())
}

/// A process and everything below it, each of them stopped, so that they start nothing more.
fn stopped(root: u32) -> Vec<u32> {
    let (mut all, mut known) = (vec![root], 0);
    while known < all.len() {
        signal("STOP", &all[known..]);
        known = all.len();
        let below = parents().filter(|(id, parent)| all.contains(parent) && !all.contains(id));
        let below: Vec<u32> = below.map(|(id, _)| id).collect();
        all.extend(below);
    }
    all
}

/// Every process with its parent.
fn parents() -> impl Iterator<Item = (u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let (_, parent) = state(id)?;
        Some((id, parent))
    })
}

/// A process's state and its parent: what follows its name in `/proc/ID/stat`, which is in brackets and may be anything.
fn state(id: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, after) = text.rsplit_once(')')?;
    let mut words = after.split_whitespace();
    let state = words.next()?.to_owned();
    Some((state, words.next()?.parse().ok()?))
}

/// Sends a signal. One that has ended meanwhile, or may not be sent it, is left.
fn signal(name: &str, to: &[u32]) {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -s \"$@\"", "sh", name]);
    kill.args(to.iter().map(u32::to_string));
    let _left = kill.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    fn is_running(id: u32) -> bool {
        state(id).is_some_and(|(state, _)| !["Z", "X"].contains(&state.as_str()))
    }

    #[test]
    fn what_a_program_has_started_ends_with_it() {
        let file = std::env::temp_dir().join(format!("leyden-tree-{}", std::process::id()));
        let _none = fs::remove_file(&file);
        let inner = "sleep 300 & echo $! > \"$0.new\"; mv \"$0.new\" \"$0\"; wait";
        let outer = format!("sh -c '{inner}' \"$0\" & wait");
        let mut child = Command::new("sh");
        let child = child.args(["-c", &outer]).arg(&file).spawn();
        let mut child = child.expect("a shell");
        let since = Instant::now();
        let id = loop {
            assert!(since.elapsed() < Duration::from_secs(60), "it starts");
            match fs::read_to_string(&file) {
                Ok(text) => break text.trim().parse().expect("an id"),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        };
        fs::remove_file(&file).expect("a file");
        assert!(is_running(id), "it runs until it is ended");
        end(&mut child).expect("it can be ended");
        let since = Instant::now();
        while is_running(id) {
            assert!(since.elapsed() < Duration::from_secs(10), "it ends");
            thread::sleep(Duration::from_millis(10));
        }
    }
}
