"""What `helm test` runs: one real prediction, and the digest of the model that answers.

Runs in the model's own image with nothing but the standard library, and must not import the
application: it is a client like any other.
"""

import http.client
import json
import os
import pathlib
import sys


def ask(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["SERVICE"], timeout=10)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read().decode()
    if response.status != 200:
        sys.exit(f"FAILED: {method} {path} answered {response.status}: {text[:400]}")
    return json.loads(text)


def request_body():
    if "SAMPLE" in os.environ:
        return os.environ["SAMPLE"]
    sample = json.loads(pathlib.Path("/model/sample.json").read_text())
    return json.dumps({"instances": sample["rows"][:1]})


info = ask("GET", "/model/info")
for key in ("name", "digest"):
    expected = os.environ.get(f"MODEL_{key.upper()}")
    if expected and info[key] != expected:
        sys.exit(f"FAILED: {key} of the model: expected {expected}, found {info[key]}")
answer = ask("POST", "/predict", request_body())
if not {"prediction", "predictions"} & answer.keys():
    sys.exit(f"FAILED: no prediction in {json.dumps(answer)[:400]}")
sys.stdout.write(f"OK: {info['name']} {info['version']} {info['digest']}: {json.dumps(answer)}\n")
