//! What an answer means for the records of the request.

use reqwest::StatusCode;

use crate::sinks::http::{Answer, Verdict};

/// Answers that judge the records. Any other failure is one of the settings, of a secret that was
/// exchanged or of the receiver: it can be mended, and the records are kept until then.
const OF_THE_CONTENT: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// The verdict of an answer.
pub(super) fn verdict(answer: &Answer) -> Verdict {
    let status = answer.status;
    if status.is_success() {
        return Verdict::Accepted;
    }
    let why = answer.reason();
    if OF_THE_CONTENT.contains(&status) {
        return Verdict::Never(why);
    }
    let after = answer.retry_after();
    Verdict::Later { why, after }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderMap;

    use super::*;

    fn of(status: u16, body: &[u8]) -> Verdict {
        verdict(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_vec(),
        })
    }

    #[test]
    fn the_status_decides() {
        let of = |status| of(status, b"because\n");
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

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(status in 100_u16..1000, body: Vec<u8>) {
            let accepted = of(status, &body) == Verdict::Accepted;
            prop_assert_eq!(accepted, (200..300).contains(&status));
        }
    }
}
