//! Arguments of `generate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tlsunset generate man | man -l -                  read the manual page
  tlsunset generate man --out /usr/local/share/man/man1
  tlsunset generate complete-bash --out ~/.local/share/bash-completion/completions
  tlsunset generate complete-zsh --out ~/.zfunc
  tlsunset generate complete-fish --out ~/.config/fish/completions
  tlsunset generate complete-powershell >> $PROFILE")]
pub struct GenerateArguments {
    /// What is printed
    pub kind: Kind,

    /// Write files with their usual names into this folder; for man, a page for each command
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// What the command line can be turned into, by the names that ripgrep has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Manual pages, section 1
    Man,
    /// Completions for bash
    CompleteBash,
    /// Completions for elvish
    CompleteElvish,
    /// Completions for fish
    CompleteFish,
    /// Completions for PowerShell
    CompletePowershell,
    /// Completions for zsh
    CompleteZsh,
}
