//! Answers of receivers.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::alert::printable;

/// Bytes of an answer that are read, so that the connection can serve the next request.
const BYTES: usize = 64 << 10;
/// Characters of a reason that the log shows.
const REASON_LENGTH: usize = 200;

/// An answer.
#[derive(Clone, Debug)]
pub(in crate::sinks) struct Answer {
    /// Status.
    pub(in crate::sinks) status: StatusCode,
    /// Headers.
    pub(in crate::sinks) headers: HeaderMap,
    /// The begin of the body, as far as it came.
    pub(in crate::sinks) body: Vec<u8>,
}

impl Answer {
    pub(super) async fn read(mut response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= BYTES {
                break;
            }
        }
        Self {
            status,
            headers,
            body,
        }
    }

    /// The status, and what the body says when it is text, for people.
    pub(in crate::sinks) fn reason(&self) -> String {
        self.reason_with(&String::from_utf8_lossy(&self.body))
    }

    /// The status, and what the receiver said, for people.
    pub(in crate::sinks) fn reason_with(&self, said: &str) -> String {
        let status = self.status;
        match shown(said).as_str() {
            "" => format!("the receiver answers {status}"),
            said => format!("the receiver answers {status}: {said}"),
        }
    }

    /// The pause that the receiver asks for, in seconds or by a date.
    pub(in crate::sinks) fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers, SystemTime::now())
    }
}

/// The begin of what a receiver said, fit for a log.
pub(in crate::sinks) fn shown(said: &str) -> String {
    let said: String = said.trim().chars().take(REASON_LENGTH).collect();
    printable(&said).into_owned()
}

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

    fn headers(value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        HeaderMap::from_iter([(RETRY_AFTER, value)])
    }

    fn asked(value: &str, now: u64) -> Option<Duration> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        retry_after(&headers(value), now)
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
        fn no_answer_makes_it_panic_or_writes_to_the_log(
            status in 100_u16..1000, value in "[ -~]{0,40}", body: Vec<u8>
        ) {
            let answer = Answer {
                status: StatusCode::from_u16(status).unwrap(),
                headers: headers(&value),
                body,
            };
            answer.retry_after();
            prop_assert!(!answer.reason().chars().any(char::is_control));
        }
    }
}
