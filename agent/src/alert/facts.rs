//! What filters look at. It is kept beside each record, in the spool too, so that a filter judges a
//! record that another run stored as it judges a new one.

use std::collections::HashMap;

use crate::model::{Container, ContainerView, RuleInfo};
use crate::proto;
use crate::telemetry::ContainerName;

use super::encode::severity;

/// What a filter knows of a record. What is `None` is not known.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Facts {
    #[prost(enumeration = "Kind", tag = "1")]
    pub(super) kind: i32,
    /// Of an alert and of an addition to one.
    #[prost(message, optional, tag = "2")]
    pub(super) rule: Option<RuleFacts>,
    /// Of an alert, of an addition (as the alert told it), and of lost events.
    #[prost(message, optional, tag = "3")]
    pub(super) container: Option<ContainerFacts>,
    /// Of an alert and of an addition to one: the type of its event, empty where there is none.
    #[prost(string, optional, tag = "4")]
    pub(super) event_type: Option<String>,
}

/// Kind of a record.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
pub(super) enum Kind {
    Gap = 0,
    Alert = 1,
    Amend = 2,
    Loss = 3,
    Throttle = 4,
}

/// A rule.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RuleFacts {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(enumeration = "proto::Severity", tag = "2")]
    pub(super) severity: i32,
    #[prost(string, repeated, tag = "3")]
    pub(super) tags: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub(super) attack_ids: Vec<String>,
}

/// A container, or the node.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ContainerFacts {
    /// It is none: the node itself.
    #[prost(bool, tag = "1")]
    pub(super) host: bool,
    #[prost(string, optional, tag = "2")]
    pub(super) id: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) name: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub(super) image: Option<ImageFacts>,
    #[prost(message, optional, tag = "5")]
    pub(super) labels: Option<LabelFacts>,
}

/// Labels of a container.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LabelFacts {
    #[prost(map = "string, string", tag = "1")]
    pub(super) labels: HashMap<String, String>,
}

/// An image.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ImageFacts {
    /// As written.
    #[prost(string, tag = "1")]
    pub(super) reference: String,
    #[prost(string, tag = "2")]
    pub(super) repository: String,
}

impl Facts {
    /// Of an alert; `event_type` is empty where it is about no event.
    pub fn alert(rule: &RuleInfo, container: &ContainerView, event_type: &str) -> Self {
        Self {
            kind: Kind::Alert.into(),
            rule: Some(RuleFacts::of(rule)),
            container: Some(ContainerFacts::of(container)),
            event_type: Some(event_type.to_owned()),
        }
    }

    /// Of alerts of a rule that were kept back.
    pub fn throttle(rule: &RuleInfo) -> Self {
        Self {
            kind: Kind::Throttle.into(),
            rule: Some(RuleFacts::of(rule)),
            ..Self::default()
        }
    }

    /// Of an addition to the alert of which these are the facts.
    pub fn amend(alert: Self) -> Self {
        Self {
            kind: Kind::Amend.into(),
            ..alert
        }
    }

    /// Of lost events; `None` when the cgroup is no container's, or cannot be told.
    pub fn loss(container: Option<&ContainerName>) -> Self {
        let known = container.map(|known| ContainerFacts {
            id: Some(known.id.clone()),
            name: Some(known.name.clone()).filter(|name| !name.is_empty()),
            ..ContainerFacts::default()
        });
        Self {
            kind: Kind::Loss.into(),
            container: Some(known.unwrap_or_default()),
            ..Self::default()
        }
    }

    /// Of something missing.
    pub fn gap() -> Self {
        Self::default()
    }

    /// They are those of an alert.
    pub(super) fn is_alert(&self) -> bool {
        self.kind() == Kind::Alert
    }
}

impl RuleFacts {
    fn of(rule: &RuleInfo) -> Self {
        Self {
            name: rule.name.clone(),
            severity: severity(rule.priority).into(),
            tags: rule.tags.clone(),
            attack_ids: rule.attack_ids.clone(),
        }
    }
}

impl ContainerFacts {
    fn of(view: &ContainerView) -> Self {
        match view {
            ContainerView::Host(_) => Self {
                host: true,
                ..Self::default()
            },
            ContainerView::Unknown { .. } => Self::default(),
            ContainerView::Container(container) => Self::known(container),
        }
    }

    fn known(container: &Container) -> Self {
        let metadata = container.metadata();
        Self {
            host: false,
            id: Some(container.id.clone()),
            name: metadata.map(|metadata| metadata.name.clone()),
            image: metadata.map(|metadata| ImageFacts {
                reference: metadata.image.clone(),
                repository: metadata.image_repository.clone(),
            }),
            labels: metadata.map(|metadata| LabelFacts {
                labels: metadata.labels.clone().into_iter().collect(),
            }),
        }
    }
}
