use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::sinks::render::sample::{NODE, records};

fn samples() -> BTreeMap<&'static str, Value> {
    let lines = records().into_iter().filter_map(|(name, record)| {
        let line = line(&record, NODE)?;
        Some((name, serde_json::from_str(&line).unwrap()))
    });
    lines.collect()
}

#[test]
fn alerts_and_amends_are_findings_and_nothing_else_is() {
    let samples = samples();
    for (name, record) in records() {
        let finding = matches!(record.body, Some(Body::Alert(_) | Body::Amend(_)));
        assert_eq!(samples.contains_key(name), finding, "{name}");
    }
    for (name, finding) in &samples {
        let activity = if name.starts_with("amend") { 2 } else { 1 };
        assert_eq!(finding["class_uid"], 2004, "{name}");
        assert_eq!(finding["activity_id"], activity, "{name}");
        assert_eq!(finding["type_uid"], 200_400 + activity, "{name}");
        assert_eq!(finding["metadata"]["version"], VERSION, "{name}");
    }
}

#[test]
fn an_alert_has_its_process_file_and_container() {
    let finding = &samples()["alert_open"];
    assert_eq!(finding["time"], 1_800_000_000_000_u64);
    assert_eq!(finding["severity_id"], 3);
    assert_eq!(finding["device"]["hostname"], NODE);
    let info = &finding["finding_info"];
    assert_eq!(info["uid"], "00000000000000ab-1");
    assert_eq!(info["title"], "Shell in container");
    assert_eq!(info["analytic"]["type"], "Rule");
    let attack = json!([{
        "technique": {"uid": "T1059"},
        "sub_technique": {"uid": "T1059.004"},
    }]);
    assert_eq!(info["attacks"], attack);
    let evidence = &finding["evidences"][0];
    assert_eq!(evidence["file"]["path"], "/etc/shadow");
    assert_eq!(evidence["file"]["name"], "shadow");
    let process = &evidence["process"];
    assert_eq!(process["pid"], 200);
    assert_eq!(process["cmd_line"], "sh -c id");
    assert_eq!(process["user"]["uid"], "0");
    assert_eq!(process["parent_process"]["name"], "nginx");
    let container = &evidence["container"];
    assert_eq!(container["name"], "web");
    assert_eq!(container["image"]["uid"], "sha256:beef");
    let observables = finding["observables"].as_array().unwrap();
    let path = json!({
        "name": "evidences[0].file.path",
        "type_id": 45,
        "type": "File Path",
        "value": "/etc/shadow",
    });
    assert!(observables.contains(&path), "{observables:#?}");
}

#[test]
fn an_amend_updates_the_finding_of_its_alert() {
    let samples = samples();
    let amend = &samples["amend"];
    assert_eq!(amend["finding_info"]["uid"], "00000000000000ab-3");
    assert_eq!(amend["evidences"][0]["container"]["name"], "web");
    assert!(samples["amend_host"].get("evidences").is_none());
}

#[test]
fn the_ends_of_a_connection_stand_in_its_direction() {
    let samples = samples();
    let ends = |name: &str| {
        let evidence = &samples[name]["evidences"][0];
        let ip = |end: &str| evidence[end]["ip"].as_str().map(str::to_owned);
        (ip("src_endpoint"), ip("dst_endpoint"))
    };
    let (own, other) = (Some("172.17.0.2".into()), Some("203.0.113.7".into()));
    assert_eq!(ends("alert_connect"), (own.clone(), other.clone()));
    assert_eq!(ends("alert_accept"), (other, own));
    let server = Some("127.0.0.11".to_owned());
    assert_eq!(ends("alert_dns_query"), (None, server.clone()));
    assert_eq!(ends("alert_dns_answer"), (server, None));
    let socket = &samples["alert_unix_socket"]["evidences"][0]["file"];
    assert_eq!(socket["path"], "/run/docker.sock");
    assert_eq!(socket["type_id"], 5);
}

#[test]
fn a_pod_a_tactic_and_each_path_are_told() {
    let samples = samples();
    let container = &samples["alert_pod"]["evidences"][0]["container"];
    assert_eq!(container["orchestrator"], "kubernetes");
    assert_eq!(
        container["pod_uuid"],
        "0a1b2c3d-1111-2222-3333-444455556666"
    );
    let attacks = samples["alert_undecided"]["finding_info"]["attacks"].to_string();
    assert!(
        attacks.contains("\"TA0002\"") && attacks.contains("\"T1611\""),
        "{attacks}"
    );
    let evidences = samples["alert_paths"]["evidences"].as_array().unwrap();
    let paths: Vec<&Value> = evidences.iter().map(|one| &one["file"]["path"]).collect();
    assert_eq!(paths, ["/etc/passwd", "/etc/passwd.bak"]);
}

#[test]
fn what_is_not_known_is_left_out() {
    let samples = samples();
    let pending = &samples["alert_pending"]["evidences"][0]["container"];
    assert!(pending.get("name").is_none() && pending.get("image").is_none());
    assert!(
        samples["alert_host"]["evidences"][0]
            .get("container")
            .is_none()
    );
    assert!(
        samples["alert_unknown_cgroup"]["evidences"][0]
            .get("container")
            .is_none()
    );
    assert!(samples["alert_sensor"].get("evidences").is_none());
    for (name, finding) in &samples {
        nothing_is_empty(name, finding);
    }
}

fn nothing_is_empty(place: &str, value: &Value) {
    match value {
        Value::Null => panic!("{place} is null"),
        Value::String(text) => assert!(!text.is_empty(), "{place}"),
        Value::Array(list) => {
            assert!(!list.is_empty(), "{place}");
            for value in list {
                nothing_is_empty(place, value);
            }
        }
        Value::Object(object) => {
            assert!(!object.is_empty(), "{place}");
            for (name, value) in object {
                nothing_is_empty(&format!("{place}.{name}"), value);
            }
        }
        Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn what_a_baseline_tells_is_an_analysis_of_behaviour() {
    let samples = samples();
    let finding = &samples["alert_baseline"];
    let analytic = &finding["finding_info"]["analytic"];
    assert_eq!(
        (&analytic["type_id"], &analytic["type"]),
        (&json!(2), &json!("Behavioral"))
    );
    let analysis = &finding["anomaly_analyses"][0];
    assert_eq!(
        analysis["analysis_targets"][0]["name"],
        "image docker.io/nginx"
    );
    let anomaly = &analysis["anomalies"][0];
    assert_eq!(anomaly["observation_parameter"], "file_read");
    assert_eq!(anomaly["observed_pattern"], "new");
    assert_eq!(anomaly["observations"][0]["value"], "/etc/shadow");
    let known = &analysis["baselines"][0]["observations"][0];
    assert_eq!(known["value"], "/etc/nginx/nginx.conf");
    let all = &finding["unmapped"]["baseline"];
    assert_eq!(all["watched"]["seconds"], 86_400);
    assert_eq!(all["predicted"]["bound"], 0.75);
    let flood = &samples["alert_baseline_flood"];
    assert!(flood["anomaly_analyses"][0].get("baselines").is_none());
    assert!(samples["alert_open"].get("anomaly_analyses").is_none());
}
