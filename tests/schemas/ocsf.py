"""Holds events on standard input, one a line, against the schema of OCSF 1.6.0 as PyPI's
ocsf-json-schema packs it. Exit status 3 when that or jsonschema is not installed."""

import json
import sys

try:
    from jsonschema import Draft202012Validator
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(3)

schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.6.0"))
validator = Draft202012Validator(schema.get_class_schema("network_activity"))
events = [json.loads(line) for line in sys.stdin]

# What is wrong has to be told: an event without its time, and one with a field that nobody knows.
without_time = {name: value for name, value in events[0].items() if name != "time"}
with_more = {**events[0], "tls": {**events[0]["tls"], "unheard_of": 1}}
if validator.is_valid(without_time) or validator.is_valid(with_more):
    sys.exit("the schema lets anything pass")

faults = [f"event {place}: {error.json_path}: {error.message}"
          for place, event in enumerate(events)
          for error in validator.iter_errors(event)]
print(*faults[:20], sep="\n", file=sys.stderr)
sys.exit(1 if faults else 0)
