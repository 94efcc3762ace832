//! Calls on paths.

use super::*;

#[test]
fn a_link_has_its_new_name_as_source() {
    let link = Paths {
        first: call_path("../shadow", "../shadow"),
        second: call_path("/etc/x/link", "link"),
        ..Paths::default()
    };
    let made = paths(Syscall::Symlinkat, link.clone(), 0);
    let refused = paths(Syscall::Symlinkat, link, -17);
    for (condition, on_success, on_failure) in [
        ("evt.arg.target = ../shadow", "true", "true"),
        ("evt.arg.linkpath = /etc/x/link", "true", "true"),
        ("fs.path.source = /etc/x/link", "true", "false"),
        ("fs.path.sourceraw = link", "true", "false"),
        ("fs.path.target = /etc/shadow", "true", "false"),
        ("fs.path.targetraw = ../shadow", "true", "false"),
        ("fs.path.name exists", "false", "false"),
        ("evt.res = EEXIST and evt.failed = true", "false", "true"),
    ] {
        assert_eq!(verdict(condition, &made), on_success, "{condition}");
        assert_eq!(verdict(condition, &refused), on_failure, "{condition}");
    }
}

#[test]
fn a_call_on_an_open_file_has_its_descriptor() {
    let call = Paths {
        first: CallPath {
            provenance: Some(Provenance::Kernel),
            name: None,
            ..call_path("/tmp/x", "")
        },
        numbers: [0o4755, 0],
        descriptor: Some(7),
        ..Paths::default()
    };
    let event = paths(Syscall::Fchmod, call, 0);
    for condition in [
        "fd.num = 7 and evt.rawarg.fd = 7 and evt.arg.fd = 7",
        "fd.name = /tmp/x and fd.directory = /tmp and fd.filename = x",
        "fd.typechar = f and fs.path.name = /tmp/x",
        "evt.arg.mode contains S_ISUID and evt.rawarg.mode = 2541",
        "evt.category = file",
    ] {
        assert_eq!(verdict(condition, &event), "true", "{condition}");
    }
}

#[test]
fn an_execution_that_failed_is_told_from_one_that_did_not() {
    let call = Paths {
        first: call_path("/srv/absent", "./absent"),
        ..Paths::default()
    };
    let failed = paths(Syscall::Execve, call, -2);
    let done = exec(process(10, "mv", &[], None));
    for (condition, on_failure, on_success) in [
        ("evt.type = execve", "true", "true"),
        ("evt.failed = true and evt.res = ENOENT", "true", "false"),
        ("evt.arg.filename = ./absent", "true", "false"),
        (
            "evt.type = execve and not evt.failed = true",
            "false",
            "true",
        ),
        ("evt.category = process", "true", "true"),
    ] {
        assert_eq!(verdict(condition, &failed), on_failure, "{condition}");
        assert_eq!(verdict(condition, &done), on_success, "{condition}");
    }
}
