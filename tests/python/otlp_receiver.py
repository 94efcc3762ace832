"""A receiver of OTLP logs that has nothing but the package `opentelemetry-proto`.

Usage: otlp_receiver.py

Prints the port at which it listens on loopback, then every log record as one line of JSON. The
first request is put off, as a receiver that is busy does.
"""

import gzip
import http.server
import itertools
import json

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as service

PATH = "/v1/logs"
TYPE = "application/x-protobuf"
requests = itertools.count()


def plain(value):
    """What an AnyValue holds."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(element) for element in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None


def attributes(pairs) -> dict:
    found = {pair.key: plain(pair.value) for pair in pairs}
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def lines(request):
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield {
                    "resource": attributes(resource.resource.attributes),
                    "scope": json_format.MessageToDict(scope.scope),
                    "time": record.time_unix_nano,
                    "observed": record.observed_time_unix_nano,
                    "severity": record.severity_number,
                    "severity_text": record.severity_text,
                    "event": record.event_name,
                    "body": plain(record.body),
                    "attributes": attributes(record.attributes),
                }


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != PATH or self.headers["Content-Type"] != TYPE:
            self.answer(400, b"")
            return
        if next(requests) == 0:
            self.answer(503, b"")
            return
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        for line in lines(service.ExportLogsServiceRequest.FromString(body)):
            print(json.dumps(line), flush=True)
        self.answer(200, service.ExportLogsServiceResponse().SerializeToString())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", TYPE)
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Nothing: what went wrong stands in the answer."""


def main() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
