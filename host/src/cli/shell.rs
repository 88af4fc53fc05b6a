//! `leyden completions SHELL` and `leyden man`: what shells and `man` know of the command line. Both are made from its
//! definition, so they cannot differ from it.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use super::{Cli, Context, Error};

/// Prints completions of verbs and options for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden completions bash > ~/.local/share/bash-completion/completions/leyden
  leyden completions zsh > \"${fpath[1]}/_leyden\"
  leyden completions fish > ~/.config/fish/completions/leyden.fish
  leyden completions powershell >> $PROFILE")]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut shown(), "leyden", &mut script);
        print(context, &script)
    }
}

/// The command line without the verbs that hosts keep for themselves: not every shell's script would leave them out.
fn shown() -> Command {
    let whole = Cli::command();
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set());
    let (verbs, options) = (verbs.cloned(), whole.get_arguments().cloned());
    Command::new("leyden")
        .version(env!("CARGO_PKG_VERSION"))
        .args(options)
        .subcommands(verbs)
}

/// Prints the manual page, or writes one for each verb into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden man | man -l -
  leyden man --dir ~/.local/share/man/man1     leyden.1, leyden-deploy.1 and so on")]
pub(super) struct Man {
    /// Write a page for each verb into this folder.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, context: &Context) -> Result<(), Error> {
        let Some(dir) = self.dir else {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            return print(context, &page);
        };
        write_pages(&dir).map_err(|source| Error::unwritable(&dir, source))?;
        context.show(&json!({ "folder": dir }))
    }
}

fn write_pages(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)
}

fn print(context: &Context, text: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(text);
    Ok(context.screen.line(text.trim_end())?)
}
