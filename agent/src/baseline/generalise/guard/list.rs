//! The list itself, in parts by where an object lies.

use super::GuardReason;

/// An entry.
#[derive(Debug)]
pub(super) struct Entry {
    /// The whole pattern.
    pattern: &'static str,
    /// The pattern below the directory of its part.
    pub(super) below: &'static str,
    /// The literal start of that.
    pub(super) literal: &'static str,
    why: &'static str,
}

impl Entry {
    pub(super) const fn reason(&self) -> GuardReason {
        GuardReason {
            pattern: self.pattern,
            why: self.why,
        }
    }
}

/// Entries of a directory: the pattern below it, up to its first wildcard, and why.
macro_rules! entries {
    ($directory:literal: $($literal:literal $rest:literal $why:literal),* $(,)?) => {
        &[$(Entry {
            pattern: concat!($directory, $literal, $rest),
            below: concat!($literal, $rest),
            literal: $literal,
            why: $why,
        }),*]
    };
}

/// Entries by their directory below the root directory.
pub(super) const BELOW: &[(&str, &[Entry])] = &[
    ("etc", ETC),
    ("proc", PROC),
    ("sys", SYS),
    ("dev", DEV),
    ("run", RUN),
    ("var/lib", VAR_LIB),
    ("var/spool", VAR_SPOOL),
    ("usr/lib/systemd", USR_LIB_SYSTEMD),
    ("lib/systemd", LIB_SYSTEMD),
    ("usr/local/lib/systemd", USR_LOCAL_LIB_SYSTEMD),
];

/// In `/etc`.
const ETC: &[Entry] = entries! {
    "/etc/":
    "shadow" "" "password hashes of the system",
    "shadow-" "" "password hashes of the system",
    "gshadow" "" "password hashes of groups",
    "gshadow-" "" "password hashes of groups",
    "sudoers" "" "who may become root",
    "sudoers.d/" "**" "who may become root",
    "security/opasswd" "" "former password hashes",
    "pam.d/" "**" "how logins are checked",
    "ssh/ssh_host_" "*" "the machine's own SSH keys",
    "ssh/sshd_config" "" "who may log in, and how",
    "ssh/sshd_config.d/" "**" "who may log in, and how",
    "krb5.keytab" "" "the machine's Kerberos keys",
    "ssl/private/" "**" "private keys of TLS",
    "kubernetes/" "**" "credentials of the cluster's own components",
    "rancher/" "**" "credentials of the cluster's own components",
    "crontab" "" "commands that run later, on their own",
    "cron.allow" "" "who may have commands run later",
    "cron.deny" "" "who may have commands run later",
    "cron.d/" "**" "commands that run later, on their own",
    "cron.hourly/" "**" "commands that run later, on their own",
    "cron.daily/" "**" "commands that run later, on their own",
    "cron.weekly/" "**" "commands that run later, on their own",
    "cron.monthly/" "**" "commands that run later, on their own",
    "anacrontab" "" "commands that run later, on their own",
    "at.allow" "" "who may have commands run later",
    "ld.so.preload" "" "code that every program loads",
    "ld.so.conf" "" "where every program looks for its libraries",
    "ld.so.conf.d/" "**" "where every program looks for its libraries",
    "systemd/system/" "**" "services that start with the machine",
    "systemd/user/" "**" "services that start with a login",
    "systemd/system-generators/" "**" "programs that make services",
    "init.d/" "**" "services that start with the machine",
    "rc.local" "" "commands that run at the start of the machine",
    "udev/rules.d/" "**" "commands that run for devices",
    "profile" "" "commands that every login shell runs",
    "profile.d/" "**" "commands that every login shell runs",
    "environment" "" "variables of every login",
    "bash.bashrc" "" "commands that every shell runs",
    "bashrc" "" "commands that every shell runs",
    "zsh/" "**" "commands that every shell runs",
    "modules-load.d/" "**" "kernel modules that are loaded at the start",
    "modprobe.d/" "**" "commands that run for kernel modules",
};

/// In `/proc`.
const PROC: &[Entry] = entries! {
    "/proc/":
    "1/" "**" "the first process: on a host, or in a container that shares its processes, a way out",
    "sysrq-trigger" "" "commands to the kernel, such as a restart",
    "sys/kernel/core_pattern" "" "a program that the kernel runs as root on the host",
    "sys/kernel/modprobe" "" "a program that the kernel runs as root on the host",
    "sys/kernel/hotplug" "" "a program that the kernel runs as root on the host",
    "sys/kernel/usermodehelper/" "**" "what programs run by the kernel may do",
    "sys/vm/panic_on_oom" "" "whether the machine stops",
    "sys/fs/binfmt_misc/" "**" "programs that the kernel runs for formats of files",
    "kcore" "" "the kernel's memory",
    "kmem" "" "the kernel's memory",
    "kallsyms" "" "where the kernel's memory can be attacked",
};

/// In `/sys`.
const SYS: &[Entry] = entries! {
    "/sys/":
    "kernel/uevent_helper" "" "a program that the kernel runs as root on the host",
    "kernel/debug/" "**" "the inside of the kernel",
    "kernel/security/" "**" "the kernel's security policies",
    "firmware/efi/efivars/" "**" "variables of the firmware",
};

/// In `/dev`.
const DEV: &[Entry] = entries! {
    "/dev/":
    "mem" "" "the machine's memory",
    "kmem" "" "the kernel's memory",
    "port" "" "the machine's ports",
};

/// In `/run`.
const RUN: &[Entry] = entries! {
    "/run/":
    "secrets/" "**" "credentials that the orchestrator hands in",
    "containerd/s/" "**" "commands to what keeps a container running",
    "systemd/system/" "**" "services until the next start",
    "systemd/private" "" "commands to the service manager",
};

/// In `/var/lib`.
const VAR_LIB: &[Entry] = entries! {
    "/var/lib/":
    "kubelet/pki/" "**" "credentials of the node",
    "kubelet/kubeconfig" "" "credentials of the node",
    "kubelet/config.json" "" "credentials for images",
    "systemd/linger/" "**" "whose services run without a login",
    "cloud/" "**" "credentials that the cloud hands in at the start",
    "rancher/" "**" "credentials of the cluster's own components",
};

/// In `/var/spool`.
const VAR_SPOOL: &[Entry] = entries! {
    "/var/spool/":
    "cron/" "**" "commands that run later, on their own",
    "at/" "**" "commands that run later, on their own",
    "anacron/" "**" "commands that run later, on their own",
};

/// In `/usr/lib/systemd`.
const USR_LIB_SYSTEMD: &[Entry] = entries! {
    "/usr/lib/systemd/":
    "system/" "**" "services that start with the machine",
    "user/" "**" "services that start with a login",
    "system-generators/" "**" "programs that make services",
};

/// In `/lib/systemd`.
const LIB_SYSTEMD: &[Entry] = entries! {
    "/lib/systemd/":
    "system/" "**" "services that start with the machine",
    "user/" "**" "services that start with a login",
    "system-generators/" "**" "programs that make services",
};

/// In `/usr/local/lib/systemd`.
const USR_LOCAL_LIB_SYSTEMD: &[Entry] = entries! {
    "/usr/local/lib/systemd/":
    "system/" "**" "services that start with the machine",
    "user/" "**" "services that start with a login",
};

/// In the directory of another process in `/proc`.
pub(super) const OTHER_PROCESS: &[Entry] = entries! {
    "/proc/{pid}/":
    "mem" "" "another process's memory",
    "environ" "" "another process's environment, where secrets are passed",
    "maps" "" "where another process's memory can be attacked",
    "root" "" "another process's root directory, a way out of a container",
    "root/" "**" "another process's root directory, a way out of a container",
    "cwd" "" "another process's working directory",
    "cwd/" "**" "another process's working directory",
    "exe" "" "another process's program, which can be overwritten through it",
    "fd" "" "another process's open files",
    "fd/" "**" "another process's open files",
    "map_files/" "**" "another process's mapped files",
    "ns/" "**" "another process's namespaces, a way out of a container",
    "task/" "*/mem" "another process's memory",
    "task/" "*/environ" "another process's environment, where secrets are passed",
    "task/" "*/maps" "where another process's memory can be attacked",
    "task/" "*/root" "another process's root directory, a way out of a container",
    "task/" "*/root/**" "another process's root directory, a way out of a container",
    "task/" "*/cwd" "another process's working directory",
    "task/" "*/cwd/**" "another process's working directory",
    "task/" "*/exe" "another process's program, which can be overwritten through it",
    "task/" "*/fd" "another process's open files",
    "task/" "*/fd/**" "another process's open files",
    "task/" "*/ns/**" "another process's namespaces, a way out of a container",
};

/// In any directory, most of all in homes.
pub(super) const HIDDEN: &[Entry] = entries! {
    "":
    ".ssh/" "**" "SSH keys, and whose keys may log in",
    ".aws/" "**" "credentials of a cloud",
    ".azure/" "**" "credentials of a cloud",
    ".oci/" "**" "credentials of a cloud",
    ".aliyun/" "**" "credentials of a cloud",
    ".config/gcloud/" "**" "credentials of a cloud",
    ".config/doctl/" "**" "credentials of a cloud",
    ".boto" "" "credentials of a cloud",
    ".s3cfg" "" "credentials of a cloud",
    ".kube/" "**" "credentials of a cluster",
    ".docker/config.json" "" "credentials of image registries",
    ".dockercfg" "" "credentials of image registries",
    ".config/containers/auth.json" "" "credentials of image registries",
    ".netrc" "" "passwords for other machines",
    ".pgpass" "" "passwords of databases",
    ".my.cnf" "" "passwords of databases",
    ".mylogin.cnf" "" "passwords of databases",
    ".git-credentials" "" "passwords of repositories",
    ".config/git/credentials" "" "passwords of repositories",
    ".config/gh/hosts.yml" "" "tokens of repositories",
    ".npmrc" "" "tokens of package registries",
    ".pypirc" "" "tokens of package registries",
    ".cargo/credentials" "*" "tokens of package registries",
    ".vault-token" "" "a token of a store of secrets",
    ".terraform.d/credentials" "*" "tokens of infrastructure",
    ".gnupg/" "**" "private keys",
    ".bashrc" "" "commands that every shell of a user runs",
    ".bash_profile" "" "commands that every login of a user runs",
    ".bash_login" "" "commands that every login of a user runs",
    ".bash_logout" "" "commands that every logout of a user runs",
    ".profile" "" "commands that every login of a user runs",
    ".zshrc" "" "commands that every shell of a user runs",
    ".zshenv" "" "commands that every shell of a user runs",
    ".zprofile" "" "commands that every login of a user runs",
    ".zlogin" "" "commands that every login of a user runs",
    ".kshrc" "" "commands that every shell of a user runs",
    ".cshrc" "" "commands that every shell of a user runs",
    ".config/fish/" "**" "commands that every shell of a user runs",
    ".config/systemd/user/" "**" "services of a user",
    ".config/autostart/" "**" "programs that start with a session",
    ".local/share/systemd/user/" "**" "services of a user",
    ".bash_history" "" "commands that a user typed, at times with passwords",
    ".rhosts" "" "who may log in without a password",
    ".shosts" "" "who may log in without a password",
};

/// In any directory.
pub(super) const ANYWHERE: &[Entry] = entries! {
    "":
    "release_agent" "" "a program that the kernel runs as root on the host",
    "kubernetes.io/serviceaccount/" "**" "tokens of the cluster's API",
};

/// Sockets, in any directory.
pub(super) const SOCKETS: &[Entry] = entries! {
    "":
    "docker.sock" "" "commands to the container runtime: a way to the host",
    "containerd.sock" "" "commands to the container runtime: a way to the host",
    "crio.sock" "" "commands to the container runtime: a way to the host",
    "podman.sock" "" "commands to the container runtime: a way to the host",
    "cri-dockerd.sock" "" "commands to the container runtime: a way to the host",
    "dockershim.sock" "" "commands to the container runtime: a way to the host",
    "buildkitd.sock" "" "commands to the container runtime: a way to the host",
    "frakti.sock" "" "commands to the container runtime: a way to the host",
    "kubelet.sock" "" "commands to the node's Kubernetes agent",
};
