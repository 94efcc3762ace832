use proptest::prelude::*;

use super::*;

fn text(path: &str) -> String {
    Segments::of(path.as_bytes(), Some(77)).to_string()
}

#[test]
fn a_process_is_this_one_or_the_first_or_another() {
    for (path, expected) in [
        ("/proc/self/status", "/proc/self/status"),
        ("/proc/thread-self/status", "/proc/self/status"),
        ("/proc/77/status", "/proc/self/status"),
        ("/proc/1/status", "/proc/1/status"),
        ("/proc/78/status", "/proc/{pid}/status"),
        ("/proc/77/task/78/comm", "/proc/self/task/{tid}/comm"),
        ("/proc/78/task/1/fd/3", "/proc/{pid}/task/{tid}/fd/{fd}"),
        ("/proc/self/fd/12", "/proc/self/fd/{fd}"),
        ("/proc/self/fdinfo/12", "/proc/self/fdinfo/{fd}"),
        (
            "/proc/self/map_files/7f00-7f10",
            "/proc/self/map_files/{range}",
        ),
        ("/dev/fd/3", "/dev/fd/{fd}"),
        ("/proc/sys/net/ipv4/x", "/proc/sys/net/ipv4/x"),
        ("/x/proc/78", "/x/proc/78"),
    ] {
        assert_eq!(text(path), expected);
    }
    assert_eq!(
        Segments::of(b"/proc/1/mem", Some(1)).to_string(),
        "/proc/self/mem"
    );
}

#[test]
fn a_token_has_one_path() {
    const TOKEN: &str = "/run/secrets/kubernetes.io/serviceaccount/token";
    for path in [
        TOKEN,
        "/run/secrets/kubernetes.io/serviceaccount/..data/token",
        "/run/secrets/kubernetes.io/serviceaccount/..2024_01_02_03_04_05.678901234/token",
    ] {
        let path = Segments::of(path.as_bytes(), None);
        assert_eq!(path.to_string(), TOKEN);
        assert!(path.guard().is_some());
    }
}

#[test]
fn paths_have_a_text() {
    assert_eq!(text("/"), "/");
    assert_eq!(text(""), "");
    assert_eq!(text("//a/./b/"), "/a/b");
    assert_eq!(text("memfd:x"), "memfd:x");
    assert_eq!(text("/a\n{b}"), "/a\\x0a\\x7bb\\x7d");
    assert_eq!(
        text(&"/a".repeat(70)),
        format!("{}/{{any}}", "/a".repeat(63))
    );
    assert_eq!(text(&"/.ssh".repeat(70)), "/.ssh".repeat(64));
}

#[test]
fn patterns_read_back_and_others_are_refused() {
    for text in [
        "/",
        "",
        "/a/{n}/{any}.log",
        "/proc/{pid}/stat",
        "a/{rand}",
        "/x/{date}.1",
    ] {
        assert_eq!(Segments::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(
        Segments::parse("/\\x41/2024-01-02/.").unwrap().to_string(),
        "/A/{date}"
    );
    let refused = |text: &str| Segments::parse(text).unwrap_err();
    assert_eq!(refused("/a/\u{e9}"), ParseError::Byte);
    assert_eq!(refused("/a\\q"), ParseError::Byte);
    assert_eq!(refused("/a}"), ParseError::Byte);
    assert_eq!(refused("/{what}"), ParseError::Type);
    assert_eq!(refused("/{n"), ParseError::Type);
    assert_eq!(refused("/w-1.{n}"), ParseError::Unreachable);
    assert_eq!(refused("/{any}/x"), ParseError::Unreachable);
    assert_eq!(refused("/{any}.so.1"), ParseError::Unreachable);
    assert_eq!(refused("/lib{any}"), ParseError::Unreachable);
    assert_eq!(refused(&"/a".repeat(65)), ParseError::Long);
    assert_eq!(refused(&"a".repeat(20000)), ParseError::Long);
    assert!(matches!(
        refused("/home/u{n}/.ssh/id_rsa"),
        ParseError::Guarded(_)
    ));
    assert!(matches!(
        refused("/root/.ssh/{any}"),
        ParseError::Guarded(_)
    ));
    assert!(refused("/root/.ssh/{any}").to_string().contains("SSH keys"));
}

proptest! {
    #[test]
    fn any_bytes_have_a_text_that_reads_back(
        path in prop::collection::vec(any::<u8>(), 0..300),
        slashes in prop::collection::vec(0..300usize, 0..20),
        own: Option<u32>,
    ) {
        let mut path = path;
        for slash in slashes {
            if let Some(byte) = path.get_mut(slash) {
                *byte = b'/';
            }
        }
        let read = Segments::of(&path, own);
        let text = read.to_string();
        let parsed = Segments::parse(&text).unwrap();
        prop_assert_eq!(parsed.to_string(), text);
        prop_assert_eq!(parsed.guard(), read.guard());
        prop_assert_eq!(parsed.len(), read.len());
        for at in 0..read.len() {
            let (one, other) = (parsed.part(at).unwrap(), read.part(at).unwrap());
            prop_assert_eq!((one.name, one.shape, one.form), (other.name, other.shape, other.form));
        }
        let mut reused = Segments::of(b"/other/path/1/2/3", None);
        reused.read(&path, own);
        prop_assert_eq!(reused.to_string(), read.to_string());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[/{}a-z0-9.\\\\]{0,60}|\\PC{0,30}") {
        if let Ok(path) = Segments::parse(&text) {
            let text = path.to_string();
            prop_assert_eq!(Segments::parse(&text).unwrap().to_string(), text);
        }
    }
}
