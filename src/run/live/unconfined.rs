//! Giving up privileges where this program does not know how.

use std::path::{Path, PathBuf};

/// A user to become: none can be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {}

impl Account {
    /// Says that users can't be changed.
    pub(super) fn of(_: &str) -> Result<Self, String> {
        Err("--user: not on this system".to_owned())
    }

    /// Numbers of the user and of its group.
    pub(super) fn ids(&self) -> (u32, u32) {
        match *self {}
    }

    /// Makes a folder the user's own.
    pub(super) fn own(&self, _: &Path) -> Result<(), String> {
        match *self {}
    }
}

/// Rights are as they are.
pub(super) fn take_up_rights() {}

/// Gives nothing up, and says so.
pub(super) fn confine(
    _: Option<&Account>,
    _: &[PathBuf],
    is_confined: bool,
) -> Result<Vec<String>, String> {
    let left = "runs with all rights of its user: it can give none up on this system";
    Ok(if is_confined { vec![left.to_owned()] } else { Vec::new() })
}
