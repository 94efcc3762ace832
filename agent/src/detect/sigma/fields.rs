//! Sigma's field names: what they are here, and why some are not.

use super::super::catalogue::nearest;
use super::logsource::Source;

/// What a field of Sigma is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// A field of the catalogue.
    Field(&'static str),
    /// An argument after the first, from 0.
    Argument(u32),
    /// The opposite of a field that is true or false.
    Opposite(&'static str),
    /// A moment, of which parts can be compared.
    Moment(&'static str),
    /// `type` of auditd's records: a test of the event's type.
    RecordType,
}

/// What is known of a field's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Mapped(Mapping),
    /// The sensor cannot fill it, with the reason.
    Unsupported(String),
    /// There is none, and the nearest name.
    Unheard(Option<&'static str>),
}

use Mapping::{Field, Moment, Opposite, RecordType};
use Source::{Auditd, FileEvent, NetworkConnection, ProcessCreation};

const SYSMON: &[Source] = &[ProcessCreation, FileEvent, NetworkConnection];
const NETWORK: &[Source] = &[NetworkConnection];

/// Name, log sources that have it, and what it is.
const MAPPED: &[(&str, &[Source], Mapping)] = &[
    ("Image", SYSMON, Field("proc.exepath")),
    ("CommandLine", SYSMON, Field("proc.exeline")),
    ("CurrentDirectory", SYSMON, Field("sigma.current_directory")),
    ("User", SYSMON, Field("user.name")),
    ("LogonId", SYSMON, Field("sigma.logon_id")),
    ("ProcessId", SYSMON, Field("proc.pid")),
    ("ParentImage", SYSMON, Field("proc.pexepath")),
    (
        "ParentCommandLine",
        SYSMON,
        Field("sigma.parent_command_line"),
    ),
    ("ParentProcessId", SYSMON, Field("proc.ppid")),
    ("UtcTime", SYSMON, Moment("evt.rawtime")),
    (
        "TargetFilename",
        &[FileEvent],
        Field("sigma.target_filename"),
    ),
    ("DestinationIp", NETWORK, Field("fd.sip")),
    ("DestinationPort", NETWORK, Field("fd.sport")),
    ("DestinationHostname", NETWORK, Field("fd.sip.name")),
    ("SourceIp", NETWORK, Field("fd.cip")),
    ("SourcePort", NETWORK, Field("fd.cport")),
    ("SourceHostname", NETWORK, Field("fd.cip.name")),
    ("Initiated", NETWORK, Opposite("fd.is_server")),
    ("Protocol", NETWORK, Field("fd.l4proto")),
    ("type", &[Auditd], RecordType),
    ("a0", &[Auditd], Field("proc.exe")),
    ("name", &[Auditd], Field("sigma.path_name")),
    ("nametype", &[Auditd], Field("sigma.path_nametype")),
];

const OF_SESSION: &str = "it belongs to sessions of Windows";
const OF_FILE: &str = "the contents of executed files are not read";
const OF_SYSMON: &str = "Sysmon makes it up";
const OF_SYSCALL: &str = "it stands in other records of auditd than EXECVE and PATH";

/// Fields that Sigma's taxonomy has and the sensor cannot fill.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("LogonGuid", OF_SESSION),
    (
        "TerminalSessionId",
        "the number of a login session is not read",
    ),
    ("IntegrityLevel", OF_SESSION),
    (
        "ParentUser",
        "the user of the parent is not kept with a process",
    ),
    ("Hashes", OF_FILE),
    ("md5", OF_FILE),
    ("sha1", OF_FILE),
    ("sha256", OF_FILE),
    ("Imphash", OF_FILE),
    ("OriginalFileName", OF_FILE),
    ("Product", OF_FILE),
    ("Company", OF_FILE),
    ("Description", OF_FILE),
    ("FileVersion", OF_FILE),
    ("ProcessGuid", OF_SYSMON),
    ("ParentProcessGuid", OF_SYSMON),
    ("RuleName", OF_SYSMON),
    (
        "CreationUtcTime",
        "the time at which a file was made is not read",
    ),
    (
        "DestinationPortName",
        "names of ports are not looked up; compare DestinationPort",
    ),
    (
        "SourcePortName",
        "names of ports are not looked up; compare SourcePort",
    ),
    (
        "DestinationIsIpv6",
        "compare DestinationIp with a network instead",
    ),
    ("SourceIsIpv6", "compare SourceIp with a network instead"),
    ("SYSCALL", OF_SYSCALL),
    ("syscall", OF_SYSCALL),
    ("exe", OF_SYSCALL),
    ("comm", OF_SYSCALL),
    ("key", OF_SYSCALL),
    ("success", OF_SYSCALL),
    ("exit", OF_SYSCALL),
    ("uid", OF_SYSCALL),
    ("euid", OF_SYSCALL),
    ("auid", OF_SYSCALL),
    ("pid", OF_SYSCALL),
    ("ppid", OF_SYSCALL),
    ("tty", OF_SYSCALL),
    ("cwd", OF_SYSCALL),
    ("proctitle", OF_SYSCALL),
    ("unit", OF_SYSCALL),
    ("mode", "the mode of a file is not in an event"),
    ("ouid", "the owner of a file is not in an event"),
    ("ogid", "the group of a file is not in an event"),
    ("inode", "the inode of a file is not in an event"),
];

/// Looks a name up for rules of that log source.
pub(crate) fn look_up(name: &str, source: Source) -> Found {
    if let Some(&(_, sources, mapping)) = MAPPED.iter().find(|(known, ..)| *known == name) {
        if sources.contains(&source) {
            return Found::Mapped(mapping);
        }
        let of = sources.iter().map(|source| source.name());
        let of = of.collect::<Vec<_>>().join(" and ");
        return Found::Unsupported(format!("it belongs to {of}, not to {}", source.name()));
    }
    if source == Auditd
        && let Some(number) = argument(name)
    {
        return Found::Mapped(Mapping::Argument(number - 1));
    }
    if let Some(&(_, reason)) = UNSUPPORTED.iter().find(|(known, _)| *known == name) {
        return Found::Unsupported(reason.to_owned());
    }
    let known = MAPPED
        .iter()
        .filter(|(_, sources, _)| sources.contains(&source));
    let known = known.map(|(known, ..)| *known);
    let near = |name: &str| {
        let same = |known: &&str| known.eq_ignore_ascii_case(name);
        known
            .clone()
            .find(same)
            .or_else(|| nearest(name, known.clone()))
    };
    Found::Unheard(near(name))
}

/// `a1` and so on.
fn argument(name: &str) -> Option<u32> {
    let digits = name.strip_prefix('a')?;
    let number: u32 = digits.parse().ok()?;
    (number > 0 && !digits.starts_with(['+', '0'])).then_some(number)
}

/// Types of auditd's records as events, by a condition in Falco's language.
pub(crate) fn record_type(name: &str) -> Option<&'static str> {
    match name.to_uppercase().as_str() {
        "EXECVE" => Some("evt.type in (execve, execveat) and evt.failed = false"),
        "PATH" => Some("sigma.path_name exists"),
        _ => None,
    }
}

/// The fields as a table for the documents.
pub fn sigma_fields_markdown() -> String {
    let mut out = "| Sigma | log sources | Gravlens |\n|---|---|---|\n".to_owned();
    for (name, sources, mapping) in MAPPED {
        let of = sources.iter().map(|source| source.name());
        let of = of.collect::<Vec<_>>().join(", ");
        let here = match mapping {
            Field(field) => format!("`{field}`"),
            Mapping::Argument(number) => format!("`proc.args[{number}]`"),
            Opposite(field) => format!("the opposite of `{field}`"),
            Moment(field) => format!("parts of `{field}`, by `hour` and its like"),
            RecordType => "`EXECVE` or `PATH`".to_owned(),
        };
        super::super::value::append(&mut out, format_args!("| `{name}` | {of} | {here} |\n"));
    }
    out.push_str("| `a1` `a2` ... | auditd | `proc.args[0]` `proc.args[1]` ... |\n");
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::catalogue::field;
    use super::*;

    #[test]
    fn every_field_is_one_of_the_catalogue() {
        for (name, _, mapping) in MAPPED {
            if let Field(here) | Opposite(here) | Moment(here) = mapping {
                assert!(field(here).is_some(), "{name}: {here}");
            }
        }
    }

    #[test]
    fn names_are_told_apart_with_the_reason() {
        assert_eq!(look_up("a3", Auditd), Found::Mapped(Mapping::Argument(2)));
        for name in ["a01", "a+1", "ab", "a"] {
            assert!(matches!(look_up(name, Auditd), Found::Unheard(_)), "{name}");
        }
        assert_eq!(
            look_up("Commandline", ProcessCreation),
            Found::Unheard(Some("CommandLine"))
        );
        assert_eq!(
            look_up("TargetFilename", ProcessCreation),
            Found::Unsupported("it belongs to file_event, not to process_creation".to_owned())
        );
        assert!(matches!(
            look_up("LogonGuid", ProcessCreation),
            Found::Unsupported(_)
        ));
    }
}
