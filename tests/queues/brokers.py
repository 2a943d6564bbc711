"""Real brokers on loopback: NATS, Redis, RabbitMQ and Kafka, each with durable data in a folder.

None of them is a mock of ours: NATS is built from its module (`python3 -m tools build queues`),
Redis and RabbitMQ are Debian's, Kafka is its own jars (`make kafka`) on Debian's Java. What is
missing is an error that says how it is installed. Each runs apart from any other of its kind.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT
from tests.ports import free_port, free_ports
from tests.queues.processes import PATH, Broker, exchange, program, running

NATS = ROOT / ".tools" / "bin" / "nats-server"
KAFKA = ROOT / ".tools" / "kafka" / "jars"
# What Debian's packages start by themselves is a script that changes the user, and then this.
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
COOKIE = "loopback-only"
MEGABYTES = 384


@dataclass(frozen=True)
class Door:
    """Another port of a broker, for clients with a certificate and, except NATS, a password."""

    port: int
    ca: Path
    certificate: Path
    key: Path
    user: str = "anna"
    password: str = "sesame-7"  # noqa: S105


@contextmanager
def nats(folder: Path, door: Door | None = None) -> Iterator[Broker]:
    """NATS with JetStream on files; its door is its only port, plain too."""
    assert NATS.exists(), "nats-server is missing: run `python3 -m tools build queues`"
    port = door.port if door else free_port()
    config = folder / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:{port}"\n'
        # A message is on the disk when it is acknowledged.
        f'jetstream {{ store_dir: "{folder / "jetstream"}", sync_interval: always }}\n'
        + (NATS_DOOR.format(**vars(door)) if door else "")
    )
    url = f"nats://127.0.0.1:{port}"
    with running(Broker("nats", url, port, folder, [NATS, "-c", config], nats_answers)) as broker:
        yield broker


NATS_DOOR = """\
tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{ca}", verify: true }}
allow_non_tls: true
"""


def nats_answers(port: int, **credentials: str) -> bool:
    """Clients are let in when JetStream has read its files."""
    sent = f"CONNECT {json.dumps({'verbose': False, **credentials})}\r\nPING\r\n".encode()
    found = exchange(port, sent, end=lambda found: b"PONG\r\n" in found)
    return b'"jetstream":true' in found and b"PONG\r\n" in found


@contextmanager
def redis(folder: Path, *more: str | Path, door: Door | None = None) -> Iterator[Broker]:
    """Redis with a file of what was written, on the disk before it answers; `more` arguments."""
    port = free_port()
    if door:
        known = f"#{hashlib.sha256(door.password.encode()).hexdigest()}"
        more += ("--user", door.user, "on", known, "~*", "&*", "+@all")
        more += ("--tls-port", str(door.port), "--tls-ca-cert-file", door.ca)
        more += ("--tls-cert-file", door.certificate, "--tls-key-file", door.key)
    argv: list[str | Path] = [
        *(program("redis-server", "redis-server"), "--bind", "127.0.0.1", "--port", str(port)),
        *("--dir", folder, "--save", "", "--appendonly", "yes", "--appendfsync", "always"),
        *more,
    ]
    url = f"redis://127.0.0.1:{port}"
    with running(Broker("redis", url, port, folder, argv, _redis_answers)) as broker:
        yield broker


def _redis_answers(port: int) -> bool:
    """While it reads its file it says LOADING."""
    found = exchange(port, b"PING\r\n", end=lambda found: found.endswith(b"\r\n"))
    return found == b"+PONG\r\n"


@contextmanager
def rabbitmq(folder: Path, door: Door | None = None) -> Iterator[Broker]:
    """RabbitMQ as a node of its own: name, cookie, data, and what finds its name (epmd).

    Who comes by the door is `guest`.
    """
    epmd = program("epmd", "rabbitmq-server")
    assert Path(RABBITMQ).exists(), f"{RABBITMQ} is missing: apt-get install rabbitmq-server"
    port = free_ports(3)
    name, own = rabbitmq_node(port)
    cookie = folder / ".erlang.cookie"
    cookie.write_text(COOKIE)
    cookie.chmod(0o400)
    config = RABBITMQ_DOOR.format(**vars(door)) if door else ""
    for file, text in (("rabbitmq.conf", config), ("env.conf", ""), ("plugins", "[].\n")):
        (folder / file).write_text(text)
    environ = {
        **own,
        "RABBITMQ_NODENAME": name,
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(port + 2),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        # As under systemd: its script becomes the node, instead of its parent.
        "NOTIFY_SOCKET": str(folder / "notify"),
        "RABBITMQ_PID_FILE": str(folder / "node"),
        # Between messages it leaves the processors to others.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none"
        " -kernel inet_dist_use_interface {127,0,0,1}",
    }
    finder = Broker("epmd", f"127.0.0.1:{port + 1}", port + 1, folder, [epmd], _accepts, own)
    url = f"amqp://guest:guest@127.0.0.1:{port}/"
    node = Broker("rabbitmq", url, port, folder, [RABBITMQ], _rabbitmq_answers, environ)
    with running(finder), running(node) as broker:
        yield broker


RABBITMQ_DOOR = """\
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {ca}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"""


def rabbitmq_node(port: int) -> tuple[str, dict[str, str]]:
    """The name of the node at a port, and how others find it.

    Without an epmd of its own it would share one with every node of the machine.
    """
    environ = {"ERL_EPMD_PORT": str(port + 1), "ERL_EPMD_ADDRESS": "127.0.0.1"}
    return f"test-{port}@localhost", environ


def _accepts(port: int) -> bool:
    exchange(port, b"", end=lambda _: True)
    return True


def _rabbitmq_answers(port: int) -> bool:
    """Its first frame, of connection.start, is a method's (1) on channel 0."""
    found = exchange(port, b"AMQP\x00\x00\x09\x01", end=lambda found: len(found) >= 11)
    return found[:3] == b"\x01\x00\x00" and found[7:11] == b"\x00\x0a\x00\x0a"


@contextmanager
def kafka(folder: Path, door: Door | None = None) -> Iterator[Broker]:
    """One node of Kafka that is its own controller (KRaft)."""
    assert KAFKA.exists(), "Kafka is missing: run `make kafka`"
    java = program("java", "default-jre-headless")
    port, controller = free_port(), free_port()
    config = folder / "server.properties"
    values = {"port": port, "controller": controller, "data": folder / "data"}
    users: list[str] = []
    if door:
        store = folder / "door.pem"
        store.write_text(door.key.read_text() + door.certificate.read_text())
        store.chmod(0o600)
        listener = f"DOOR://127.0.0.1:{door.port}"
        values |= {"door": f",{listener}", "protocol": ",DOOR:SASL_SSL"}
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            users += ["--add-scram", f"{mechanism}=[name={door.user},password={door.password}]"]
    config.write_text(
        KAFKA_CONFIG.format(**{"door": "", "protocol": "", **values})
        + (KAFKA_DOOR.format(**vars(door), store=folder / "door.pem") if door else "")
    )
    logging = folder / "log4j2.properties"
    logging.write_text(KAFKA_LOGGING)
    command: list[str | Path] = [
        *(java, f"-Xmx{MEGABYTES}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        # Nothing of it is in folders that others share.
        *(
            "-XX:-UsePerfData",
            f"-Djava.io.tmpdir={folder}",
            f"-Dlog4j2.configurationFile={logging}",
        ),
        *("-cp", f"{KAFKA}/*"),
    ]
    formatted = subprocess.run(
        [*command, "kafka.tools.StorageTool", "format", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAQ",
         "--config", config, *users],
        capture_output=True, text=True, env={"PATH": PATH, "HOME": str(folder)}, check=False,
    )  # fmt: skip
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr
    url = f"kafka://127.0.0.1:{port}"
    argv = [*command, "kafka.Kafka", config]
    with running(Broker("kafka", url, port, folder, argv, _kafka_answers)) as broker:
        yield broker


def _kafka_answers(port: int) -> bool:
    """ApiVersions, which a broker answers when the controller has let it in."""
    request = struct.pack(">hhih", 18, 0, 7, -1)
    found = exchange(
        port, struct.pack(">i", len(request)) + request, end=lambda found: len(found) >= 10
    )
    return found[4:10] == struct.pack(">ih", 7, 0)


# Topics are made by who uses them. The sessions are short because the controller of a killed node
# lets it in again only when its session is over.
KAFKA_CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{door}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{door}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocol}
log.dirs={data}
auto.create.topics.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""
KAFKA_DOOR = """\
ssl.keystore.type=PEM
ssl.keystore.location={store}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.door.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.door.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.door.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.door.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""
KAFKA_LOGGING = """\
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %m (%c)%n
rootLogger.level=INFO
rootLogger.appenderRef.console.ref=console
"""
