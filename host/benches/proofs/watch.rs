//! Watches a process's memory from outside, often enough to see what a single call takes.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Memory of a process, bytes.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    /// Resident when the watch began.
    pub before: u64,
    /// The most that was resident.
    pub most: u64,
    /// The most that its children had resident together.
    pub children: u64,
}

impl Seen {
    /// How much more it was than before.
    pub fn grown(&self) -> u64 {
        self.most.saturating_sub(self.before)
    }
}

/// A running watch.
pub struct Watch {
    stop: watch::Sender<bool>,
    task: JoinHandle<Seen>,
}

impl Watch {
    /// Watches a process.
    pub fn start(process: u32) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let before = resident(process);
            let mut seen = Seen {
                before,
                most: before,
                children: 0,
            };
            while !*stopped.borrow() {
                seen.most = seen.most.max(resident(process));
                seen.children = seen.children.max(of_children(process));
                drop(tokio::time::timeout(LOOK_EVERY, stopped.changed()).await);
            }
            seen
        });
        Self { stop, task }
    }

    /// Ends it.
    pub async fn stop(self) -> Seen {
        self.stop.send_replace(true);
        self.task.await.expect("no panic")
    }
}

/// Resident memory of a process, bytes; 0 where there is none.
pub fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

fn of_children(process: u32) -> u64 {
    let tasks = std::fs::read_dir(Path::new("/proc").join(process.to_string()).join("task"));
    let tasks = tasks.into_iter().flatten().flatten();
    let children =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let resident = children.flat_map(|line| {
        let ids = line.split_whitespace().filter_map(|id| id.parse().ok());
        ids.map(resident).collect::<Vec<_>>()
    });
    resident.sum()
}
