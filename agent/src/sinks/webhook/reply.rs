//! What an answer means for the records of the request.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::REASON_LENGTH;
use crate::alert::printable;

/// Answers that judge the records. Any other failure is one of the settings, of a secret that was
/// exchanged or of the receiver: it can be mended, and the records are kept until then.
const OF_THE_CONTENT: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// What becomes of the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are the receiver's.
    Accepted,
    /// It may take them later.
    Later {
        why: String,
        after: Option<Duration>,
    },
    /// It will never take them all.
    Never(String),
}

/// The verdict of an answer, `body` being its begin.
pub(super) fn verdict(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
    if status.is_success() {
        return Verdict::Accepted;
    }
    let why = reason(status, body);
    if OF_THE_CONTENT.contains(&status) {
        return Verdict::Never(why);
    }
    let after = retry_after(headers, SystemTime::now());
    Verdict::Later { why, after }
}

fn reason(status: StatusCode, body: &[u8]) -> String {
    let said = String::from_utf8_lossy(body);
    let said: String = said.trim().chars().take(REASON_LENGTH).collect();
    match said.as_str() {
        "" => format!("the receiver answers {status}"),
        said => format!("the receiver answers {status}: {}", printable(said)),
    }
}

/// The pause that the receiver asks for, in seconds or by a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn of(status: u16) -> Verdict {
        let status = StatusCode::from_u16(status).unwrap();
        verdict(status, &HeaderMap::new(), b"because\n")
    }

    #[test]
    fn the_status_decides() {
        for status in [200, 202, 204] {
            assert_eq!(of(status), Verdict::Accepted);
        }
        for status in [301, 401, 403, 404, 407, 408, 425, 429, 500, 503] {
            assert!(matches!(of(status), Verdict::Later { .. }), "{status}");
        }
        for status in [400, 413, 415, 422] {
            assert!(matches!(of(status), Verdict::Never(_)), "{status}");
        }
        let why = "the receiver answers 400 Bad Request: because".to_owned();
        assert_eq!(of(400), Verdict::Never(why));
    }

    fn asked(value: &str, now: u64) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(now))
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_by_a_date() {
        assert_eq!(asked("120", 0), Some(Duration::from_secs(120)));
        let date = "Fri, 31 Dec 1999 23:59:59 GMT";
        assert_eq!(asked(date, 946_684_790), Some(Duration::from_secs(9)));
        assert_eq!(asked(date, 946_684_800), Some(Duration::ZERO));
        assert_eq!(asked("soon", 0), None);
        assert_eq!(asked("-1", 0), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(
            status in 100_u16..1000, value in "[ -~]{0,40}", body: Vec<u8>
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(&value).unwrap());
            let verdict = verdict(StatusCode::from_u16(status).unwrap(), &headers, &body);
            prop_assert_eq!(verdict == Verdict::Accepted, (200..300).contains(&status));
        }
    }
}
