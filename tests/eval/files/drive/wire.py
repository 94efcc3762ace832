"""The protocols that the services speak, as far as their users need them."""

import socket
import struct
import time


def connect(port, timeout=15):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def wait(port, limit=120):
    deadline = time.monotonic() + limit
    while True:
        try:
            connect(port).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def http(method, path, body=b"", cookie="", port=80):
    with connect(port) as connection:
        head = f"{method} {path} HTTP/1.0\r\nHost: shop\r\nContent-Length: {len(body)}\r\n"
        if cookie:
            head += f"Cookie: {cookie}\r\n"
        connection.sendall(head.encode() + b"\r\n" + body)
        text = b""
        while piece := connection.recv(65536):
            text += piece
    return text


class Redis:
    def __init__(self):
        self.connection = connect(6379)
        self.file = self.connection.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def call(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        text = b"*%d\r\n" % len(words)
        for word in words:
            text += b"$%d\r\n%s\r\n" % (len(word), word)
        self.connection.sendall(text)
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:].strip()
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.file.read(length + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return line.strip()


class Postgresql:
    def __init__(self, user="postgres", database="postgres"):
        self.connection = connect(5432)
        self.file = self.connection.makefile("rb")
        body = struct.pack("!I", 196608)
        for word in ("user", user, "database", database):
            body += word.encode() + b"\0"
        self.connection.sendall(struct.pack("!I", len(body) + 5) + body + b"\0")
        self.until_ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.sendall(b"X\0\0\0\4")
        self.connection.close()

    def until_ready(self):
        said = []
        while True:
            kind = self.file.read(1)
            if not kind:
                raise ConnectionError("the server closed the connection")
            length, = struct.unpack("!I", self.file.read(4))
            body = self.file.read(length - 4)
            if kind in b"DE":
                said.append((kind, body))
            if kind == b"Z":
                return said

    def query(self, text):
        body = text.encode() + b"\0"
        self.connection.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        return self.until_ready()


def memcached(*lines):
    with connect(11211) as connection:
        file = connection.makefile("rb")
        said = []
        for line in lines:
            connection.sendall(line)
            verb = line.split(b" ", 1)[0].strip()
            while True:
                answer = file.readline()
                if not answer:
                    raise ConnectionError("the server closed the connection")
                said.append(answer)
                if verb not in (b"get", b"gets", b"stats") or answer[:3] in (b"END", b"ERR", b"SER"):
                    break
        return said
