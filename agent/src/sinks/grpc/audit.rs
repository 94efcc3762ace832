//! Refusals of clients: each counts and is logged, and alerts tell of them.
//!
//! A flood of refusals must not become a flood of alerts, which would push others out of the spool.
//! So the second alert for a reason and an origin comes a minute after the first one at the
//! earliest, and each further one after twice the time before, up to a quarter of an hour; it has
//! the number of refusals that had no alert. Beyond some origins for a reason, the others share one
//! such alert.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::peer::Origin;
use crate::alert::{SensorFinding, WeakAlertSender};
use crate::telemetry::{Counter, Failure};

/// Shortest and longest time between two alerts for the same reason and origin.
const QUIET: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(900));
/// An origin that is silent for so long after an alert is forgotten, and makes room for another.
const FORGOTTEN: Duration = Duration::from_hours(1);
/// Origins that are told apart for a reason.
const MAX_ORIGINS: usize = 16;

/// Why somebody was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// A user of this node who may not use the socket.
    UnixPeer,
    /// No certificate.
    NoCertificate,
    /// A certificate of a CA that is not trusted.
    UnknownCa,
    /// A certificate whose time is over, or has not come.
    Expired,
    /// A certificate that is wrong in another way.
    BadCertificate,
    /// A TLS version that is too old.
    TlsVersion,
    /// No TLS at all.
    Plaintext,
    /// A TLS handshake that is not one.
    BadHandshake,
    /// A handshake that took too long.
    SlowHandshake,
    /// Too many handshakes under way.
    TooManyHandshakes,
    /// Too many connections.
    TooManyConnections,
    /// A certificate with no name in the clients file.
    NotListed,
    /// A client without the right for the call.
    MissingRight,
}

impl Reason {
    fn counter(self) -> &'static Counter {
        macro_rules! counters {
            ($($reason:ident => $name:literal,)*) => {
                match self {
                    $(Self::$reason => {
                        static COUNTER: Counter = Counter::new($name);
                        &COUNTER
                    })*
                }
            };
        }
        counters! {
            UnixPeer => "peer_refused",
            NoCertificate => "refused_no_certificate",
            UnknownCa => "refused_unknown_ca",
            Expired => "refused_expired",
            BadCertificate => "refused_bad_certificate",
            TlsVersion => "refused_tls_version",
            Plaintext => "refused_plaintext",
            BadHandshake => "refused_bad_handshake",
            SlowHandshake => "refused_slow_handshake",
            TooManyHandshakes => "refused_too_many_handshakes",
            TooManyConnections => "refused_too_many_connections",
            NotListed => "refused_not_listed",
            MissingRight => "refused_missing_right",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnixPeer => "only the agent's user and root may use the socket",
            Self::NoCertificate => "it showed no certificate",
            Self::UnknownCa => "its certificate comes from no CA of stream.tcp.client_ca",
            Self::Expired => "its certificate has expired, or is not valid yet",
            Self::BadCertificate => "its certificate is not valid",
            Self::TlsVersion => "it speaks no TLS 1.2 or 1.3",
            Self::Plaintext => "it spoke without TLS",
            Self::BadHandshake => "its TLS handshake failed",
            Self::SlowHandshake => "its TLS handshake took too long",
            Self::TooManyHandshakes => "too many TLS handshakes are under way",
            Self::TooManyConnections => "too many connections are open",
            Self::NotListed => "its certificate has no name that stream.tcp.clients lists",
            Self::MissingRight => "it lacks the right",
        })
    }
}

/// One refusal.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// Why.
    pub(super) reason: Reason,
    /// What it is counted under.
    pub(super) origin: Origin,
    /// Who it was: the address, and the identity as far as it is known.
    pub(super) who: String,
    /// More about the reason; may be empty.
    pub(super) detail: String,
}

impl Failure for Refusal {
    fn counter(&self) -> &'static Counter {
        self.reason.counter()
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "A client was refused.",
            who = self.who,
            reason = %self.reason,
            detail = self.detail,
            total
        );
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.who, self.reason)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

/// Tells of refusals. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Audit {
    alerts: WeakAlertSender,
    told: Arc<Mutex<Told>>,
}

/// What was told of: a reason and where from; nowhere stands for all origins beyond the bound.
type Key = (Reason, Option<Origin>);

#[derive(Debug, Default)]
struct Told {
    entries: HashMap<Key, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// When an alert told of it; `None` when the queue of alerts had no room.
    told: Option<Instant>,
    /// Time from then to the next one, at least.
    quiet: Duration,
    /// Refusals since.
    untold: u64,
    /// The latest of them.
    latest: Option<String>,
}

impl Audit {
    /// Raises alerts as long as somebody else keeps their stage open.
    pub(super) fn new(alerts: WeakAlertSender) -> Self {
        Self {
            alerts,
            told: Arc::default(),
        }
    }

    /// Tells of a refusal.
    pub(super) fn refuse(&self, refusal: &Refusal) {
        refusal.emit();
        self.note(refusal, Instant::now());
    }

    fn note(&self, refusal: &Refusal, now: Instant) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = told.entry((refusal.reason, Some(refusal.origin)), now);
        entry.untold += 1;
        entry.latest = Some(refusal.to_string());
        self.tell(entry, now);
    }

    /// Tells of the refusals whose minute is over, and forgets those that were told.
    pub(super) fn sweep(&self) {
        self.sweep_at(Instant::now());
    }

    fn sweep_at(&self, now: Instant) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.entries.retain(|_, entry| {
            self.tell(entry, now);
            !entry.is_over(now)
        });
    }

    /// Raises an alert when one is due.
    fn tell(&self, entry: &mut Entry, now: Instant) {
        if entry.untold == 0 || !entry.is_due(now) {
            return;
        }
        let Some(latest) = &entry.latest else { return };
        let before = match entry.untold - 1 {
            0 => String::new(),
            more => format!("; {more} more for this reason, not told of before"),
        };
        let finding = SensorFinding::client_refused(&format!("{latest}{before}"));
        // Without room it is told with the next one.
        if self.alerts.sensor(finding) {
            *entry = Entry {
                told: Some(now),
                quiet: match entry.told {
                    None => QUIET.0,
                    Some(_) => (entry.quiet * 2).min(QUIET.1),
                },
                untold: 0,
                latest: None,
            };
        }
    }
}

impl Entry {
    fn is_due(&self, now: Instant) -> bool {
        self.told.is_none_or(|told| now - told >= self.quiet)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.untold == 0 && self.told.is_none_or(|told| now - told >= FORGOTTEN)
    }
}

impl Told {
    fn entry(&mut self, key: Key, now: Instant) -> &mut Entry {
        let (reason, _) = key;
        let known = self.entries.contains_key(&key) || self.has_room(reason, now);
        let key = if known { key } else { (reason, None) };
        self.entries.entry(key).or_insert(Entry {
            told: None,
            quiet: QUIET.0,
            untold: 0,
            latest: None,
        })
    }

    fn has_room(&mut self, reason: Reason, now: Instant) -> bool {
        self.entries.retain(|_, entry| !entry.is_over(now));
        let of_it = |(other, origin): &&Key| *other == reason && origin.is_some();
        self.entries.keys().filter(of_it).count() < MAX_ORIGINS
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::alert::{AlertSender, Spool, SpoolLimits, channel};

    fn audit() -> (Audit, AlertSender) {
        let limits = SpoolLimits {
            bytes: 1 << 22,
            records: 10_000,
            age: None,
            memory_bytes: 1 << 22,
        };
        let (alerts, stage) = channel(Spool::in_memory(limits, "a test").unwrap(), 100_000);
        tokio::spawn(stage.run());
        (Audit::new(alerts.downgrade()), alerts)
    }

    fn refusal(address: u32) -> Refusal {
        Refusal {
            reason: Reason::Plaintext,
            origin: Origin::network(IpAddr::V4(address.into())),
            who: "somebody".into(),
            detail: String::new(),
        }
    }

    fn raised(alerts: &AlertSender) -> u64 {
        alerts.counts().account(0).raised
    }

    #[tokio::test]
    async fn each_reason_and_origin_has_an_alert_and_then_fewer() {
        let (audit, alerts) = audit();
        let mut now = Instant::now();
        (0..50).for_each(|_| audit.note(&refusal(1), now));
        assert_eq!(raised(&alerts), 1);
        audit.note(&refusal(2), now);
        assert_eq!(raised(&alerts), 2);
        let other = Refusal {
            reason: Reason::Expired,
            ..refusal(1)
        };
        audit.note(&other, now);
        assert_eq!(raised(&alerts), 3);
        now += QUIET.0;
        audit.note(&refusal(1), now);
        assert_eq!(raised(&alerts), 4);
        now += QUIET.0;
        audit.note(&refusal(1), now);
        assert_eq!(raised(&alerts), 4, "the second pause is longer");
        now += QUIET.0;
        audit.note(&refusal(1), now);
        assert_eq!(raised(&alerts), 5);
        let told = audit.told.lock().unwrap();
        assert_eq!(
            told.entries[&(Reason::Plaintext, Some(refusal(1).origin))].untold,
            0
        );
    }

    #[tokio::test]
    async fn what_had_no_alert_is_told_when_its_minute_is_over() {
        let (audit, alerts) = audit();
        let mut now = Instant::now();
        (0..3).for_each(|_| audit.note(&refusal(1), now));
        audit.sweep_at(now);
        assert_eq!(raised(&alerts), 1);
        now += QUIET.0;
        audit.sweep_at(now);
        assert_eq!(raised(&alerts), 2);
        now += FORGOTTEN;
        audit.sweep_at(now);
        assert_eq!(raised(&alerts), 2);
        assert!(audit.told.lock().unwrap().entries.is_empty());
    }

    #[tokio::test]
    async fn a_flood_from_everywhere_is_bounded() {
        let (audit, alerts) = audit();
        let mut now = Instant::now();
        (0..20_000).for_each(|address| audit.note(&refusal(address), now));
        let bound = MAX_ORIGINS as u64 + 1;
        assert_eq!(raised(&alerts), bound);
        assert_eq!(audit.told.lock().unwrap().entries.len() as u64, bound);
        now += QUIET.0;
        audit.sweep_at(now);
        assert_eq!(raised(&alerts), bound + 1, "one for all that had no place");
    }

    #[tokio::test]
    async fn a_day_of_refusals_from_everywhere_is_some_hundred_alerts() {
        let (audit, alerts) = audit();
        let mut now = Instant::now();
        for minute in 0..24 * 60 {
            (0..100).for_each(|address| audit.note(&refusal(minute * 100 + address), now));
            now += Duration::from_secs(60);
            audit.sweep_at(now);
        }
        let raised = raised(&alerts);
        assert!((24..600).contains(&raised), "{raised}");
    }

    #[tokio::test]
    async fn it_does_not_keep_the_stage_open() {
        let (audit, alerts) = audit();
        let now = Instant::now();
        drop(alerts);
        audit.note(&refusal(1), now);
        assert_eq!(audit.told.lock().unwrap().entries.len(), 1);
    }
}
