"""A small web application: items in SQLite, sessions, uploads and reports in files, prices from a
service beside it. Two of its pages do with a request what no page should."""

import hashlib
import http.server
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.parse
import uuid

DATA = "/var/lib/app"
TEMPLATES = "/srv/app/templates"
PRICES = ("prices.billing-example.com", 9000)
LOCK = threading.Lock()


def database():
    connection = sqlite3.connect(f"{DATA}/items.db", timeout=20)
    connection.execute("CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
    return connection


def template(name, **values):
    with open(f"{TEMPLATES}/{name}.html") as file:
        text = file.read()
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", str(value))
    return text


class Log:
    """Opened anew at SIGHUP, as after a rotation."""

    def __init__(self):
        self.open()

    def open(self, *_):
        self.file = open(f"{DATA}/app.log", "a", buffering=1)

    def line(self, text):
        self.file.write(text + "\n")


LOG = Log()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, form, *values):
        LOG.line(form % values)

    def session(self):
        name = hashlib.md5(self.headers.get("Cookie", "none").encode()).hexdigest()
        path = f"{DATA}/sessions/{name}"
        visits = 0
        if os.path.exists(path):
            with open(path) as file:
                visits = json.load(file)["visits"]
        with open(path, "w") as file:
            json.dump({"visits": visits + 1}, file)
        return visits

    def answer(self, text, status=200):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        page = getattr(self, "page_" + url.path.strip("/").replace("/", "_"), None)
        try:
            if url.path == "/":
                page = self.page_index
            if page is None:
                self.answer(template("absent", path=url.path), 404)
            else:
                self.answer(page(query))
        except Exception as error:
            LOG.line(f"{self.path}: {error!r}")
            self.answer(template("error", error=type(error).__name__), 500)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        try:
            if url.path == "/upload":
                name = os.path.basename(query["name"])
                with open(f"{DATA}/uploads/{name}", "wb") as file:
                    file.write(body)
                self.answer("stored")
            elif url.path == "/item":
                with LOCK, database() as connection:
                    connection.execute("INSERT INTO items (name, price) VALUES (?, ?)", (query["name"], 1.5))
                self.answer("created")
            elif url.path == "/calculate":
                # Whatever the formula is: the second way in.
                self.answer(str(eval(compile(body.decode(), "formula", "eval"))))
            else:
                self.answer("no such page", 404)
        except Exception as error:
            LOG.line(f"{self.path}: {error!r}")
            self.answer(template("error", error=type(error).__name__), 500)

    def page_index(self, query):
        return template("index", visits=self.session())

    def page_item(self, query):
        with LOCK, database() as connection:
            row = connection.execute("SELECT name, price FROM items WHERE id = ?", (query["id"],)).fetchone()
        if row is None:
            raise LookupError(query["id"])
        return template("item", name=row[0], price=row[1])

    def page_report(self, query):
        draft = f"{DATA}/reports/{uuid.uuid4()}.tmp"
        with LOCK, database() as connection, open(draft, "w") as file:
            for row in connection.execute("SELECT id, name, price FROM items ORDER BY id DESC LIMIT 20"):
                file.write(f"{row[0]},{row[1]},{row[2]}\n")
        final = f"{DATA}/reports/report-{int(query['day']):04d}.csv"
        os.rename(draft, final)
        with open(final) as file:
            return file.read()

    def page_size(self, query):
        # The name goes into a shell: the first way in.
        command = f"gzip -c {DATA}/uploads/{query['file']} | wc -c"
        done = subprocess.run(command, shell=True, capture_output=True, timeout=30)
        return done.stdout.decode(errors="replace")

    def page_prices(self, query):
        with socket.create_connection(PRICES, timeout=5) as connection:
            connection.sendall(b"prices\n")
            return connection.recv(4096).decode()


def main():
    for folder in ("sessions", "uploads", "reports"):
        os.makedirs(f"{DATA}/{folder}", exist_ok=True)
    signal.signal(signal.SIGHUP, LOG.open)
    database().close()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        signal.pause()


sys.exit(main())
