//! Log sources: which of them the sensor's events stand for.

use super::super::falco::items::Trouble;
use super::super::falco::source::{Place, Text};
use super::super::falco::yaml::Node;
use super::super::report::RefusalKind;
use super::document::{Read, entries};

/// The section `logsource`.
#[derive(Clone, Debug)]
pub(crate) struct LogSource {
    pub(crate) category: Option<Text>,
    pub(crate) product: Option<Text>,
    pub(crate) service: Option<Text>,
    pub(crate) place: Place,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    ProcessCreation,
    FileEvent,
    NetworkConnection,
    /// EXECVE and PATH records of the kernel's audit.
    Auditd,
}

impl Source {
    /// Sigma's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ProcessCreation => "process_creation",
            Self::FileEvent => "file_event",
            Self::NetworkConnection => "network_connection",
            Self::Auditd => "auditd",
        }
    }

    /// The events of the source, as a condition in Falco's language.
    pub(crate) const fn guard(self) -> &'static str {
        match self {
            Self::ProcessCreation => "evt.type in (execve, execveat) and evt.failed = false",
            Self::FileEvent => "sigma.target_filename exists",
            // A connect that is under way is a connection: most are not waited for.
            Self::NetworkConnection => {
                "((evt.type = connect and (evt.failed = false or evt.res = EINPROGRESS)) or \
                 (evt.type in (accept, accept4) and fd.rip exists) or \
                 (evt.type in (sendto, sendmsg, sendmmsg) and fd.name_changed = true)) and \
                 fd.sockfamily = ip"
            }
            Self::Auditd => "sigma.path_name exists",
        }
    }

    /// What an alert shows beside the title, as an output of Falco's language.
    pub(crate) const fn output(self) -> &'static str {
        match self {
            Self::ProcessCreation => {
                "Image=%proc.exepath CommandLine=%proc.exeline ParentImage=%proc.pexepath \
                 User=%user.name CurrentDirectory=%sigma.current_directory"
            }
            Self::FileEvent => {
                "TargetFilename=%sigma.target_filename Image=%proc.exepath \
                 CommandLine=%proc.exeline User=%user.name"
            }
            Self::NetworkConnection => {
                "DestinationIp=%fd.sip DestinationPort=%fd.sport \
                 DestinationHostname=%fd.sip.name Image=%proc.exepath CommandLine=%proc.exeline \
                 User=%user.name"
            }
            Self::Auditd => "name=%sigma.path_name exe=%proc.exepath cmd=%proc.exeline",
        }
    }
}

/// What every alert of a Sigma rule shows of the container.
pub(crate) const CONTAINER: &str = "container=%container.name image=%container.image.repository";

impl LogSource {
    pub(super) fn read(node: Node<'_>) -> Read<Self> {
        let (mut category, mut product, mut service) = (None, None, None);
        for (key, value) in entries(node, "logsource")? {
            match key.value.as_str() {
                "category" => category = value.text(),
                "product" => product = value.text(),
                "service" => service = value.text(),
                // `definition` tells people how to make the logs; other keys are a pipeline's.
                _ => {}
            }
        }
        Ok(Self {
            category,
            product,
            service,
            place: node.place(),
        })
    }

    /// The source that this names, if the sensor has its events.
    pub(crate) fn source(&self) -> Read<Source> {
        if let Some(product) = &self.product
            && !product.value.eq_ignore_ascii_case("linux")
        {
            let reason = format!("no events of product '{}' exist here", product.value);
            return Err(Trouble::new(
                product.start(),
                RefusalKind::LogSource,
                reason,
            ));
        }
        let word = |text: &Option<Text>| text.as_ref().map(|text| text.value.to_lowercase());
        let (category, service) = (word(&self.category), word(&self.service));
        match (category.as_deref(), service.as_deref()) {
            (Some("process_creation"), None | Some("sysmon")) => Ok(Source::ProcessCreation),
            (Some("file_event"), None | Some("sysmon")) => Ok(Source::FileEvent),
            (Some("network_connection"), None | Some("sysmon")) => Ok(Source::NetworkConnection),
            (None, Some("auditd")) => Ok(Source::Auditd),
            (category, service) => {
                let place = self.category.as_ref().or(self.service.as_ref());
                let place = place.map_or_else(|| self.place.clone(), Text::start);
                let what = match (category, service) {
                    (Some(category), Some(service)) => {
                        format!("category '{category}' of service '{service}'")
                    }
                    (Some(category), None) => format!("category '{category}'"),
                    (None, Some(service)) => format!("service '{service}'"),
                    (None, None) => "a source without category and service".to_owned(),
                };
                Err(Trouble::new(
                    place,
                    RefusalKind::LogSource,
                    format!("not supported here: the sensor makes no events of {what}"),
                )
                .hint(
                    "there are process_creation, file_event and network_connection of Linux, \
                     and the records EXECVE and PATH of auditd",
                ))
            }
        }
    }

    /// Whether everything that this names is named in the other too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let same = |own: &Option<Text>, other: &Option<Text>| match (own, other) {
            (None, _) => true,
            (Some(own), Some(other)) => own.value.eq_ignore_ascii_case(&other.value),
            (Some(_), None) => false,
        };
        same(&self.category, &other.category)
            && same(&self.product, &other.product)
            && same(&self.service, &other.service)
    }
}
