"""Strings that land in a manifest stay strings, and those the API would refuse are refused."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft7Validator

from tests import rendering

SCHEMA = json.loads((rendering.CHART / "values.schema.json").read_text(encoding="utf-8"))
# The rules of HTTPPathMatch (validation in the Gateway API's CRD) and of an Ingress of type Prefix.
INVALID = (
    "", "iris", "//", "/a//b", "/a/./b", "/a/../b", "/a/..", "/a/.", "/a%2fb", "/a%2Fb", "/a#b",
    "/a b", "/a%zz", "/a?b", "/a: b #c", '/a"b',
)  # fmt: skip
VALID = ("/", "/iris", "/iris/", "/a/b.c", "/.well-known/x", "/a%20b", "/v1:predict", "/~me/(x)")


def is_valid(key: str, name: str, value: str) -> bool:
    return Draft7Validator(SCHEMA["properties"][key]["properties"][name]).is_valid(value)


@pytest.mark.parametrize("key", ["httpRoute", "ingress"])
def test_path_is_one_that_the_api_accepts(key: str) -> None:
    assert [path for path in VALID if not is_valid(key, "path", path)] == []
    assert [path for path in INVALID if is_valid(key, "path", path)] == []


@pytest.mark.parametrize("name", ["className", "tlsSecretName", "clusterIssuer"])
def test_name_is_that_of_an_object(name: str) -> None:
    assert all(is_valid("ingress", name, value) for value in ("", "a", "1", "a.b-c", "on"))
    wrong = ("A", "a_b", "-a", "a.", "a b", "a: b", "a" * 254)
    assert [value for value in wrong if is_valid("ingress", name, value)] == []


@pytest.mark.parametrize("word", ["1", "on", "null", "1e3", "0x1"])
def test_name_that_looks_like_something_else_stays_a_string(
    helm: str, minimal: list[str], word: str
) -> None:
    keys = ("ingress.className", "ingress.tlsSecretName", "priorityClassName", "model.claim.name")
    arguments = [part for key in keys for part in ("--set-string", f"{key}={word}")]
    arguments += [
        "--set",
        "ingress.enabled=true,ingress.host=a.example,networkPolicy.enabled=false,model.claim.path=a",
    ]
    manifests = rendering.template(helm, rendering.CHART, "iris", "ml-dev", *minimal, *arguments)
    ingress = rendering.only(manifests, "Ingress")["spec"]
    pod = rendering.only(manifests, "Deployment")["spec"]["template"]["spec"]
    claims = [volume.get("persistentVolumeClaim") for volume in pod["volumes"]]
    assert (ingress["ingressClassName"], ingress["tls"][0]["secretName"]) == (word, word)
    assert (pod["priorityClassName"], [each["claimName"] for each in claims if each]) == (
        word,
        [word],
    )
