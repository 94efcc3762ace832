//! The techniques of MITRE ATT&CK for Containers, by their ids.
//!
//! ATT&CK is a work of The MITRE Corporation: © 2026 The MITRE Corporation. This work is reproduced
//! and distributed with the permission of The MITRE Corporation.

/// A technique or sub-technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Technique {
    /// `T1059` or `T1059.004`.
    pub(super) id: &'static str,
    /// ATT&CK's name, of a sub-technique without that of its technique.
    pub(super) name: &'static str,
    /// Why no rule is about it, where none is.
    pub(super) without: Option<&'static str>,
}

impl Technique {
    /// A technique, no sub-technique.
    pub(super) fn is_whole(&self) -> bool {
        !self.id.contains('.')
    }
}

const fn told(id: &'static str, name: &'static str) -> Technique {
    let without = None;
    Technique { id, name, without }
}

const fn untold(id: &'static str, name: &'static str, why: &'static str) -> Technique {
    let without = Some(why);
    Technique { id, name, without }
}

/// The matrix, in the order of the ids.
pub(super) const CONTAINERS: &[Technique] = &[
    told("T1036", "Masquerading"),
    told("T1036.005", "Match Legitimate Name or Location"),
    untold(
        "T1036.010",
        "Masquerade Account Name",
        "that an account was made is told, whatever its name",
    ),
    told("T1046", "Network Service Discovery"),
    told("T1053", "Scheduled Task/Job"),
    told("T1053.007", "Kubernetes Cronjob"),
    told("T1059", "Command and Scripting Interpreter"),
    told("T1059.013", "Container CLI/API"),
    told("T1068", "Exploitation for Privilege Escalation"),
    told("T1069", "Permission Groups Discovery"),
    told("T1070", "Indicator Removal on Host"),
    told("T1078", "Valid Accounts"),
    untold(
        "T1078.001",
        "Default Accounts",
        "a login with a password that everybody knows is a login like any other; the log of the service tells",
    ),
    told("T1078.003", "Local Accounts"),
    told("T1098", "Account Manipulation"),
    told("T1098.006", "Additional Container Cluster Roles"),
    told("T1110", "Brute Force"),
    told("T1110.001", "Password Guessing"),
    told("T1110.003", "Password Spraying"),
    untold(
        "T1110.004",
        "Credential Stuffing",
        "the programs are those that guess passwords; what lists they are given is not seen",
    ),
    told("T1133", "External Remote Services"),
    told("T1136", "Create Account"),
    told("T1136.001", "Local Account"),
    told("T1190", "Exploit Public-Facing Application"),
    told("T1204", "User Execution"),
    untold(
        "T1204.003",
        "Malicious Image",
        "what an image was made for shows when it runs; images are not looked into",
    ),
    told("T1485", "Data Destruction"),
    told("T1490", "Inhibit System Recovery"),
    told("T1496", "Resource Hijacking"),
    told("T1496.001", "Compute Hijacking"),
    told("T1496.002", "Bandwidth Hijacking"),
    told("T1498", "Network Denial of Service"),
    told("T1499", "Endpoint Denial of Service"),
    told("T1525", "Implant Internal Image"),
    told("T1528", "Steal Application Access Token"),
    told("T1543", "Create or Modify System Process"),
    told("T1543.005", "Container Service"),
    told("T1550", "Use Alternate Authentication Material"),
    told("T1550.001", "Application Access Token"),
    told("T1552", "Unsecured Credentials"),
    told("T1552.001", "Credentials In Files"),
    told("T1552.007", "Kubernetes List Secrets"),
    told("T1609", "Kubernetes Exec Into Container"),
    told("T1610", "Deploy a container"),
    told("T1611", "Escape to Host"),
    told("T1612", "Build Image on Host"),
    told("T1613", "Container and Resource Discovery"),
    told("T1685", "Disable or Modify Tools"),
];
