"""What lies beside a service: a resolver, and another service that hands out prices."""

import socket
import socketserver
import struct
import threading

ZONE = {"prices.billing-example.com": "127.0.0.1"}


def answer(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    kind, = struct.unpack("!H", query[at + 1:at + 3])
    question = query[12:at + 5]
    address = ZONE.get(".".join(labels).lower())
    known = address is not None and kind == 1
    code = 0x8180 if address is not None else 0x8183
    head = query[:2] + struct.pack("!HHHHH", code, 1, int(known), 0, 0)
    body = question
    if known:
        body += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
    return head + body


def resolve(server):
    while True:
        query, peer = server.recvfrom(4096)
        try:
            server.sendto(answer(query), peer)
        except (IndexError, struct.error):
            pass


class Prices(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(64)
        self.request.sendall(b"1.0 2.5 4.75\n")


def start(service):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=resolve, args=(server,), daemon=True).start()
    if service == "web":
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        prices = socketserver.ThreadingTCPServer(("127.0.0.1", 9000), Prices)
        threading.Thread(target=prices.serve_forever, daemon=True).start()
