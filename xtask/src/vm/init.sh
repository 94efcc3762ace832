#!/bin/busybox sh
# First process of the virtual machine: the host's root below a layer in memory, then the job.
b=/bin/busybox
fail() {
    echo "vm: $*"
    $b poweroff -f
}
$b mkdir -p /proc /sys /dev /host /layer /root
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in /modules/*; do
    $b insmod "$module" || fail "cannot load $module"
done
$b mount -t virtiofs -o ro host /host || fail "no root over virtio-fs"
$b mount -t tmpfs -o size=75% layer /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /root ||
    fail "no overlay"
for folder in proc sys dev; do
    $b mount --move /$folder /root/$folder
done
$b mount -t cgroup2 cgroup2 /root/sys/fs/cgroup || fail "no cgroup v2"
$b mount -t securityfs securityfs /root/sys/kernel/security
$b mount -t tmpfs tmp /root/tmp
$b mount -t tmpfs run /root/run
$b mkdir -p /root/dev/pts /root/dev/shm /root/run/vm
$b mount -t devpts devpts /root/dev/pts
$b ln -s /proc/self/fd /root/dev/fd
$b mount -t tmpfs shm /root/dev/shm
$b cp /job $b /root/run/vm/
$b ip link set lo up
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec $b switch_root /root /run/vm/busybox sh -c \
    '/bin/sh /run/vm/job </dev/null; echo "vm: exit $?"; /run/vm/busybox poweroff -f'
