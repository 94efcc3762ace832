//! Falco's fields that cannot be read here, with the reason.

/// Reason why a known field is not supported.
pub(crate) fn reason(name: &str) -> Option<&'static str> {
    names()
        .find(|(known, _)| *known == name)
        .map(|(_, reason)| reason)
}

/// All known names that are not supported, with the reason.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    UNSUPPORTED.iter().flat_map(|(reason, names)| {
        names
            .split_ascii_whitespace()
            .map(move |name| (name, *reason))
    })
}

const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "no traced event type has this argument",
        "evt.arg.cwd evt.arg.dirfd evt.arg.exe evt.arg.ret evt.arg.signal evt.arg.source",
    ),
    (
        "fs.path.name, fs.path.source and fs.path.target are absolute",
        "evt.abspath",
    ),
    (
        "an argument is asked for by name, as in evt.arg.flags",
        "evt.arg evt.rawarg",
    ),
    (
        "the sensor does not trace reading, writing and other data transfer",
        "evt.buffer evt.buflen evt.buflen.file evt.buflen.file.in evt.buflen.file.out
         evt.buflen.in evt.buflen.net evt.buflen.net.in evt.buflen.net.out evt.buflen.out
         evt.io_dir evt.is_io evt.is_io_read evt.is_io_write evt.is_syslog",
    ),
    ("no call that waits is traced", "evt.is_wait"),
    (
        "events are reported when the call returns: there is no time between two halves of one",
        "evt.latency evt.latency.human evt.latency.quantized evt.latency.s evt.wait_latency",
    ),
    (
        "it depends on other events, and each event is judged by itself",
        "evt.deltatime evt.deltatime.s evt.reltime evt.reltime.s evt.count evt.count.error
         evt.count.error.file evt.count.error.memory evt.count.error.net evt.count.error.other
         evt.count.exit evt.count.procinfo evt.count.threadinfo util.cnt",
    ),
    (
        "it describes Falco's own plugins and capture files",
        "NA evt.asynctype evt.is_async evt.info evt.infra.docker.container.id
         evt.infra.docker.container.image evt.infra.docker.container.name evt.infra.docker.name
         evt.outputtime evt.plugininfo evt.pluginname",
    ),
    (
        "the sensor does not record the processor",
        "evt.cpu thread.cpu thread.cpu.system thread.cpu.user",
    ),
    (
        "ports are not resolved to service names: compare the port number",
        "fd.cproto fd.lproto fd.proto fd.rproto fd.sproto",
    ),
    (
        "the sensor does not record the file's inode and device",
        "fd.dev fd.dev.major fd.dev.minor fd.ino fd.is_lower_layer fd.is_upper_layer",
    ),
    (
        "write the two parts as two comparisons, container.id and fd.name",
        "fd.containerdirectory fd.containername",
    ),
    (
        "a descriptor is looked at when a call uses it: no table of open descriptors is kept",
        "fd.types fd.uid fdlist.cips fdlist.cports fdlist.names fdlist.nums fdlist.sips
         fdlist.sports proc.fdlimit proc.fdopencount proc.fdusage",
    ),
    (
        "the arguments of ancestors are not kept apart: compare proc.acmdline",
        "proc.aargs",
    ),
    (
        "the sensor does not record the times and the permissions of the executed file",
        "proc.exe_ino.ctime proc.exe_ino.ctime_duration_pidns_start
         proc.exe_ino.ctime_duration_proc_start proc.exe_ino.mtime proc.is_exe_writable",
    ),
    (
        "the sensor does not sample memory, time and counts of processes",
        "proc.nchilds proc.nthreads proc.pidns_init_start_ts proc.vmrss proc.vmsize proc.vmswap
         thread.exectime thread.pfmajor thread.pfminor thread.totexectime thread.vmrss
         thread.vmrss.b thread.vmsize thread.vmsize.b",
    ),
    (
        "of a thread the sensor records its number on the node only: compare thread.tid",
        "thread.nametid thread.vtid",
    ),
    (
        "compare container.id instead",
        "thread.cgroup thread.cgroups",
    ),
    (
        "the container's user database is not read",
        "user.homedir user.shell",
    ),
    (
        "the container runtime is not asked for it",
        "container.cni.json container.healthcheck container.host_ipc container.host_network
         container.host_pid container.ip container.labels container.liveness_probe
         container.mount.mode container.mount.propagation container.readiness_probe
         proc.is_container_healthcheck proc.is_container_liveness_probe
         proc.is_container_readiness_probe k8s.ns.id k8s.ns.label k8s.ns.labels k8s.pod.cni.json
         k8s.pod.full_sandbox_id k8s.pod.id k8s.pod.ip k8s.pod.label k8s.pod.labels
         k8s.pod.sandbox_id k8s.rc.id k8s.rc.name k8s.rs.id k8s.rs.name k8s.svc.id k8s.svc.name
         k8s.deployment.id k8s.deployment.name k8s.rc.label k8s.rc.labels k8s.svc.label
         k8s.svc.labels k8s.rs.label k8s.rs.labels k8s.deployment.label k8s.deployment.labels",
    ),
    (
        "it stands for several fields in output templates only",
        "container.info",
    ),
];
