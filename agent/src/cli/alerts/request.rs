//! The arguments of `alerts` as a request.

use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use prost_types::Timestamp;

use crate::cli::{Exit, Failure};
use crate::proto::watch_request::Start;
use crate::proto::{Filter, Live, Oldest, RecordKind, Selector, Severity, WatchRequest};

/// Which alerts, and from when.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct AlertsArgs {
    /// Go on with what happens from now on; without --since and --from-start nothing older
    #[arg(long, short)]
    pub(super) follow: bool,
    /// Begin at this time (RFC 3339) or this long ago (30s, 10m, 2h, 1d)
    #[arg(long, value_name = "TIME", conflicts_with = "from_start")]
    since: Option<String>,
    /// Begin with the oldest alert that is kept: the default without --follow
    #[arg(long)]
    from_start: bool,
    /// End after so many alerts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) limit: Option<u64>,
    /// Print heartbeats too
    #[arg(long)]
    pub(super) heartbeats: bool,
    /// Least severity
    #[arg(long, value_name = "SEVERITY", value_enum)]
    min_severity: Option<Least>,
    /// Rule name; `*` stands for anything. Options may be repeated: one value must match
    #[arg(long, value_name = "NAME")]
    rule: Vec<String>,
    /// Rule tag
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// ATT&CK technique: T1059 includes T1059.004
    #[arg(long, value_name = "ID")]
    attack: Vec<String>,
    /// Container name or beginning of its id; `host` for the node's own processes
    #[arg(long, value_name = "NAME|ID")]
    container: Vec<String>,
    /// Image, with or without tag
    #[arg(long, value_name = "IMAGE")]
    image: Vec<String>,
    /// Type of the event, as `execve` or `connect`
    #[arg(long, value_name = "TYPE")]
    event_type: Vec<String>,
    /// Kubernetes namespace of the container's pod
    #[arg(long, value_name = "NAME")]
    namespace: Vec<String>,
    /// Kubernetes pod
    #[arg(long, value_name = "NAME")]
    pod: Vec<String>,
    /// Labels of the container, as Kubernetes selects them: `app=web,tier!=db`
    #[arg(long, value_name = "SELECTOR")]
    selector: Vec<String>,
    /// Kind of records
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Vec<Kind>,
    /// Only these fields: `alert.output,alert.rule.name`
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    fields: Vec<String>,
    /// Leave out this rule
    #[arg(long, value_name = "NAME")]
    not_rule: Vec<String>,
    /// Leave out this container
    #[arg(long, value_name = "NAME|ID")]
    not_container: Vec<String>,
    /// Leave out this namespace
    #[arg(long, value_name = "NAME")]
    not_namespace: Vec<String>,
    /// Leave out containers with these labels
    #[arg(long, value_name = "SELECTOR")]
    not_selector: Vec<String>,
    /// Leave out this image
    #[arg(long, value_name = "IMAGE")]
    not_image: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Least {
    Debug,
    Informational,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl From<Least> for Severity {
    fn from(least: Least) -> Self {
        match least {
            Least::Debug => Self::Debug,
            Least::Informational => Self::Informational,
            Least::Notice => Self::Notice,
            Least::Warning => Self::Warning,
            Least::Error => Self::Error,
            Least::Critical => Self::Critical,
            Least::Alert => Self::Alert,
            Least::Emergency => Self::Emergency,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Alert,
    Amend,
    Loss,
    Throttle,
}

impl From<Kind> for RecordKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Alert => Self::Alert,
            Kind::Amend => Self::Amend,
            Kind::Loss => Self::Loss,
            Kind::Throttle => Self::Throttle,
        }
    }
}

impl AlertsArgs {
    /// The request.
    pub(super) fn request(mut self) -> Result<WatchRequest, Failure> {
        let start = match &self.since {
            Some(text) => Start::Since(since(text, SystemTime::now())?),
            None if self.follow && !self.from_start => Start::Live(Live {}),
            None => Start::Oldest(Oldest {}),
        };
        Ok(WatchRequest {
            start: Some(start),
            until_now: !self.follow,
            fields: std::mem::take(&mut self.fields),
            filter: Some(self.filter()),
        })
    }

    fn filter(self) -> Filter {
        let base = Selector {
            rules: self.rule,
            tags: self.tag,
            attack_ids: self.attack,
            images: self.image,
            event_types: self.event_type,
            namespaces: self.namespace,
            pods: self.pod,
            label_selectors: self.selector,
            ..Selector::default()
        };
        let allow = match by_container(&base, self.container) {
            selectors if selectors.is_empty() && base == Selector::default() => Vec::new(),
            selectors if selectors.is_empty() => vec![base],
            selectors => selectors,
        };
        // Apart: what matches any of them is left out.
        let mut deny = by_container(&Selector::default(), self.not_container);
        deny.extend(self.not_rule.into_iter().map(|rule| Selector {
            rules: vec![rule],
            ..Selector::default()
        }));
        deny.extend(self.not_namespace.into_iter().map(|namespace| Selector {
            namespaces: vec![namespace],
            ..Selector::default()
        }));
        deny.extend(self.not_selector.into_iter().map(|selector| Selector {
            label_selectors: vec![selector],
            ..Selector::default()
        }));
        deny.extend(self.not_image.into_iter().map(|image| Selector {
            images: vec![image],
            ..Selector::default()
        }));
        let kinds = self
            .kind
            .into_iter()
            .map(|kind| RecordKind::from(kind).into());
        let min_severity = self
            .min_severity
            .map_or(Severity::Unspecified, Severity::from);
        Filter {
            min_severity: min_severity.into(),
            kinds: kinds.collect(),
            allow,
            deny,
        }
    }
}

/// Selectors for containers given by name or id. What looks like an id may still be a name.
fn by_container(base: &Selector, containers: Vec<String>) -> Vec<Selector> {
    let is_id = |text: &String| {
        text == "host" || text.len() >= 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let ids: Vec<_> = containers
        .iter()
        .filter(|text| is_id(text))
        .cloned()
        .collect();
    let mut selectors = Vec::new();
    if !ids.is_empty() {
        selectors.push(Selector {
            container_ids: ids,
            ..base.clone()
        });
    }
    if !containers.is_empty() {
        selectors.push(Selector {
            container_names: containers,
            ..base.clone()
        });
    }
    selectors
}

/// What `--since` says.
pub(in crate::cli) fn since(text: &str, now: SystemTime) -> Result<Timestamp, Failure> {
    parse_since(text, now)
        .map_err(|why| Failure::new(Exit::Usage, format!("--since {text}: {why}")))
}

fn parse_since(text: &str, now: SystemTime) -> Result<Timestamp, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let age = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*seconds)
    });
    if let Some(seconds) = age {
        return now
            .checked_sub(Duration::from_secs(seconds))
            .map(Timestamp::from)
            .ok_or_else(|| "that is too long ago".to_owned());
    }
    Timestamp::from_str(text)
        .map_err(|_| "give a time such as 2026-07-01T12:00:00Z or an age such as 10m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(edit: impl FnOnce(&mut AlertsArgs)) -> Filter {
        let mut args = AlertsArgs::default();
        edit(&mut args);
        args.filter()
    }

    #[test]
    fn since_is_a_time_or_an_age() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000);
        let seconds = |text: &str| parse_since(text, now).map(|time| time.seconds);
        assert_eq!(seconds("10m"), Ok(9_400));
        assert_eq!(seconds("1970-01-01T00:00:05Z"), Ok(5));
        for bad in ["yesterday", "5", "-5m", "99999999999999999999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_follow_everything_kept_is_read() {
        let request = AlertsArgs::default().request().unwrap();
        assert_eq!(request.start, Some(Start::Oldest(Oldest {})));
        assert!(request.until_now);
        let follow = AlertsArgs {
            follow: true,
            ..AlertsArgs::default()
        };
        let request = follow.request().unwrap();
        assert_eq!(request.start, Some(Start::Live(Live {})));
        assert!(!request.until_now);
    }

    #[test]
    fn nothing_asked_is_an_empty_filter() {
        assert_eq!(filter(|_| {}), Filter::default());
    }

    #[test]
    fn a_container_is_found_by_name_and_by_id() {
        let allow = filter(|args| {
            args.container = vec!["web".into(), "deadbeef".into()];
            args.rule = vec!["R".into()];
        })
        .allow;
        assert_eq!(allow.len(), 2);
        assert_eq!(allow[0].container_ids, ["deadbeef"]);
        assert_eq!(allow[1].container_names, ["web", "deadbeef"]);
        assert!(allow.iter().all(|selector| selector.rules == ["R"]));
    }

    #[test]
    fn what_is_left_out_stands_apart() {
        let deny = filter(|args| {
            args.not_rule = vec!["A".into(), "B".into()];
            args.not_image = vec!["busybox".into()];
        })
        .deny;
        assert_eq!(deny.len(), 3);
    }
}
