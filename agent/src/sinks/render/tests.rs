use std::sync::Arc;
use std::time::SystemTime;

use super::sample::{alert_in, received};
use super::*;
use crate::alert::sample;
use crate::config::RecordFormat;
use crate::model::{Call, ContainerView, Payload, Stdio, StdioKind, Syscall};
use crate::proto::record::Body;

#[test]
fn an_alert_reads_like_this() {
    assert_eq!(
        text_record(&alert_in(sample::container_view())),
        "\
2027-01-15T08:00:00Z WARNING   Shell in container
    container  web (abcdef012345) image docker.io/nginx:1.27
    process    sh[200] <- nginx[100]
    command    sh -c id (/bin/sh, uid 0)
    event      openat /etc/shadow = 3
    because    fd.name startswith /etc/sh: is /etc/shadow (by sensitive_read > password_file)
    exception  backup nearly applied, but for proc.pname = restic: is nginx
    output     Shell opened /etc/shadow
    rule       rules/shells.yaml:12 T1059.004
    id         00000000000000ab-1
"
    );
}

#[test]
fn an_alert_is_one_line_of_json() {
    let line = json_record(&alert_in(sample::container_view()));
    assert!(!line.contains('\n'));
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["record"], "alert");
    assert_eq!(json["epoch"], "00000000000000ab");
    assert_eq!(
        (&json["sequence"], &json["prev_sequence"]),
        (&1.into(), &0.into())
    );
    let alert = &json["alert"];
    assert_eq!(alert["severity"], "WARNING");
    assert_eq!(alert["rule"]["attack_ids"][0], "T1059.004");
    assert_eq!(alert["event"]["type"], "openat");
    assert_eq!(alert["event"]["open"]["path"]["text"], "/etc/shadow");
    assert_eq!(alert["event"]["open"]["provenance"], "kernel");
    assert_eq!(alert["process"]["executable"]["layer"], "lower");
    assert_eq!(alert["ancestors"][0]["name"], "nginx");
    assert_eq!(alert["container"]["identity"], "full");
    assert_eq!(alert["container"]["labels"]["team"], "shop");
    assert_eq!(alert["evidence"][0]["field"], "fd.name");
}

#[test]
fn falco_has_the_fields_that_its_readers_look_for() {
    let alert = alert_in(sample::container_view());
    let line = record(&alert, RecordFormat::Falco, "node-1").unwrap();
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    assert_eq!(text("rule"), "Shell in container");
    assert_eq!(text("priority"), "Warning");
    assert_eq!(text("source"), "syscall");
    assert_eq!(text("hostname"), "node-1");
    assert_eq!(text("uuid"), "00000000000000ab-1");
    assert_eq!(json["tags"], serde_json::json!(["container", "shell"]));
    let time = text("time");
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    let (clock, rest) = line_of(&json)
        .split_once(": ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert!(time.contains(&clock), "{clock} in {time}");
    assert!(rest.starts_with("Warning "), "{rest}");
    let fields = &json["output_fields"];
    assert_eq!(fields["container.id"], "abcdef012345");
    assert_eq!(fields["container.name"], "web");
    assert_eq!(fields["container.image.repository"], "docker.io/nginx");
    assert_eq!(fields["fd.name"], "/etc/shadow");
    assert_eq!(fields["proc.pname"], "nginx");
    assert_eq!(fields["evt.type"], "openat");
    assert!(
        fields["evt.time"].is_i64() && fields["proc.pid"].is_u64(),
        "{fields}"
    );
    assert_eq!(fields["gravlens.alert_id"], "00000000000000ab-1");
}

fn line_of(json: &serde_json::Value) -> &str {
    json["output"].as_str().unwrap()
}

#[test]
fn falco_is_told_of_what_is_missing_and_of_the_node() {
    let told = |body| {
        let record = proto::Record {
            time: Some(SystemTime::UNIX_EPOCH.into()),
            sequence: 3,
            body: Some(body),
            ..Default::default()
        };
        super::record(&record, RecordFormat::Falco, "n")
    };
    assert_eq!(told(Body::Hello(Default::default())), None);
    assert_eq!(told(Body::Heartbeat(Default::default())), None);
    let gap = proto::Gap {
        message: "Nothing was watched.".into(),
        count: Some(7),
        ..Default::default()
    };
    let json: serde_json::Value = serde_json::from_str(&told(Body::Gap(gap)).unwrap()).unwrap();
    assert_eq!(json["rule"], "Gravlens: gap");
    assert_eq!(json["priority"], "Critical");
    assert_eq!(json["output"], "00:00:00: Critical Nothing was watched.");
    assert_eq!(json["output_fields"]["gravlens.count"], 7);
    for body in [
        Body::Loss(Default::default()),
        Body::Amend(Default::default()),
    ] {
        assert!(told(body).is_some());
    }
    let host = record(
        &alert_in(ContainerView::Host(None)),
        RecordFormat::Falco,
        "n",
    )
    .unwrap();
    let host: serde_json::Value = serde_json::from_str(&host).unwrap();
    assert_eq!(host["output_fields"]["container.id"], "host");
}

#[test]
fn a_call_shows_its_arguments() {
    let mut alert = sample::alert_in(ContainerView::Host(None));
    alert.event.syscall = Syscall::Dup2;
    alert.event.payload = Payload::Call(Call {
        arguments: [3, 1, 0, 0, 0, 0],
        descriptor: Some(Stdio {
            kind: StdioKind::Pipe,
            inode: 9,
        }),
        fd_shared: true,
    });
    let record = received(|sender| sender.raise(alert)).remove(0);
    let text = text_record(&record);
    assert!(
        text.contains("event      dup2 oldfd=3 newfd=1 = 3\n"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&json_record(&record)).unwrap();
    let call = &json["alert"]["event"]["call"];
    assert_eq!(call["arguments"][0]["name"], "oldfd");
    assert_eq!(call["arguments"][0]["value"], 3);
    assert_eq!(call["arguments"][0]["text"], "3");
    assert_eq!(call["descriptor"]["kind"], "pipe");
    assert_eq!(call["fd_shared"], true);
}

#[test]
fn what_is_not_known_is_left_out() {
    let line = json_record(&alert_in(sample::pending_container_view()));
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let container = &json["alert"]["container"];
    assert_eq!(container["identity"], "cgroup_only");
    assert!(container.get("name").is_none() && container.get("image").is_none());
    let host: serde_json::Value =
        serde_json::from_str(&json_record(&alert_in(ContainerView::Host(None)))).unwrap();
    assert!(host["alert"]["container"].is_null());
}

#[test]
fn a_container_cannot_write_to_the_terminal() {
    let mut alert = sample::alert_in(ContainerView::Host(None));
    let mut process = sample::process(7, "sh\x1b[2J", None);
    let image = Arc::get_mut(&mut process.image).unwrap();
    image.cmdline = b"sh \x1b]0;owned\x07\nfake line".as_slice().into();
    alert.event.process = Arc::new(process);
    alert.finding.output = "x\r\nCRITICAL \u{202e}forged".into();
    let records = received(|sender| sender.raise(alert));
    let text = text_record(&records[0]);
    assert!(
        text.chars()
            .all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'),
        "{text:?}"
    );
    assert_eq!(text.lines().count(), 10, "{text}");
    let json = json_record(&records[0]);
    assert!(json.chars().all(|c| !c.is_control()));
}

#[test]
fn other_records_have_a_line_each() {
    let record = |body| proto::Record {
        time: Some(SystemTime::UNIX_EPOCH.into()),
        body: Some(body),
        ..Default::default()
    };
    let loss = proto::Loss {
        hook: "open".into(),
        reason: proto::loss::Reason::RingFull.into(),
        count: 7,
        from_time: Some(SystemTime::UNIX_EPOCH.into()),
        to_time: Some((SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(2)).into()),
        container_name: "web".into(),
        ..Default::default()
    };
    assert_eq!(
        text_record(&record(Body::Loss(loss))),
        "1970-01-01T00:00:00Z LOSS      7 events of container web at hook open within 2.0 s: \
         ring full\n"
    );
    let gap = proto::Gap {
        why: proto::gap::Why::UncleanExit.into(),
        message: "Nothing was watched for 2.0 s.".into(),
        ..Default::default()
    };
    assert_eq!(
        text_record(&record(Body::Gap(gap.clone()))),
        "1970-01-01T00:00:00Z GAP       unclean_exit: Nothing was watched for 2.0 s.\n"
    );
    let json = json_record(&record(Body::Gap(gap)));
    assert!(json.contains("\"gap\":{\"why\":\"unclean_exit\""), "{json}");
    for body in [
        Body::Hello(Default::default()),
        Body::Heartbeat(Default::default()),
    ] {
        let record = record(body);
        assert_eq!(text_record(&record).lines().count(), 1);
        let json: serde_json::Value = serde_json::from_str(&json_record(&record)).unwrap();
        assert!(json.get("sequence").is_none());
    }
}

#[test]
fn what_a_baseline_tells_reads_like_this() {
    let record = received(|sender| sender.raise(sample::alert_of(sample::behaviour()))).remove(0);
    let text = text_record(&record);
    let rows = "    event      openat /etc/shadow = 3
    baseline   new file_read of image docker.io/nginx, run phase, armed
    object     /etc/shadow
    role       root uid0 /bin/nginx > /bin/sh
    nearest    /etc/nginx/nginx.conf, differs at shadow
    watched    1440 windows in 1 d 0 h, 3 starts, 2 containers
    expected   0.2 new a day of one container, at most 0.8 (95 %)
    output     Baseline of image docker.io/nginx: /etc/shadow
    rule       baseline T1005
";
    assert!(text.contains(rows), "{text}");
    let json: serde_json::Value = serde_json::from_str(&json_record(&record)).unwrap();
    let baseline = &json["alert"]["baseline"];
    assert_eq!(baseline["kind"], "new");
    assert_eq!(baseline["nearest"]["diverging"], "shadow");
    assert_eq!(baseline["watched"]["windows"], 1_440);
    assert_eq!(baseline["predicted"]["per"], "day");
    assert!(baseline.get("tainted").is_none());
    let line = super::record(&record, RecordFormat::Falco, "n").unwrap();
    let falco: serde_json::Value = serde_json::from_str(&line).unwrap();
    let fields = &falco["output_fields"];
    assert_eq!(fields["baseline.object"], "/etc/shadow");
    assert_eq!(fields["baseline.nearest"], "/etc/nginx/nginx.conf");
    assert_eq!(fields["baseline.bound"], 0.75);
    assert_eq!(fields["fd.name"], "/etc/shadow");
}
