"""Usage: consumer.py SOCKET CURSOR_FILE"""

import pathlib
import sys

import grpc
from gravlens.v1.alert_pb2 import Cursor, Oldest, WatchRequest
from gravlens.v1.alert_pb2_grpc import AlertServiceStub

file, request = pathlib.Path(sys.argv[2]), WatchRequest(oldest=Oldest())
if file.exists():
    request = WatchRequest(cursor=Cursor.FromString(file.read_bytes()))
for record in AlertServiceStub(grpc.insecure_channel(f"unix:{sys.argv[1]}")).Watch(request):
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
        last, new = record.sequence, file.with_name(file.name + ".new")
        new.write_bytes(Cursor(epoch=record.stream_epoch, sequence=last).SerializeToString())
        new.replace(file)  # a crash leaves the old cursor or the new one
