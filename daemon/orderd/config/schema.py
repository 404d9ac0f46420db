"""The shape of orderd.toml: every key, its type, its range and its default. Pure.

Unknown keys are refused. Everything a person may set is here; bounds on queues and retries are here too, and their relations
are checked in ``load``.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from orderd.domain.values import Mode

Seconds = Annotated[float, Meta(gt=0.0, le=86_400.0)]
Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]
AbsolutePath = Annotated[str, Meta(pattern=r"^/[^\x00]*$", max_length=100)]
UnitName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:_.@-]{1,200}\.service$")]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables: frozen, unknown keys refused."""


class HttpProbe(Table, frozen=True, tag="http", tag_field="kind"):
    """GET; 2xx and 3xx are good."""

    url: Annotated[str, Meta(pattern=r"^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/.*$")]
    timeout_s: Annotated[float, Meta(gt=0.0, le=10.0)] = 0.5
    interval_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 1.0


class TcpProbe(Table, frozen=True, tag="tcp", tag_field="kind"):
    """Connect, send, expect an answer that begins with ``expect`` (both may be empty: connecting is enough)."""

    address: Annotated[str, Meta(pattern=r"^(127\.0\.0\.1|\[::1\]|localhost):[0-9]{1,5}$")]
    send: Annotated[str, Meta(max_length=1024)] = ""
    expect: Annotated[str, Meta(max_length=1024)] = ""
    timeout_s: Annotated[float, Meta(gt=0.0, le=10.0)] = 0.5
    interval_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 1.0


class PostgresProbe(Table, frozen=True, tag="postgres", tag_field="kind"):
    """Send an SSLRequest; a live server answers one byte, ``S`` or ``N``, without any credentials."""

    address: Annotated[str, Meta(pattern=r"^(127\.0\.0\.1|\[::1\]|localhost):[0-9]{1,5}$")] = "127.0.0.1:5432"
    timeout_s: Annotated[float, Meta(gt=0.0, le=10.0)] = 0.5
    interval_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 1.0


class DnsProbe(Table, frozen=True, tag="dns", tag_field="kind"):
    """Ask one name server over UDP for an A record of ``name``; NOERROR with an answer is good."""

    address: Annotated[str, Meta(pattern=r"^(127\.[0-9.]+|\[::1\]):[0-9]{1,5}$")]
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
    timeout_s: Annotated[float, Meta(gt=0.0, le=10.0)] = 0.5
    interval_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 1.0


ProbeConfig = HttpProbe | TcpProbe | PostgresProbe | DnsProbe


class ServiceConfig(Table, frozen=True):
    """A unit that must be running; listing it here is its desired state."""

    unit: UnitName
    probe: ProbeConfig | None = None


class MountConfig(Table, frozen=True):
    """A mount that orderd watches and may repair."""

    path: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9._/+@-]{0,250}$")]


class ResolverConfig(Table, frozen=True):
    """How name resolution is proven: every server in resolv.conf is asked for ``name`` (empty: not watched)."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,253}$")] = ""
    resolv_conf: AbsolutePath = "/etc/resolv.conf"
    timeout_s: Annotated[float, Meta(gt=0.0, le=10.0)] = 0.5
    interval_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 1.0


class SamplingConfig(Table, frozen=True):
    """How often and how much is sampled."""

    period_s: Annotated[float, Meta(ge=0.2, le=60.0)] = 1.0
    verify_period_s: Annotated[float, Meta(ge=0.02, le=10.0)] = 0.1
    processes_max: Annotated[int, Meta(ge=0, le=64)] = 6
    known_good: AbsolutePath = "/var/lib/orderd-exec/known-good"


class InferenceConfig(Table, frozen=True):
    """The order model: where it is and when it is believed."""

    enabled: bool = True
    socket: AbsolutePath = "/run/orderd-infer/infer.sock"
    model_dir: AbsolutePath = "/usr/share/orderd/models/order/current"
    timeout_s: Annotated[float, Meta(gt=0.0, le=5.0)] = 0.25
    confidence_min: Annotated[float, Meta(ge=0.5, le=1.0)] = 0.8
    provider: Annotated[str, Meta(pattern=r"^(auto|cuda|cpu)$")] = "auto"


class DecisionConfig(Table, frozen=True):
    """How careful orderd is."""

    mode: Mode = Mode.OBSERVE
    repairs_per_target_per_hour: Annotated[int, Meta(ge=1, le=1000)] = 3
    repairs_per_host_per_hour: Annotated[int, Meta(ge=1, le=1000)] = 20
    repairs_per_incident: Annotated[int, Meta(ge=1, le=10)] = 3
    hold_max_s: Seconds = 86_400.0


class ExecutorConfig(Table, frozen=True):
    """The root program that runs playbooks."""

    socket: AbsolutePath = "/run/orderd-exec/exec.sock"
    zygote_socket: AbsolutePath = "/run/orderd-zygote/zygote.sock"
    repairs_dir: AbsolutePath = "/usr/share/orderd/playbooks/repairs"
    manifest: AbsolutePath = "/usr/share/orderd/playbooks/repairs/manifest.json"
    work_dir: AbsolutePath = "/run/orderd-repairs"
    allowed_users: tuple[str, ...] = ("orderd", "root")
    repairs_per_minute: Annotated[int, Meta(ge=1, le=600)] = 12
    tmpfs_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 30)] = 64 << 20
    memory_max_bytes: Annotated[int, Meta(ge=64 << 20, le=8 << 30)] = 512 << 20
    tasks_max: Annotated[int, Meta(ge=16, le=4096)] = 128


class JournalConfig(Table, frozen=True):
    """Where decisions are recorded."""

    path: AbsolutePath = "/var/lib/orderd/journal.sqlite"


class RpcConfig(Table, frozen=True):
    """Where orderd answers."""

    socket: AbsolutePath = "/run/orderd/orderd.sock"
    message_bytes_max: Annotated[int, Meta(ge=4096, le=4 << 20)] = 256 << 10
    watchers_max: Annotated[int, Meta(ge=1, le=10_000)] = 200


class TelemetryConfig(Table, frozen=True):
    """Where samples and decisions are sent; an empty trainer address keeps everything on the host."""

    trainer: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_.-]+:[0-9]{1,5})?$")] = ""
    batch_samples: Annotated[int, Meta(ge=1, le=1000)] = 10
    flush_s: Seconds = 2.0
    spool_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 30)] = 64 << 20
    retry_s_max: Seconds = 30.0


class Config(Table, frozen=True):
    """The whole file."""

    services: tuple[ServiceConfig, ...] = ()
    mounts: tuple[MountConfig, ...] = ()
    resolver: ResolverConfig = ResolverConfig()
    sampling: SamplingConfig = SamplingConfig()
    inference: InferenceConfig = InferenceConfig()
    decision: DecisionConfig = DecisionConfig()
    executor: ExecutorConfig = ExecutorConfig()
    journal: JournalConfig = JournalConfig()
    rpc: RpcConfig = RpcConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
