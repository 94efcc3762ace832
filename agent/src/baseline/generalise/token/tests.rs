use proptest::prelude::*;

use super::*;

#[track_caller]
fn strong(segment: &str, expected: &str) {
    let token = Token::of(segment.as_bytes());
    assert_eq!(
        (token.name.as_str(), token.shape),
        (expected, None),
        "{segment}"
    );
}

#[track_caller]
fn weak(segment: &str, expected: &str) {
    let token = Token::of(segment.as_bytes());
    assert_eq!(token.name, segment);
    assert_eq!(token.shape.as_deref(), Some(expected), "{segment}");
}

#[test]
fn identifiers_are_known_at_first_sight() {
    const ID: &str = "3f4e8b0c9d2a1f6e7b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a";
    strong("d2c1a7f6-1b1c-4c0e-8f5e-0123456789ab", "{uuid}");
    strong(
        "x-D2C1A7F6-1B1C-4C0E-8F5E-0123456789AB.sock",
        "x-{uuid}.sock",
    );
    strong("podd2c1a7f6-1b1c-4c0e-8f5e-0123456789ab", "pod{uuid}");
    strong(
        "kubepods-burstable-podd2c1a7f6_1b1c_4c0e_8f5e_0123456789ab.slice",
        "kubepods-burstable-pod{uuid}.slice",
    );
    strong("podd41d8cd98f00b204e9800998ecf8427e", "pod{hash32}");
    strong(ID, "{hash64}");
    for (prefix, suffix) in [
        ("cri-containerd-", ".scope"),
        ("docker-", ".scope"),
        ("crio-", ""),
        ("libpod-", ""),
    ] {
        strong(
            &format!("{prefix}{ID}{suffix}"),
            &format!("{prefix}{{hash64}}{suffix}"),
        );
    }
    strong("d41d8cd98f00b204e9800998ecf8427e", "{hash32}");
    strong("da39a3ee5e6b4b0d3255bfef95601890afd80709", "{hash40}");
    strong(&[ID, ID].concat(), "{hash128}");
    strong("0123456789abcdef", "{hex}");
    strong("00000001000000000000000A", "{hex}");
    strong("kube-api-access-x7k2p", "kube-api-access-{suffix}");
}

#[test]
fn dates_and_times_are_known_at_first_sight() {
    for date in ["2024-01-02", "20240102", "2024_01_02", "2024.01.02"] {
        strong(date, "{date}");
        strong(&format!("app-{date}.log"), "app-{date}.log");
    }
    for time in [
        "20240102T0304",
        "20240102T030405Z",
        "20240102030405",
        "202401020304",
        "20240102-030405",
        "2024-01-02T03:04:05.123+01:00",
        "2024-01-02 03:04",
        "2024-01-02_03-04-05",
        "2024_01_02_03_04_05.1234567890",
    ] {
        strong(time, "{time}");
    }
    strong("..2024_01_02_03_04_05.123456789", "..{time}");
    strong("1700000000", "{epoch}");
    strong("sess-1700000000123.json", "sess-{epoch}.json");
    weak("2024-13-02", "{n}-{n}-{n}");
    weak("20241302", "{n}");
    weak("2700000000", "{n}");
    let log = Token::of(b"app.2024-01-02.17");
    assert_eq!(log.name, "app.{date}.17");
    assert_eq!(log.shape.as_deref(), Some("app.{date}.{n}"));
}

#[test]
fn parts_that_could_be_a_name_need_more_than_one() {
    weak("17", "{n}");
    weak("000000010000000000000003", "{n}");
    weak("access.log.12", "access.log.{n}");
    weak("worker-12.sock", "worker-{n}.sock");
    weak("2619_fsm", "{n}_fsm");
    weak("python3", "python{n}");
    weak("sha256sum", "sha{n}sum");
    weak("libssl.so.1.1", "libssl.so.{n}.{n}");
    weak("deadbee1", "{hex8}");
    weak("libgfortran-040039e1.so.5", "libgfortran-{hex8}.so.{n}");
    weak("tmp.aB3dE9", "tmp.{rand}");
    weak("tmp.aBcDeF", "tmp.{rand}");
    weak("tmp.abcdeF7xyZ", "tmp.{rand}");
    weak("upload-Ab3xYz", "upload-{rand}");
    weak("v1beta1", "v{n}beta{n}");
    weak("X86TargetParser", "X{n}TargetParser");
    weak(
        "NetworkV1alpha1GrpcEndpoint",
        "NetworkV{n}alpha{n}GrpcEndpoint",
    );
    weak("phpunit10x", "phpunit{n}x");
    weak("phpA3bc9Z", "php{rand}");
    weak("veth1a2b3c4", "veth{rand}");
    weak("tmpab3_k9xq", "tmp{rand}");
    weak("tmpab3_k9xq.json", "tmp{rand}.json");
    weak("sess_k3j2h1l0q9w8e7r6t5y4u3i2o1", "sess_{rand}");
    weak("nginx-7d4b9c6f5-x7k2p", "nginx-{hex8}-{rand}");
    weak("pipe:[4026]", "pipe:[{n}]");
}

#[test]
fn letters_and_extensions_have_no_type() {
    for name in [
        "nginx",
        "README",
        "camelCaseName",
        "deadbeef",
        "song.mp3",
        "a.bz2",
        "x.7z",
        ".bashrc",
        "lib.so",
        "tmp",
        "tmp.file",
        "tmp.Backup",
        "phpinfo",
        "tmp-old.Name",
        "a b",
        "-",
        "..",
    ] {
        strong(name, name);
    }
    assert_eq!(extension(b"a.log"), b".log");
    assert_eq!(extension(b"tmp.{rand}"), b"");
    for name in [
        &b".log"[..],
        b"a.",
        b"a.so.1",
        b"a.verylongone",
        b"a.b-c",
        b"a",
    ] {
        assert_eq!(extension(name), b"");
    }
}

#[test]
fn bytes_beyond_text_are_escaped() {
    strong("{n}", "\\x7bn\\x7d");
    strong("a\\", "a\\x5c");
    let token = Token::of(b"\xff1\n");
    assert_eq!(token.name, "\\xff1\\x0a");
    assert_eq!(token.shape.as_deref(), Some("\\xff{n}\\x0a"));
}

fn again(text: &str) -> (String, String, Weak) {
    let (mut name, mut shape) = (Vec::new(), Vec::new());
    let weak = write(text.as_bytes(), &mut name, &mut shape);
    (text::string(&name), text::string(&shape), weak)
}

fn segment() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        prop::sample::select(vec![
            "2024",
            "01",
            "02",
            "2024-01-02",
            "20240102",
            "T03",
            "03:04:05",
            ".5",
            "Z",
            "tmp",
            "tmp.",
            "aB3dE9",
            "d2c1a7f6",
            "-1b1c-4c0e-8f5e-0123456789ab",
            "pod",
            "1700000000",
            "deadbee1",
            "log",
            ".mp3",
            "_",
            "-",
            ".",
            "x",
            "{n}",
            "{date}",
            "kube-api-access-",
            "x7k2p",
            "php",
        ])
        .prop_map(|part| part.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
        "[a-zA-Z0-9._-]{0,12}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_name_gives_itself_and_its_shape_again(segment in segment()) {
        let token = Token::of(&segment);
        let (name, shape, weak) = again(&token.name);
        prop_assert_eq!(&name, &token.name);
        prop_assert_eq!(weak.values, token.shape.is_some());
        prop_assert!(!weak.types);
        let general = token.general();
        prop_assert_eq!(&shape, &general);
        let (name, shape, again) = again(&general);
        prop_assert_eq!((&name, &shape), (&general, &general));
        prop_assert!(!again.values);
        prop_assert_eq!(again.types, weak.values);
        prop_assert!(general.len() <= 10 * segment.len());
    }

    #[test]
    fn letters_never_have_a_type(letters in "[a-zA-Z]{0,40}", extension in "[a-z]{1,8}") {
        prop_assert_eq!(&Token::of(letters.as_bytes()).general(), &letters);
        let file = format!("{letters}1.{extension}");
        prop_assert!(Token::of(file.as_bytes()).general().ends_with(&extension));
    }

    #[test]
    fn what_is_called_literal_has_no_type(segment in segment()) {
        let mut text = Vec::new();
        text::escape(&segment, &mut text);
        if is_literal(&text) {
            let text = text::string(&text);
            prop_assert_eq!(again(&text), (text.clone(), text, Weak::default()));
        }
    }
}
