//! Keeps Debian packages from starting their services while they are installed.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process;

use anyhow::{Context as _, Result};

/// Maintainer scripts ask this program before they start a service; 101 means no.
const PROGRAM: &str = "/usr/sbin/policy-rc.d";
const MARKER: &str = "# made by cargo xtask setup";

/// While it lives, no service starts. Leaves nothing behind, even if this process is killed: then
/// the program removes itself the next time it is asked.
pub(super) struct ServicePolicy {
    ours: bool,
}

impl ServicePolicy {
    /// Puts the policy in place. One that the machine already has stays and decides.
    pub(super) fn deny() -> Result<Self> {
        match fs::read_to_string(PROGRAM) {
            Ok(text) if !text.contains(MARKER) => return Ok(Self { ours: false }),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("reading {PROGRAM}")),
        }
        let pid = process::id();
        let text = format!(
            "#!/bin/sh\n{MARKER}\n[ -d /proc/{pid} ] && exit 101\nrm -f {PROGRAM}\nexit 0\n"
        );
        fs::write(PROGRAM, text)
            .and_then(|()| fs::set_permissions(PROGRAM, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("writing {PROGRAM}"))?;
        Ok(Self { ours: true })
    }
}

impl Drop for ServicePolicy {
    fn drop(&mut self) {
        if self.ours && Path::new(PROGRAM).exists() {
            let _ = fs::remove_file(PROGRAM); // the program lapses with this process anyway
        }
    }
}
