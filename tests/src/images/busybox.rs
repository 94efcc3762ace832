//! The busybox image: one static program under the names of all its applets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::find_program;

const ETC: [(&str, &str); 5] = [
    (
        "passwd",
        "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\n\
         nobody:x:65534:65534:nobody:/home:/bin/false\n",
    ),
    ("group", "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n"),
    ("shadow", "root:*:19000:0:99999:7:::\n"),
    ("hosts", "127.0.0.1 localhost\n"),
    ("nsswitch.conf", "hosts: files\n"),
];

/// Runs whatever stands behind a semicolon in the request.
const VULNERABLE_SCRIPT: &str = "#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
/bin/sh -c \"/bin/ping -c 1 $QUERY_STRING\" 2>&1
";

/// Fills a root file system. The applets are hard links, as in the image that Docker publishes.
pub(super) fn build(root: &Path) -> Result<()> {
    let busybox = find_program("busybox")?;
    let bin = root.join("bin");
    for folder in [
        "bin",
        "usr/bin",
        "usr/sbin",
        "sbin",
        "etc",
        "tmp",
        "proc",
        "sys",
        "dev",
        "root",
        "home",
        "var/log",
        "var/www/cgi-bin",
        "var/run",
    ] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::copy(&busybox, bin.join("busybox"))?;
    let applets = Command::new(&busybox)
        .arg("--list")
        .output()
        .context("busybox does not run")?;
    let applets = String::from_utf8(applets.stdout)?;
    ensure!(
        applets.contains("httpd"),
        "this busybox has too few applets"
    );
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        fs::hard_link(bin.join("busybox"), bin.join(applet))?;
    }
    for (name, text) in ETC {
        fs::write(root.join("etc").join(name), text)?;
    }
    fs::write(root.join("var/www/index.html"), "hello\n")?;
    fs::write(root.join("var/log/messages"), "a line\n")?;
    let script = root.join("var/www/cgi-bin/ping.cgi");
    fs::write(&script, VULNERABLE_SCRIPT)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
