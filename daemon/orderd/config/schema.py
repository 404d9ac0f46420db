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
UnitName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:_.@-]{1,200}\.(service|timer|socket)$")]


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
    """A unit that must be running; listing it here is its desired state.

    ``config`` names the files it is configured by, one by one: they are part of the known-good record, and repairs put them back.
    ``data`` names where its data lies, beside its StateDirectory: of that the record knows owner and mode, and nothing else.
    """

    unit: UnitName
    probe: ProbeConfig | None = None
    config: Annotated[tuple[AbsolutePath, ...], Meta(max_length=16)] = ()
    data: Annotated[tuple[AbsolutePath, ...], Meta(max_length=16)] = ()


class MountConfig(Table, frozen=True):
    """A mount that orderd watches and may repair; ``read_only`` says that it is meant to be."""

    path: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9._/+@-]{0,250}$")]
    read_only: bool = False


class ResolverConfig(Table, frozen=True):
    """How name resolution is proven: every server in resolv.conf is asked for ``name`` (empty: not watched)."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,253}$")] = ""
    resolv_conf: AbsolutePath = "/etc/resolv.conf"
    timeout_s: Annotated[float, Meta(gt=0.0, le=10.0)] = 0.5
    interval_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 1.0


SettingName = Annotated[str, Meta(pattern=r"^[a-z0-9_]+(\.[A-Za-z0-9_-]+)+$", max_length=100)]


class HostConfig(Table, frozen=True):
    """What of the host itself is held against the known-good record: kernel settings, by their sysctl names.

    The default leaves out what programs set by themselves, such as ``net.ipv4.ip_forward`` (container engines) and
    ``vm.max_map_count`` (databases); of a name that this kernel does not know nothing is recorded.
    """

    settings: Annotated[tuple[SettingName, ...], Meta(max_length=64)] = (
        "fs.file-max",
        "kernel.pid_max",
        "net.core.netdev_max_backlog",
        "net.core.somaxconn",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_max_syn_backlog",
        "net.ipv4.tcp_syncookies",
        "vm.overcommit_memory",
    )


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
    installed_dir: AbsolutePath = "/var/lib/orderd/models"
    trust_dir: AbsolutePath = "/etc/orderd/trust/models"
    floor: AbsolutePath = "/var/lib/orderd-infer/floor.json"
    signed: bool = True


RepairName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
FailureName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Day = Annotated[str, Meta(pattern=r"^(mon|tue|wed|thu|fri|sat|sun)$")]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class ModesConfig(Table, frozen=True):
    """Modes that differ from ``decision.mode``: a failure class's mode replaces it, a playbook's may only be stricter.

    What somebody may have wanted (`orderd.domain.faults.ASKED_FIRST`: differences from the known-good record, an upload that
    fills a line) is asked about (``approve``) unless it is named here.
    """

    failures: dict[FailureName, Mode] = {}
    repairs: dict[RepairName, Mode] = {}


class AutonomyConfig(Table, frozen=True):
    """The stated numbers by which mode ``earned`` grants and withdraws authority, per failure class and playbook.

    Granted once at least ``outcomes_min`` of the last ``window`` outcomes are known and the lower end of the Wilson interval
    (95 %) of the share that was right is at least ``right_ratio_min``; withdrawn as soon as ``wrong_max`` of them are wrong.
    """

    window: Annotated[int, Meta(ge=3, le=1000)] = 20
    outcomes_min: Annotated[int, Meta(ge=1, le=1000)] = 10
    right_ratio_min: Ratio = 0.7
    wrong_max: Annotated[int, Meta(ge=1, le=1000)] = 2


class MaskingConfig(Table, frozen=True):
    """When the same symptom, repaired again and again, stops being repaired: ``repairs`` verified repairs within ``within_s``."""

    repairs: Annotated[int, Meta(ge=2, le=100)] = 4
    within_s: Annotated[float, Meta(ge=60.0, le=604_800.0)] = 86_400.0


class WindowConfig(Table, frozen=True):
    """A maintenance window: while it is open, orderd acts at most as ``mode`` says.

    ``from``/``to`` are times of day in ``timezone``; a window whose end is before its start goes over midnight.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    start: TimeOfDay
    end: TimeOfDay
    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    timezone: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+/-]{1,64}$")] = "UTC"
    mode: Mode = Mode.OBSERVE
    units: tuple[UnitName, ...] = ()


class ChangesConfig(Table, frozen=True):
    """How planned changes are seen that nobody announced.

    A unit that a person stopped or masked in a login is left alone for ``person_s``; a package transaction or a deploy marker
    (a file in ``markers``) holds back the whole host while it lasts and ``settle_s`` after it, never longer than ``longest_s``.
    """

    enabled: bool = True
    person_s: Seconds = 3600.0
    settle_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 30.0
    longest_s: Seconds = 7200.0
    markers: AbsolutePath = "/run/orderd-deploy"


class DecisionConfig(Table, frozen=True):
    """How careful orderd is."""

    mode: Mode = Mode.OBSERVE
    modes: ModesConfig = ModesConfig()
    autonomy: AutonomyConfig = AutonomyConfig()
    masking: MaskingConfig = MaskingConfig()
    windows: Annotated[tuple[WindowConfig, ...], Meta(max_length=32)] = ()
    changes: ChangesConfig = ChangesConfig()
    repairs_per_target_per_hour: Annotated[int, Meta(ge=1, le=1000)] = 3
    repairs_per_host_per_hour: Annotated[int, Meta(ge=1, le=1000)] = 20
    repairs_per_incident: Annotated[int, Meta(ge=1, le=32)] = 12
    repairs_at_once: Annotated[int, Meta(ge=1, le=8)] = 2
    failed_verifications_max: Annotated[int, Meta(ge=1, le=10)] = 2
    approval_s: Annotated[float, Meta(ge=5.0, le=604_800.0)] = 3600.0
    unknown_min: Annotated[float, Meta(ge=0.5, le=1.0)] = 0.95
    unknown_s: Seconds = 20.0
    hold_max_s: Seconds = 86_400.0


class FleetConfig(Table, frozen=True):
    """The fleet's budget: how many hosts may be under repair at once, by the trainer's word.

    With ``budget`` every repair needs a lease; while the trainer does not answer within ``timeout_s``, at most
    ``local_repairs_per_hour`` repairs run without one.
    """

    budget: bool = False
    group: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._/-]{0,100}$")] = ""
    timeout_s: Annotated[float, Meta(gt=0.0, le=5.0)] = 0.2
    local_repairs_per_hour: Annotated[int, Meta(ge=0, le=100)] = 2


class ExecutorConfig(Table, frozen=True):
    """The root program that runs playbooks."""

    socket: AbsolutePath = "/run/orderd-exec/exec.sock"
    zygote_socket: AbsolutePath = "/run/orderd-zygote/zygote.sock"
    repairs_dir: AbsolutePath = "/usr/share/orderd/playbooks/repairs"
    manifest: AbsolutePath = "/usr/share/orderd/playbooks/repairs/manifest.json"
    trust_dir: AbsolutePath = "/etc/orderd/trust/playbooks"
    floor: AbsolutePath = "/var/lib/orderd-exec/floor.json"
    signed: bool = True
    work_dir: AbsolutePath = "/run/orderd-repairs"
    allowed_users: tuple[str, ...] = ("orderd", "root")
    repairs_per_minute: Annotated[int, Meta(ge=1, le=600)] = 12
    tmpfs_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 30)] = 64 << 20
    memory_max_bytes: Annotated[int, Meta(ge=64 << 20, le=8 << 30)] = 512 << 20
    tasks_max: Annotated[int, Meta(ge=16, le=4096)] = 128


class JournalConfig(Table, frozen=True):
    """Where decisions are recorded."""

    path: AbsolutePath = "/var/lib/orderd/journal.sqlite"
    bytes_max: Annotated[int, Meta(ge=16 << 20, le=1 << 40)] = 512 << 20
    age_s_max: Annotated[float, Meta(ge=3600.0, le=315_360_000.0)] = 34_560_000.0
    evidence_bytes_max: Annotated[int, Meta(ge=1 << 20, le=1 << 40)] = 128 << 20
    ballast_bytes: Annotated[int, Meta(ge=0, le=1 << 30)] = 16 << 20


Principal = Annotated[str, Meta(pattern=r"^@?[A-Za-z0-9_.-]{1,64}$")]


class RolesConfig(Table, frozen=True):
    """Which local users (``alice``) and groups (``@oncall``) have which role on the unix socket; root is always admin."""

    reader: tuple[Principal, ...] = ()
    operator: tuple[Principal, ...] = ("@orderd",)
    admin: tuple[Principal, ...] = ("root",)


class RpcConfig(Table, frozen=True):
    """Where orderd answers. ``listen`` is TCP with mutual TLS, by the identity this host was enrolled with; empty: none."""

    socket: AbsolutePath = "/run/orderd/orderd.sock"
    listen: Annotated[str, Meta(pattern=r"^((\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5})?$")] = ""
    roles: RolesConfig = RolesConfig()
    message_bytes_max: Annotated[int, Meta(ge=4096, le=4 << 20)] = 256 << 10
    watchers_max: Annotated[int, Meta(ge=1, le=10_000)] = 200


class TelemetryConfig(Table, frozen=True):
    """Where samples and decisions are sent; an empty trainer address keeps everything on the host.

    A host that is enrolled speaks mutual TLS. One that is not sends nothing, unless ``insecure`` says that the line is private.
    """

    trainer: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_.-]+:[0-9]{1,5})?$")] = ""
    batch_samples: Annotated[int, Meta(ge=1, le=1000)] = 10
    flush_s: Seconds = 2.0
    spool_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 30)] = 64 << 20
    retry_s_max: Seconds = 30.0
    spool: AbsolutePath = "/var/lib/orderd/spool"
    insecure: bool = False


class IdentityConfig(Table, frozen=True):
    """Where the host keeps its key, its certificate and the fleet's authority; ``orderctl enrol`` fills it."""

    directory: AbsolutePath = "/var/lib/orderd/identity"


class WebhookSink(Table, frozen=True, tag="webhook", tag_field="kind"):
    """POST one JSON object per notice."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s]{1,500}$")]


class SlackSink(Table, frozen=True, tag="slack", tag_field="kind"):
    """POST ``{"text": ...}`` to an incoming webhook of Slack or something that understands it."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s]{1,500}$")]


class PagerDutySink(Table, frozen=True, tag="pagerduty", tag_field="kind"):
    """Events API v2: one alert per incident, de-duplicated by its id, resolved when the incident ends."""

    routing_key_file: AbsolutePath
    url: Annotated[str, Meta(pattern=r"^https?://[^\s]{1,500}$")] = "https://events.pagerduty.com/v2/enqueue"


class EmailSink(Table, frozen=True, tag="email", tag_field="kind"):
    """One plain-text mail per notice, over SMTP."""

    to: Annotated[tuple[Annotated[str, Meta(pattern=r"^[^@\s]{1,64}@[^@\s]{1,255}$")], ...], Meta(min_length=1, max_length=16)]
    sender: Annotated[str, Meta(pattern=r"^[^@\s]{1,64}@[^@\s]{1,255}$")]
    server: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+:[0-9]{1,5}$")] = "127.0.0.1:25"
    starttls: bool = False
    user: Annotated[str, Meta(max_length=256)] = ""
    password_file: Annotated[str, Meta(pattern=r"^(/[^\x00]*)?$")] = ""


SinkConfig = WebhookSink | SlackSink | PagerDutySink | EmailSink
Event = Annotated[str, Meta(pattern=r"^(escalated|approval|ticket|denied|withdrawn|collateral|degraded|repaired)$")]


class NotifyConfig(Table, frozen=True):
    """Who is told of what needs a person: retried with growing pauses until ``give_up_s``, not said twice within ``again_s``."""

    sinks: Annotated[tuple[SinkConfig, ...], Meta(max_length=16)] = ()
    events: tuple[Event, ...] = ("escalated", "approval", "ticket", "denied", "withdrawn", "collateral", "degraded")
    timeout_s: Annotated[float, Meta(gt=0.0, le=60.0)] = 5.0
    again_s: Seconds = 3600.0
    give_up_s: Seconds = 86_400.0
    queue_max: Annotated[int, Meta(ge=1, le=10_000)] = 500


class Config(Table, frozen=True):
    """The whole file."""

    services: tuple[ServiceConfig, ...] = ()
    mounts: tuple[MountConfig, ...] = ()
    resolver: ResolverConfig = ResolverConfig()
    host: HostConfig = HostConfig()
    sampling: SamplingConfig = SamplingConfig()
    inference: InferenceConfig = InferenceConfig()
    decision: DecisionConfig = DecisionConfig()
    executor: ExecutorConfig = ExecutorConfig()
    journal: JournalConfig = JournalConfig()
    rpc: RpcConfig = RpcConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    fleet: FleetConfig = FleetConfig()
    identity: IdentityConfig = IdentityConfig()
    notify: NotifyConfig = NotifyConfig()
