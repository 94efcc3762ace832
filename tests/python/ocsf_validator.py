"""Checks Detection Findings against the schema that OCSF publishes.

Usage: ocsf_validator.py VERSION < LINES

Each line of standard input is an event. Prints how many there are; every fault goes to standard
error and makes the exit code 1.
"""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

CLASS = 2004


def validator(version: str, profiles: list[str]) -> Draft202012Validator:
    """The class with the attributes of these profiles; what the class lacks is a fault."""
    ocsf = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
    schema = ocsf.get_class_schema(ocsf.lookup_class_name_from_uid(CLASS), profiles)
    return Draft202012Validator(schema)


def faults(check: Draft202012Validator, event: dict) -> list[str]:
    found = [f"{error.json_path}: {error.message}" for error in check.iter_errors(event)]
    # Sums that the schema states in words only.
    if event.get("type_uid") != CLASS * 100 + event.get("activity_id", -1):
        found.append("$.type_uid: is not made of the class and the activity")
    return found


def main() -> None:
    version = sys.argv[1]
    check = validator(version, ["container"])
    count = failed = 0
    for line in sys.stdin:
        event = json.loads(line)
        count += 1
        found = faults(check, event)
        if event.get("metadata", {}).get("version") != version:
            found.append(f"$.metadata.version: is not {version}")
        for fault in found:
            print(f"event {count}: {fault}", file=sys.stderr)
        failed += bool(found)
    print(count)
    sys.exit(1 if failed or not count else 0)


if __name__ == "__main__":
    main()
