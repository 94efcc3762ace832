"""A client made by somebody who has nothing but `proto/` and stock Python packages.

Usage: stock_client.py SOCKET PROTO_FOLDER RULE CONTAINER_ID

Asks for the agent's health and its services, subscribes, prints `ready`, and then the first alert
of the rule about the container as one line of JSON.
"""

import importlib
import json
import pathlib
import sys
import tempfile

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_tools import protoc

SERVICES = ["AlertService", "ContainerService", "RuleService", "StatusService"]
LIMIT_SECONDS = 60


def generate(protos: pathlib.Path, out: str) -> None:
    """Generates Python code from the agent's own protocol files."""
    bundled = pathlib.Path(protoc.__file__).parent / "_proto"
    files = [str(path.relative_to(protos)) for path in sorted(protos.rglob("*.proto"))]
    command = ["protoc", f"-I{protos}", f"-I{bundled}", f"--python_out={out}"]
    status = protoc.main([*command, f"--grpc_python_out={out}", *files])
    if status != 0:
        sys.exit(f"protoc ended with {status}")
    sys.path.insert(0, out)


def check_health(channel: grpc.Channel) -> None:
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        sys.exit(f"the agent's health is {answer}")


def check_reflection(channel: grpc.Channel) -> None:
    """Finds the services by reflection, and a message type through them."""
    database = ProtoReflectionDescriptorDatabase(channel)
    found = set(database.get_services())
    lacking = [name for name in SERVICES if f"gravlens.v1.{name}" not in found]
    if lacking:
        sys.exit(f"reflection does not tell of {lacking}, only of {sorted(found)}")
    record = DescriptorPool(database).FindMessageTypeByName("gravlens.v1.Record")
    if "alert" not in record.fields_by_name:
        sys.exit("reflection describes a Record without an alert")


def watch(channel: grpc.Channel, rule: str, container: str) -> dict:
    messages = importlib.import_module("gravlens.v1.alert_pb2")
    stubs = importlib.import_module("gravlens.v1.alert_pb2_grpc")
    stream = stubs.AlertServiceStub(channel).Watch(messages.WatchRequest(), timeout=LIMIT_SECONDS)
    for record in stream:
        body = record.WhichOneof("body")
        if body == "hello":
            print("ready", flush=True)
        elif body == "alert":
            alert = record.alert
            if alert.rule.name == rule and alert.container.id == container:
                return json_format.MessageToDict(record)
    sys.exit("the stream ended")


def main() -> None:
    socket, protos, rule, container = sys.argv[1:]
    channel = grpc.insecure_channel(f"unix:{socket}")
    with tempfile.TemporaryDirectory() as out, channel:
        generate(pathlib.Path(protos), out)
        check_health(channel)
        check_reflection(channel)
        print(json.dumps(watch(channel, rule, container)), flush=True)


if __name__ == "__main__":
    main()
