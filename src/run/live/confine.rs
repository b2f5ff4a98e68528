//! Gives up what a run does not need once its interfaces are open.
//!
//! In this order: the user, capabilities, the right to gain any, writing outside the output
//! folders, and calls that no part of the program makes. What could not be given up is told; that
//! a user could not be become is an error.

use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid, setgid, setgroups, setuid};

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// A user to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account(User);

impl Account {
    /// Looks a user up.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub(super) fn of(name: &str) -> Result<Self, String> {
        match User::from_name(name) {
            Ok(Some(user)) => Ok(Self(user)),
            Ok(None) => Err(format!("--user: there is no user {name}")),
            Err(error) => Err(format!("--user: can't look up {name}: {error}")),
        }
    }

    /// Numbers of the user and of its group.
    pub(super) fn ids(&self) -> (u32, u32) {
        (self.0.uid.as_raw(), self.0.gid.as_raw())
    }

    /// Makes a folder the user's own.
    pub(super) fn own(&self, folder: &Path) -> Result<(), String> {
        let (user, group) = self.ids();
        std::os::unix::fs::chown(folder, Some(user), Some(group)).map_err(|error| {
            format!("--user: can't give {} to {}: {error}", folder.display(), self.0.name)
        })
    }

    fn become_it(&self) -> Result<(), String> {
        let steps = setgroups(&[self.0.gid])
            .and_then(|()| setgid(self.0.gid))
            .and_then(|()| setuid(self.0.uid));
        steps.map_err(|error| format!("--user: can't become {}: {error}", self.0.name))
    }
}

/// Takes the right to open interfaces into use, where the program's file grants it without: so that
/// a container that lacks the right can still run the program for what needs none.
pub(super) fn take_up_rights() {
    let has = |set| caps::has_cap(None, set, Capability::CAP_NET_RAW).unwrap_or(false);
    if has(CapSet::Permitted) && !has(CapSet::Effective) {
        // Without it, opening an interface fails and says what to do.
        let _ = caps::raise(None, CapSet::Effective, Capability::CAP_NET_RAW);
    }
}

/// Gives up what is not needed: this thread and those that it starts from now on.
///
/// Gives what could not be given up, in words.
///
/// # Errors
///
/// When the user can't be become.
pub(super) fn confine(
    account: Option<&Account>,
    folders: &[PathBuf],
    is_confined: bool,
) -> Result<Vec<String>, String> {
    if let Some(account) = account {
        // Needs a capability of its own; without it nothing is gained by what is left there.
        let _ = caps::clear(None, CapSet::Bounding);
        account.become_it()?;
    }
    let mut left = Vec::new();
    if !is_confined {
        return Ok(left);
    }
    let is_root = geteuid().is_root();
    if is_root {
        left.push("still runs as root; --user NAME gives that up".to_owned());
    }
    let mut told = |what: &str, result: Result<(), String>| {
        if let Err(error) = result {
            left.push(format!("{what} could not be given up: {error}"));
        }
    };
    told("capabilities", drop_capabilities(is_root));
    told(
        "gaining privileges",
        nix::sys::prctl::set_no_new_privs().map_err(|error| error.to_string()),
    );
    told("writing elsewhere than the output folders", restrict_files(folders));
    told("system calls that are not needed", restrict_calls());
    Ok(left)
}

/// Root keeps one capability: to write to folders of others, as it is expected to.
fn drop_capabilities(is_root: bool) -> Result<(), String> {
    let mut kept = CapsHashSet::new();
    let has = |cap| caps::has_cap(None, CapSet::Permitted, cap).unwrap_or(false);
    if is_root && has(Capability::CAP_DAC_OVERRIDE) {
        kept.insert(Capability::CAP_DAC_OVERRIDE);
    }
    let _ = caps::clear(None, CapSet::Ambient);
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept).map_err(|error| error.to_string())?;
    }
    caps::clear(None, CapSet::Inheritable).map_err(|error| error.to_string())
}

/// Lets nothing be written but below these folders.
fn restrict_files(folders: &[PathBuf]) -> Result<(), String> {
    let access = AccessFs::from_write(ABI::V3) | AccessFs::Execute;
    let opened = folders.iter().map(|folder| PathFd::new(room_of(folder)));
    let opened = opened.collect::<Result<Vec<_>, _>>();
    let opened = opened.map_err(|error| error.to_string())?;
    let restrict = || {
        let mut rules = Ruleset::default().handle_access(access)?.create()?;
        for folder in opened {
            rules = rules.add_rule(PathBeneath::new(folder, AccessFs::from_write(ABI::V3)))?;
        }
        rules.restrict_self()
    };
    let status = restrict().map_err(|error: landlock::RulesetError| error.to_string())?;
    match status.ruleset {
        RulesetStatus::NotEnforced => {
            Err("the kernel has no Landlock, or a container does not let it through".to_owned())
        }
        _ => Ok(()),
    }
}

/// Where an output folder may be written. A folder that is removed and made again is another one to
/// Landlock, so where it is alone in the folder that holds it, that one is taken: there is nothing
/// else to be harmed, and reports go on.
fn room_of(folder: &Path) -> PathBuf {
    let alone = || {
        let folder = folder.canonicalize().ok().filter(|folder| folder.is_dir())?;
        let parent = folder.parent()?.to_owned();
        let mut entries = parent.read_dir().ok()?.map_while(Result::ok);
        let is_it = |entry: std::fs::DirEntry| entry.path() == folder;
        (entries.next().is_some_and(is_it) && entries.next().is_none()).then_some(parent)
    };
    alone().unwrap_or_else(|| folder.to_owned())
}

/// Lets no program be run, nothing be connected to, and the kernel not be changed.
fn restrict_calls() -> Result<(), String> {
    let arch = std::env::consts::ARCH.try_into().map_err(|_| "not on this processor".to_owned())?;
    let errno = u32::try_from(libc::EPERM).unwrap_or(1);
    let denied = DENIED_CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let filter =
        SeccompFilter::new(denied, SeccompAction::Allow, SeccompAction::Errno(errno), arch);
    let program = filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

/// Calls that no part of the program makes after its beginning.
const DENIED_CALLS: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setuid,
    libc::SYS_setgid,
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_that_is_alone_may_be_made_again() {
        let base = std::env::temp_dir().join(format!("tlsunset-room-{}", std::process::id()));
        let _ = fs::remove_dir_all(&base);
        let folder = base.join("reports");
        fs::create_dir_all(&folder).unwrap();
        let base = base.canonicalize().unwrap();
        assert_eq!(room_of(&folder), base);
        fs::write(base.join("other"), "").unwrap();
        assert_eq!(room_of(&folder), folder);
        assert_eq!(room_of(&base.join("other")), base.join("other"), "no folder");
        assert_eq!(room_of(Path::new("/")), Path::new("/"));
        assert_eq!(room_of(&base.join("none")), base.join("none"));
        fs::remove_dir_all(base).unwrap();
    }
}
