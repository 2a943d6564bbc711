"""Ports on 127.0.0.1: stable, free and few."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sandbox.addresses import (
    ARGOCD_TARGET,
    FIRST_PORT,
    LAST_PORT,
    Address,
    assign,
    forwards,
    is_port_free,
    read_addresses,
    service_target,
    write_addresses,
)
from sandbox.errors import SandboxError
from sandbox.forwards import parse_target
from sandbox.layout import Layout

IRIS = service_target("ml-dev", "iris")
PENGUINS = service_target("ml-dev", "penguins")


def ports(addresses: dict[str, Address]) -> dict[str, int]:
    return {target: entry.port for target, entry in addresses.items()}


def test_new_targets_get_the_first_ports_that_nobody_uses() -> None:
    taken_by_others = {FIRST_PORT + 1}
    found = assign([ARGOCD_TARGET, IRIS], {}, lambda port: port not in taken_by_others)
    assert ports(found) == {ARGOCD_TARGET: FIRST_PORT, IRIS: FIRST_PORT + 2}
    assert found[IRIS].url == f"http://127.0.0.1:{FIRST_PORT + 2}"


def test_known_targets_keep_their_port_though_we_listen_on_it_ourselves() -> None:
    known = {IRIS: Address(FIRST_PORT + 5, IRIS)}
    found = assign([PENGUINS, IRIS], known, lambda port: port != FIRST_PORT + 5)
    assert ports(found) == {PENGUINS: FIRST_PORT, IRIS: FIRST_PORT + 5}


def test_a_target_that_is_gone_frees_its_address_for_the_next_run_only() -> None:
    known = {IRIS: Address(FIRST_PORT, IRIS)}
    found = assign([PENGUINS], known, lambda _: True)
    assert ports(found) == {PENGUINS: FIRST_PORT + 1}


def test_it_is_an_error_when_every_port_is_taken() -> None:
    with pytest.raises(SandboxError) as caught:
        assign([IRIS], {}, lambda _: False)
    assert caught.value.found == f"127.0.0.1:{FIRST_PORT} to {LAST_PORT} are all in use"


def test_addresses_are_remembered(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert read_addresses(layout) == {}
    addresses = assign([ARGOCD_TARGET, IRIS], {}, lambda _: True)
    write_addresses(layout, addresses)
    assert read_addresses(layout) == addresses


def test_a_torn_file_is_as_good_as_none(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    write_addresses(layout, {})
    (layout.home / "addresses.json").write_text('[{"port":')
    assert read_addresses(layout) == {}


def test_the_forwarder_understands_every_target() -> None:
    for forward in forwards(assign([ARGOCD_TARGET, IRIS], {}, lambda _: True)):
        parse_target(forward.target)


def test_a_port_is_not_free_while_somebody_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert not is_port_free(port)
    assert is_port_free(port)
