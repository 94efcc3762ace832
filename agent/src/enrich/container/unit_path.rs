//! What a cgroup path tells of the service of systemd in it.
//!
//! Below any number of slices a path names one unit: systemd makes that cgroup, and what lies deeper
//! was made by the unit itself, which may name it as it likes. So the outermost name counts. The one
//! exception is the service of a user's manager, `user@1000.service`: its units are named below it, and
//! belong to that user.
//!
//! Scopes are no services: they hold what others started (sessions of people, virtual machines).
//! Neither is what `systemd-run` starts without a name, for the name that it gets never comes again.

use crate::model::SERVICE;

/// Longest name of a unit.
const MAX_NAME: usize = 255;
const SLICE: &str = ".slice";
/// Service of a user's manager.
const MANAGER: &str = "user@";

/// A service as named by a cgroup path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitPath<'a> {
    /// Name of the service.
    pub name: &'a str,
    /// The service of the manager of the user whose unit it is; `None` for the node's.
    pub manager: Option<&'a str>,
    /// Path of the service's own cgroup: the given path, or an ancestor of it.
    pub cgroup: &'a str,
}

impl UnitPath<'_> {
    /// The parsed path was that of the service's own cgroup, not of one inside it.
    pub fn is_own(&self, path: &[u8]) -> bool {
        let trailing = path.iter().rev().take_while(|byte| **byte == b'/').count();
        self.cgroup.len() == path.len() - trailing
    }
}

/// The service that a cgroup belongs to, `None` when the path names none.
pub fn parse_unit_path(path: &[u8]) -> Option<UnitPath<'_>> {
    let mut manager = None;
    let mut end = 0;
    for component in path.split_inclusive(|byte| *byte == b'/') {
        let begin = end;
        end += component.len();
        let component = component.strip_suffix(b"/").unwrap_or(component);
        if component.is_empty() && begin == 0 {
            continue;
        }
        let name = unit_name(component)?;
        if name.ends_with(SLICE) {
            continue;
        }
        if !name.ends_with(SERVICE) || is_nameless(name) {
            return None;
        }
        if manager.is_none() && name.starts_with(MANAGER) {
            manager = Some(name);
            continue;
        }
        // A name of a unit is ASCII, and so is the path up to it.
        let cgroup = std::str::from_utf8(path.get(..begin + component.len())?).ok()?;
        return Some(UnitPath {
            name,
            manager,
            cgroup,
        });
    }
    None
}

/// The name of the unit that has this cgroup. A name that could be taken for a file of the cgroup has
/// an underscore in front (`cg_escape` of systemd).
fn unit_name(component: &[u8]) -> Option<&str> {
    let name = component.strip_prefix(b"_").unwrap_or(component);
    let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(byte);
    let begins = name.first().is_some_and(|byte| !b"@.".contains(byte));
    if !begins || name.len() > MAX_NAME || !name.iter().all(is_valid) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

/// Whether the name was made up by `systemd-run`: `run-u17.service`, `run-r4e6b2f0c….service`,
/// `run-p4711-i17.service`.
fn is_nameless(name: &str) -> bool {
    let made_up = name
        .strip_suffix(SERVICE)
        .and_then(|name| name.strip_prefix("run-"));
    let Some(made_up) = made_up else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(number) = made_up.strip_prefix('u') {
        return is_number(number);
    }
    if let Some(random) = made_up.strip_prefix('r') {
        return random.len() == 32 && random.bytes().all(|b| b.is_ascii_hexdigit());
    }
    let process = made_up
        .strip_prefix('p')
        .and_then(|rest| rest.split_once("-i"));
    process.is_some_and(|(pid, number)| is_number(pid) && is_number(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_service_is_named_below_its_slices() {
        for (path, name, own) in [
            ("/system.slice/cron.service", "cron.service", true),
            ("/system.slice/cron.service/", "cron.service", true),
            ("system.slice/cron.service", "cron.service", true),
            ("/cron.service", "cron.service", true),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                "getty@tty1.service",
                true,
            ),
            ("/a.slice/_memory.service", "memory.service", true),
            (
                "/system.slice/system-systemd\\x2dfsck.slice/systemd-fsck@dev-vda.service",
                "systemd-fsck@dev-vda.service",
                true,
            ),
            (
                "/system.slice/docker.service/x/init.scope",
                "docker.service",
                false,
            ),
            ("/system.slice/a.service/nginx.service", "a.service", false),
            (
                "/system.slice/run-backup.service",
                "run-backup.service",
                true,
            ),
        ] {
            let found = parse_unit_path(path.as_bytes()).unwrap();
            assert_eq!((found.name, found.manager), (name, None), "{path}");
            assert_eq!(found.is_own(path.as_bytes()), own, "{path}");
            assert!(path.starts_with(found.cgroup), "{path}");
        }
    }

    #[test]
    fn a_unit_of_a_user_is_told_with_its_manager() {
        let own = "/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service";
        let found = parse_unit_path(own.as_bytes()).unwrap();
        assert_eq!(found.name, "nginx.service");
        assert_eq!(found.manager, Some("user@1000.service"));
        assert_eq!(found.cgroup, own);
        let forged = "/user.slice/user@1000.service/user@0.service/nginx.service";
        let found = parse_unit_path(forged.as_bytes()).unwrap();
        assert_eq!(found.manager, Some("user@1000.service"));
        assert_eq!(found.name, "user@0.service");
    }

    #[test]
    fn what_others_started_is_no_service() {
        for path in [
            "",
            "/",
            "//",
            "/init.scope",
            "/system.slice",
            "/user.slice/user-1000.slice/session-3.scope",
            "/user.slice/user-1000.slice/session-3.scope/nginx.service",
            "/user.slice/user-1000.slice/user@1000.service",
            "/user.slice/user-1000.slice/user@1000.service/init.scope",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope",
            "/machine.slice/machine-a.scope/payload/system.slice/nginx.service",
            "/lxc.payload.a/system.slice/nginx.service",
            "/system.slice//nginx.service",
            "/system.slice/run-u17.service",
            "/system.slice/run-p4711-i17.service",
            "/system.slice/run-r0123456789abcdef0123456789abcdef.service",
            "/system.slice/.service",
            "/system.slice/@x.service",
            "/system.slice/a b.service",
            "/system.slice/cron.serviced",
        ] {
            assert_eq!(parse_unit_path(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_text_below_a_service_does_not_hide_it() {
        let found = parse_unit_path(b"/system.slice/a.service/\xff\xfe").unwrap();
        assert_eq!(found.cgroup, "/system.slice/a.service");
        assert_eq!(parse_unit_path(b"/\xff.slice/a.service"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read(path in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(found) = parse_unit_path(&path) {
                prop_assert!(path.starts_with(found.cgroup.as_bytes()));
                prop_assert!(found.name.ends_with(SERVICE));
            }
        }

        #[test]
        fn what_looks_like_a_path_is_read(
            path in prop::collection::vec(
                prop::sample::select(vec![
                    "", "a.slice", "b.service", "_c.service", "user@7.service", "d.scope", "e", "\u{fe}",
                ]),
                0..8,
            )
        ) {
            let path = format!("/{}", path.join("/"));
            if let Some(found) = parse_unit_path(path.as_bytes()) {
                prop_assert!(path.starts_with(found.cgroup));
                prop_assert!(!found.cgroup.contains(".scope"));
                let again = parse_unit_path(found.cgroup.as_bytes());
                prop_assert_eq!(again, Some(found));
                prop_assert!(found.is_own(found.cgroup.as_bytes()));
            }
        }
    }
}
