"""Usage: consumer.py SOCKET CURSOR_FILE"""

import pathlib
import sys

import grpc
from gravlens.v1 import alert_pb2, alert_pb2_grpc

socket, file = sys.argv[1], pathlib.Path(sys.argv[2])
request = alert_pb2.WatchRequest(oldest=alert_pb2.Oldest())
if file.exists():
    epoch, sequence = map(int, file.read_text().split())
    request = alert_pb2.WatchRequest(cursor=alert_pb2.Cursor(epoch=epoch, sequence=sequence))
last = None
with grpc.insecure_channel(f"unix:{socket}") as channel:
    for record in alert_pb2_grpc.AlertServiceStub(channel).Watch(request):
        kind = record.WhichOneof("body")
        if kind == "hello":
            last = record.hello.progress.complete_through
        elif kind != "heartbeat":
            if record.prev_sequence != last:
                sys.exit("records are missing")
            if kind == "alert":
                print(record.alert.id, record.alert.output, flush=True)
            elif kind == "gap":
                print("GAP", record.gap.message, flush=True)
            last = record.sequence
            new = file.with_name(file.name + ".new")
            new.write_text(f"{record.stream_epoch} {record.sequence}")
            new.replace(file)  # a crash leaves the old cursor or the new one
