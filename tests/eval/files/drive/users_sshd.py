"""People and jobs that log in: they look around, read logs, copy files, and sometimes fail."""

import subprocess

import wire

OPTIONS = ["-q", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]


def ssh(command, user="root", key="/srv/keys/id"):
    return subprocess.run(["ssh", *OPTIONS, "-i", key, f"{user}@127.0.0.1", command], capture_output=True, timeout=60)


def wait():
    wire.wait(22)


def look(chance):
    ssh(chance.choice(["ls -l /srv /var/log", "uptime", "df -h", "free"]))


def logs(chance):
    ssh(f"tail -n {chance.randrange(5, 50)} /var/log/jobs.log; wc -l /var/log/jobs.log")


def job(chance):
    ssh(f"date >> /var/log/jobs.log; echo job {chance.randrange(10_000)} done >> /var/log/jobs.log")


def copy(chance):
    name = f"upload-{chance.randrange(10_000)}.dat"
    with open("/tmp/upload", "wb") as file:
        file.write(chance.randbytes(2000))
    subprocess.run(["sftp", *OPTIONS, "-i", "/srv/keys/id", "-b", "-", "root@127.0.0.1"],
                   input=f"put /tmp/upload /var/tmp/{name}\nget /var/tmp/{name} /tmp/back\nrm /var/tmp/{name}\n".encode(),
                   capture_output=True, timeout=60)


def archive(chance):
    ssh("tar -C /var/log -czf /var/tmp/logs.tar.gz jobs.log && ls -l /var/tmp/logs.tar.gz && rm /var/tmp/logs.tar.gz")


def refused(chance):
    ssh("true", user=chance.choice(["admin", "test", "oracle"]))


def rotate(chance):
    ssh("mv /var/log/jobs.log /var/log/jobs.log.1 && gzip -f /var/log/jobs.log.1; touch /var/log/jobs.log")


ACTIONS = [(look, 30, 25), (logs, 20, 25), (job, 25, 20), (copy, 10, 14), (archive, 5, 6), (refused, 6, 8), (rotate, 4, 3)]
