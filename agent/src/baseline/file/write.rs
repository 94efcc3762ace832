//! Writing a profile.

use super::super::class::Class;
use super::super::evidence::{Seen, Trust};
use super::super::profile::{Phase, Profile};
use super::super::role::Role;
use super::super::workload::Workload;
use super::quote::{push_item, push_scalar};
use super::{Evidence, Fingerprint, lines};

const HEAD: &str = "# What a workload does, as Gravlens knows it. \
                    Check an edited file with: gravlens baseline show FILE\n";
const BEFORE_EVIDENCE: &str = "# Belongs to the roles as they are. Without this part the file is a \
                               reviewed one: behaviours without a word count as accepted.\n";

impl Profile {
    /// The profile as a file. Profiles that know the same give the same bytes.
    pub fn to_yaml(&self, workload: &Workload, evidence: Evidence) -> String {
        let mut out = HEAD.to_owned();
        out.push_str("workload: ");
        push_scalar(&mut out, workload.text());
        out.push('\n');
        let mut seen = Vec::new();
        let mut fingerprint = Fingerprint::default();
        push_roles(
            &mut out,
            self,
            evidence,
            |out, (role, phase, class, text, of)| {
                let trust = match (of.trust(), evidence) {
                    // Who keeps the file vouches for both.
                    (Trust::Accepted, Evidence::Without) => Trust::Learnt,
                    (trust, _) => trust,
                };
                push_item(out, trust, &text);
                fingerprint.add(role.text(), phase, class, trust, &text);
                seen.push(of);
            },
        );
        if evidence == Evidence::With {
            push_evidence(&mut out, self, fingerprint, &seen);
        }
        out
    }
}

type Behaviour<'a> = (&'a Role, Phase, Class, String, &'a Seen);

fn push_roles<'a>(
    out: &mut String,
    profile: &'a Profile,
    evidence: Evidence,
    mut push: impl FnMut(&mut String, Behaviour<'a>),
) {
    let (mut role, mut phase, mut class) = (None, None, None);
    let mut behaviours = profile.behaviours().peekable();
    while let Some(behaviour) = behaviours.next() {
        // Of a path that is learnt and kept apart, the decision is for people.
        let again = behaviours.peek().is_some_and(|next| {
            let place = |of: &Behaviour<'a>| (of.0, of.1, of.2);
            place(next) == place(&behaviour) && next.3 == behaviour.3
        });
        if again && evidence == Evidence::Without {
            continue;
        }
        if role.is_none() {
            out.push_str("roles:\n");
        }
        if role != Some(behaviour.0) {
            out.push_str("  - role: ");
            push_scalar(out, behaviour.0.text());
            out.push('\n');
            (role, phase, class) = (Some(behaviour.0), None, None);
        }
        if phase != Some(behaviour.1) {
            out.push_str(&format!("    {}:\n", behaviour.1.name()));
            (phase, class) = (Some(behaviour.1), None);
        }
        if class != Some(behaviour.2) {
            out.push_str(&format!("      {}:\n", behaviour.2.name()));
            class = Some(behaviour.2);
        }
        out.push_str("        - ");
        push(out, behaviour);
        out.push('\n');
    }
    if role.is_none() {
        out.push_str("roles: []\n");
    }
}

fn push_evidence(out: &mut String, profile: &Profile, of: Fingerprint, seen: &[&Seen]) {
    out.push_str(BEFORE_EVIDENCE);
    out.push_str(&format!("evidence:\n  of: '{}'\n", of.text()));
    let exposure = profile.exposure();
    out.push_str(&format!("  watched: {}\n", lines::of_exposure(exposure)));
    let nodes = exposure.nodes().iter();
    push_list(
        out,
        "nodes",
        nodes.map(|(id, node)| lines::of_node(*id, node)),
    );
    let versions = profile.versions.iter();
    push_list(out, "versions", versions.map(lines::of_version));
    let locks = profile.locks.iter();
    push_list(out, "locks", locks.map(lines::of_lock));
    let known = lines::known_bits(&profile.versions);
    push_list(
        out,
        "seen",
        seen.iter().map(|seen| lines::of_seen(seen, known)),
    );
}

fn push_list(out: &mut String, key: &str, lines: impl Iterator<Item = String>) {
    for (place, line) in lines.enumerate() {
        if place == 0 {
            out.push_str(&format!("  {key}:\n"));
        }
        out.push_str(&format!("    - {line}\n"));
    }
}
