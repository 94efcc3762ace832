//! Headers from a file: secrets do not belong into a command line or an environment.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Longest file.
const MAX_BYTES: u64 = 64 << 10;

/// Headers that follow from the request.
const RESERVED: [&str; 4] = [
    "content-encoding",
    "content-length",
    "content-type",
    "transfer-encoding",
];

/// Why headers cannot be had. The text has no value in it.
#[derive(Debug, thiserror::Error)]
pub enum HeadersError {
    /// The operating system refused.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// Something in it is no header.
    #[error("{}:{line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
}

/// Reads a file with one header a line, as in HTTP. It waits for the disk.
pub(super) fn read(path: &Path) -> Result<HeaderMap, HeadersError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| HeadersError::Io {
            path: path.to_owned(),
            source,
        })?;
    parse(&bytes).map_err(|(line, why)| HeadersError::Line {
        path: path.to_owned(),
        line,
        why,
    })
}

/// Tells of a file with secrets that everybody can read.
pub(super) fn warn_if_open(path: &Path) {
    if fs::metadata(path).is_ok_and(|found| found.mode() & 0o004 != 0) {
        tracing::warn!(
            message = "Everybody can read the file with an output's headers: run chmod o-r on it.",
            path = %path.display()
        );
    }
}

/// The headers, or the number of the line that is wrong and why.
fn parse(bytes: &[u8]) -> Result<HeaderMap, (usize, &'static str)> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err((1, "the file is longer than 64 KiB"));
    }
    let mut headers = HeaderMap::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (name, value) = header(line).map_err(|why| (index + 1, why))?;
        headers
            .try_append(name, value)
            .map_err(|_| (index + 1, "there are too many headers"))?;
    }
    Ok(headers)
}

fn header(line: &[u8]) -> Result<(HeaderName, HeaderValue), &'static str> {
    let colon = memchr::memchr(b':', line).ok_or("expected `Name: value`")?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let name = HeaderName::from_bytes(name).map_err(|_| "the name before `:` is no header")?;
    if RESERVED.contains(&name.as_str()) {
        return Err("this header follows from the request: remove it");
    }
    let mut value = HeaderValue::from_bytes(value)
        .map_err(|_| "the value has a byte that no header may have")?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_stand_one_a_line() {
        let text = b"# the key\n\nAuthorization: Bearer a:b \r\nX-Team:sec\nX-Team: ops";
        let headers = parse(text).unwrap();
        assert_eq!(headers["authorization"], "Bearer a:b");
        assert!(headers["authorization"].is_sensitive());
        let teams: Vec<_> = headers.get_all("x-team").iter().collect();
        assert_eq!(teams, ["sec", "ops"]);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_and_without_the_secret() {
        for (text, line) in [
            ("A: 1\nsecret", 2),
            ("a secret: 1", 1),
            ("A: se\u{1}cret", 1),
            ("\n\nContent-Length: 7", 3),
        ] {
            let (at, why) = parse(text.as_bytes()).unwrap_err();
            assert_eq!(at, line, "{text}");
            assert!(!why.contains("secret"), "{why}");
        }
        let long = vec![b'#'; MAX_BYTES as usize + 1];
        assert!(parse(&long).unwrap_err().1.contains("64 KiB"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read(Path::new("no/such/headers")).unwrap_err().to_string();
        assert!(
            error.starts_with("no/such/headers cannot be read: "),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_every_header_has_a_line(bytes: Vec<u8>) {
            if let Ok(headers) = parse(&bytes) {
                prop_assert!(headers.len() <= bytes.split(|&byte| byte == b'\n').count());
            }
        }

        #[test]
        fn every_token_is_read(name in "[a-z][a-z0-9-]{0,20}", value in "[!-~]{1,40}") {
            prop_assume!(!RESERVED.contains(&name.as_str()));
            let headers = parse(format!("{name}: {value}\n").as_bytes()).unwrap();
            prop_assert_eq!(headers[&name].as_bytes(), value.as_bytes());
        }
    }
}
