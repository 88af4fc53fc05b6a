//! Running other programs: from the workspace's root, announced on standard error, and within a
//! bounded time where they may wait for a network.

mod tree;

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::paths;

/// How often a bounded run looks whether its child has ended: short beside anything it runs.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A command that runs in the workspace's root. What it prints is progress, unless its caller
/// says otherwise: standard output is for results.
pub(crate) fn command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    command.current_dir(paths::root()).stdout(io::stderr());
    command
}

/// The cargo that runs this program, so that one toolchain builds everything.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs `command`, announced, and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    run_unannounced(command)
}

/// As [`run`], for a command whose caller says better what it does.
pub(crate) fn run_unannounced(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    succeeded(command, status)
}

/// As [`run`], and ends the command with all that it has started when it takes longer than `limit`.
pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Result<()> {
    announce(command);
    let child = command.spawn().with_context(|| cannot_start(command))?;
    end_within(limit, command, child)
}

fn end_within(limit: Duration, command: &Command, mut child: Child) -> Result<()> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return succeeded(command, status);
        }
        if started.elapsed() > limit {
            tree::end(&mut child)?;
            bail!(
                "`{}` took longer than {} s",
                words(command),
                limit.as_secs()
            );
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// What `command` prints, without the last line break. Its standard error is shown.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let (text, status) = captured(command)?;
    succeeded(command, status)?;
    Ok(text)
}

/// As [`output`], and ends the command with all that it has started when it takes longer than `limit`.
pub(crate) fn output_within(limit: Duration, command: &mut Command) -> Result<String> {
    command.stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    let (tell, told) = mpsc::channel();
    let stdout = child.stdout.take();
    thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.map_or(Ok(0), |mut stdout| stdout.read_to_string(&mut text));
        // Nobody is told once the limit is over.
        let _ = tell.send(read.map(|_| text));
    });
    end_within(limit, command, child)?;
    // Not joined: what the command has left behind may hold its output open.
    let text = told.recv_timeout(limit);
    let text = text.with_context(|| format!("`{}` left its output open", words(command)))??;
    Ok(text.trim_end().to_owned())
}

/// As [`output`], for a command whose failure is an answer too: whether it succeeded.
pub(crate) fn output_and_success(command: &mut Command) -> Result<(String, bool)> {
    let (text, status) = captured(command)?;
    Ok((text, status.success()))
}

fn captured(command: &mut Command) -> Result<(String, ExitStatus)> {
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| cannot_start(command))?;
    let text = String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something other than UTF-8", words(command)))?;
    Ok((text.trim_end().to_owned(), output.status))
}

/// Whether `command` can be run and succeeds; it prints nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as a person would type it, without its folder and environment.
pub(crate) fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let mut text = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text += &argument.to_string_lossy();
    }
    text
}

fn announce(command: &Command) {
    eprintln!("    $ {}", words(command));
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", command.get_program().display())
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed with {status}", words(command));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_takes_too_long_is_ended() {
        let started = Instant::now();
        let error = run_within(Duration::from_millis(100), command("sleep").arg("30"))
            .expect_err("sleep is longer than its limit");
        assert!(error.to_string().contains("took longer"), "{error}");
        let limit = Duration::from_millis(100);
        for script in ["echo a; exec sleep 30", "sleep 30 & echo a"] {
            assert!(output_within(limit, command("sh").args(["-c", script])).is_err());
        }
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn failure_names_the_command() {
        let error = run(command("sh").args(["-c", "exit 3"])).expect_err("exit 3 is a failure");
        assert!(
            error.to_string().starts_with("`sh -c exit 3` failed"),
            "{error}"
        );
        assert!(run(&mut command("leyden-no-such-program")).is_err());
        let plenty = Duration::from_secs(10);
        let told = output_within(plenty, command("sh").args(["-c", "echo a; echo b"]));
        assert_eq!(told.expect("it succeeds"), "a\nb");
        assert!(output_within(plenty, command("sh").args(["-c", "echo a; exit 3"])).is_err());
        assert!(!succeeds(&mut command("leyden-no-such-program")));
        let told = output_and_success(command("sh").args(["-c", "echo no; exit 3"]));
        assert_eq!(told.expect("it starts"), ("no".to_owned(), false));
    }
}
