//! What an answer means for the records of the request, as the OTLP specification has it.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use super::PROTOBUF;
use crate::sinks::http::{Answer, Verdict, shown};

/// An answer as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// What becomes of the records.
    pub(super) verdict: Verdict,
    /// What the receiver says to records that it took.
    pub(super) remark: Option<String>,
}

impl From<Verdict> for Reply {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            remark: None,
        }
    }
}

/// Answers that judge what was sent. Any other refusal can be mended at the receiver, in front of
/// it or in the settings, and the records wait for that.
const JUDGEMENTS: [StatusCode; 3] = [
    StatusCode::BAD_REQUEST,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// Body of a refusal: `google.rpc.Status` without its details.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// Reads an answer.
pub(super) fn reply(answer: &Answer) -> Reply {
    let status = answer.status;
    if status.is_success() && !has_type(answer, "text/html") {
        return success(answer);
    }
    let why = reason(answer);
    if JUDGEMENTS.contains(&status) {
        return Verdict::Never(why).into();
    }
    let after = answer.retry_after();
    Verdict::Later { why, after }.into()
}

/// Not every receiver says more than that it took the records.
fn success(answer: &Answer) -> Reply {
    if !has_type(answer, PROTOBUF) {
        return Verdict::Accepted.into();
    }
    let partial = match ExportLogsServiceResponse::decode(&*answer.body) {
        Ok(response) => response.partial_success.unwrap_or_default(),
        Err(error) => {
            let remark = Some(format!("its answer cannot be read: {error}"));
            return accepted(remark);
        }
    };
    let said = shown(&partial.error_message);
    match u64::try_from(partial.rejected_log_records) {
        Ok(0) | Err(_) => accepted(Some(said).filter(|said| !said.is_empty())),
        Ok(refused) => Verdict::Partly { refused, why: said }.into(),
    }
}

fn accepted(remark: Option<String>) -> Reply {
    Reply {
        verdict: Verdict::Accepted,
        remark,
    }
}

fn reason(answer: &Answer) -> String {
    if answer.status.is_success() {
        return "a web page answers: outputs.otlp.endpoint leads to no OTLP receiver".to_owned();
    }
    let status = if has_type(answer, PROTOBUF) {
        RpcStatus::decode(&*answer.body).ok()
    } else {
        None
    };
    match status {
        Some(status) => answer.reason_with(&status.message),
        None => answer.reason(),
    }
}

fn has_type(answer: &Answer, wanted: &str) -> bool {
    let value = answer.headers.get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = value.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case(wanted)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
    use proptest::prelude::*;
    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    use super::*;

    fn of(status: u16, media_type: &str, body: &[u8]) -> Reply {
        let media_type = HeaderValue::from_str(media_type).unwrap();
        reply(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::from_iter([
                (CONTENT_TYPE, media_type),
                (RETRY_AFTER, HeaderValue::from_static("7")),
            ]),
            body: body.to_vec(),
        })
    }

    fn partial(rejected: i64, message: &str) -> Reply {
        let response = ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message: message.to_owned(),
            }),
        };
        of(200, PROTOBUF, &response.encode_to_vec())
    }

    const ACCEPTED: Reply = Reply {
        verdict: Verdict::Accepted,
        remark: None,
    };

    #[test]
    fn the_status_decides() {
        for status in [200, 202, 204] {
            assert_eq!(of(status, PROTOBUF, b""), ACCEPTED);
        }
        for status in [400, 413, 422] {
            let verdict = of(status, PROTOBUF, b"").verdict;
            assert!(matches!(verdict, Verdict::Never(_)), "{status}");
        }
        for status in [
            301, 401, 403, 404, 405, 407, 408, 415, 429, 500, 502, 503, 504,
        ] {
            let Verdict::Later { after, .. } = of(status, PROTOBUF, b"").verdict else {
                panic!("{status} is for good");
            };
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn a_refusal_says_why_in_protobuf_or_in_text() {
        let status = RpcStatus {
            code: 3,
            message: "too\nold".to_owned(),
        };
        let why = "the receiver answers 400 Bad Request: too\\nold".to_owned();
        assert_eq!(
            of(400, PROTOBUF, &status.encode_to_vec()),
            Verdict::Never(why).into()
        );
        let why = "the receiver answers 400 Bad Request: too old".to_owned();
        assert_eq!(
            of(400, "text/plain", b"too old\n"),
            Verdict::Never(why).into()
        );
    }

    #[test]
    fn a_partial_success_tells_how_many_are_refused() {
        let why = "too old".to_owned();
        assert_eq!(
            partial(3, "too old"),
            Verdict::Partly { refused: 3, why }.into()
        );
        let remark = Some("use v2".to_owned());
        assert_eq!(partial(0, "use v2"), accepted(remark));
        for nothing in [0, -1, i64::MIN] {
            assert_eq!(partial(nothing, ""), ACCEPTED);
        }
    }

    #[test]
    fn who_says_no_more_than_yes_is_believed_unless_it_is_a_web_page() {
        assert_eq!(of(200, "application/json", b"{}"), ACCEPTED);
        assert_eq!(of(200, "text/plain", b"ok"), ACCEPTED);
        let page = of(200, "text/html; charset=utf-8", b"<html>");
        assert!(matches!(page.verdict, Verdict::Later { .. }), "{page:?}");
        let damaged = of(200, "Application/X-Protobuf; x=y", b"\xff");
        assert_eq!(damaged.verdict, Verdict::Accepted);
        assert!(damaged.remark.is_some());
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(
            status in 100_u16..1000,
            media_type in prop::sample::select(vec![PROTOBUF, "text/html", "text/plain", ""]),
            body: Vec<u8>,
        ) {
            let taken = matches!(
                of(status, media_type, &body).verdict,
                Verdict::Accepted | Verdict::Partly { .. }
            );
            let page = media_type == "text/html";
            prop_assert_eq!(taken, (200..300).contains(&status) && !page);
        }

        #[test]
        fn every_partial_success_is_read(rejected: i64, message: String) {
            let refused = u64::try_from(rejected).unwrap_or(0);
            match partial(rejected, &message).verdict {
                Verdict::Partly { refused: told, .. } => prop_assert_eq!(told, refused),
                verdict => {
                    prop_assert!(refused == 0, "{:?}", verdict);
                }
            }
        }
    }
}
