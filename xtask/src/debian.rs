//! Packages of Debian and its children, for what rustup and crates.io do not have. It installs, and
//! never removes: nothing that is installed may go for it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// A compiler's packages are about 200 MB, and unpacking takes its time.
const APT_LIMIT: Duration = Duration::from_secs(900);

/// Installs packages; the error names the command that would.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let manual = manual(packages);
    if !is_debian_like(&fs::read_to_string("/etc/os-release").unwrap_or_default()) {
        bail!("this is not Debian or Ubuntu, so `{manual}` is not possible");
    }
    eprintln!("    installing {}", packages.join(" and "));
    let install = || {
        let mut apt = as_root("apt-get");
        apt.args(["-o", "DPkg::Lock::Timeout=60"]);
        apt.args(["install", "-y", "--no-install-recommends", "--no-remove"]);
        process::run_within(APT_LIMIT, apt.args(packages))
    };
    install()
        .or_else(|_| {
            process::run_within(APT_LIMIT, as_root("apt-get").arg("update"))?;
            install()
        })
        .with_context(|| format!("`{manual}` is not possible; run it as root"))
}

/// What a person would type.
pub(crate) fn manual(packages: &[&str]) -> String {
    format!("apt-get install -y {}", packages.join(" "))
}

/// `program`, asking nothing, as root or through a `sudo` that asks nothing.
pub(crate) fn as_root(program: &str) -> Command {
    let is_root = process::output(process::command("id").arg("-u")).is_ok_and(|id| id == "0");
    let mut command = if is_root {
        process::command("env")
    } else {
        let mut sudo = process::command("sudo");
        sudo.args(["-n", "env"]);
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    command
}

fn is_debian_like(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches('"').split_whitespace())
        .any(|id| matches!(id, "debian" | "ubuntu"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_children_are_recognised() {
        assert!(is_debian_like("PRETTY_NAME=\"x\"\nID=debian\n"));
        assert!(is_debian_like("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_debian_like("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian_like("ID=fedora\nVARIANT_ID=debian\n"));
        assert!(!is_debian_like(""));
    }
}
