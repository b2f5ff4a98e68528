//! What a label of a host name tells of its service, as its administrators commonly choose it.
//!
//! Names here are in normal form. Whoever judges asks here, and so do pseudonyms, which keep what
//! decides ([`telling`]).

/// How hosts of AD FS are commonly called: an administrator's choice, as Microsoft demands no name.
const AD_FS: [&str; 4] = ["adfs", "sts", "fs", "federation"];

/// Digits that count hosts: `sts2`, `adfs01`.
const COUNT_DIGITS_MAX: usize = 2;

/// How hosts of Skype for Business Online that speak SIP begin: `sip`, `sipdir`, `sipfed`.
const SIP: &str = "sip";

/// How the host begins where Skype for Business Online takes `PowerShell` of administrators.
const ADMIN: &str = "admin";

/// Whether a host of a domain is called as hosts of AD FS are.
pub(crate) fn is_ad_fs(name: &str) -> bool {
    name.split_once('.').is_some_and(|(label, _)| is_ad_fs_label(label))
}

fn is_ad_fs_label(label: &str) -> bool {
    let word = label.trim_end_matches(|last: char| last.is_ascii_digit());
    label.len() - word.len() <= COUNT_DIGITS_MAX && AD_FS.contains(&word)
}

/// Whether a host of Skype for Business Online is called as those that speak SIP are.
pub(crate) fn is_sip(name: &str) -> bool {
    name.starts_with(SIP)
}

/// Whether a host is where Skype for Business Online takes `PowerShell` of administrators.
pub(crate) fn is_skype_admin(name: &str) -> bool {
    name.strip_suffix(".online.lync.com").is_some_and(|host| host.starts_with(ADMIN))
}

/// The part of a label, or of several, that decides, from its start: all of it, a beginning or
/// nothing.
pub(crate) fn telling(label: &str) -> &str {
    let first_len = label.find('.').map_or(label.len(), |dot| dot + 1);
    let first = &label[..first_len];
    if is_ad_fs_label(first.trim_end_matches('.')) {
        return first;
    }
    [SIP, ADMIN].into_iter().find(|begins| label.starts_with(begins)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_is_kept_and_no_more() {
        for (label, expect) in [
            ("sts", "sts"),
            ("sts2", "sts2"),
            ("adfs01", "adfs01"),
            ("fs20181031", ""),
            ("fsx", ""),
            ("sip", "sip"),
            ("sippool7", "sip"),
            ("admin0b", "admin"),
            ("fs.eu.corp", "fs."),
            ("www.fs", ""),
            ("", ""),
        ] {
            assert_eq!(telling(label), expect, "{label}");
        }
    }

    #[test]
    fn ad_fs_has_a_domain() {
        assert!(is_ad_fs("federation.contoso.com") && is_ad_fs("fs1.example"));
        assert!(!is_ad_fs("fs") && !is_ad_fs("2.example") && !is_ad_fs("fs123.example"));
    }
}
