"""Decides whether a request may become a job, and which. Reads the catalogue once; pure from then on, but for /proc.

orderd may be compromised; what it asks for is checked as if it were. It can choose among catalogued playbooks, declared targets
and shorter deadlines, slowly, and nothing else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from orderd.catalogue import load_repairs, manifest
from orderd.catalogue.contract import parse_contract
from orderd.catalogue.load import CONTRACT_FILE, REPAIR_FILE
from orderd.config import Config
from orderd.config.modes import laxest_mode
from orderd.config.schema import DnsProbe, ExecutorConfig, HttpProbe, ProbeConfig
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.repairs import Repair
from orderd.domain.values import Mode as DecisionMode
from orderd.errors import CatalogueError
from orderd.executor.ledger import Ledger
from orderd.executor.messages import Code, Job, Mode, RepairRequest
from orderd.executor.signed import load_manifest
from orderd.executor.targets import HostView, Refusal

STATE_DIR: Final = Path("/var/lib/orderd-exec")
"""Root's own: orderd may not even rename what lies here, because repairs put it back as root."""
HTTP_PORT: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbooks:
    """The catalogue as it was hashed when this executor started.

    Attributes:
        directory: where the files lie.
        files: hashes of everything.
        repairs: contracts that are valid and hash to what the manifest says.
        refused: the others, with the reason.
    """

    directory: Path
    files: manifest.Manifest
    repairs: dict[str, Repair]
    refused: dict[str, str]

    @classmethod
    def load(cls, config: ExecutorConfig, now_utc_s: float) -> Self:
        """Load the catalogue and hold it against its manifest, which the fleet's owner has signed.

        Without a usable manifest every repair is refused, by name and with that reason; the executor answers all the same.

        Args:
            config: where catalogue, manifest, keys and version floor are.
            now_utc_s: seconds since 1970, UTC; signed things may expire.

        Raises:
            CatalogueError: there is no catalogue.
        """
        directory = Path(config.repairs_dir)
        found = load_repairs(directory)
        refused = dict(found.refused)
        repairs: dict[str, Repair] = {}
        try:
            files = load_manifest(config, now_utc_s)
        except CatalogueError as error:
            files = manifest.Manifest(version=2, files={})
            refused |= dict.fromkeys(found.repairs, str(error))
        for name in found.repairs.keys() - refused.keys():
            try:
                repairs[name] = _verified_contract(directory, name, files)
            except CatalogueError as error:
                refused[name] = str(error)
        return cls(directory=directory, files=files, repairs=repairs, refused=refused)


def _verified_contract(directory: Path, name: str, files: manifest.Manifest) -> Repair:
    """Parse the very bytes that were hashed; a contract says how long a playbook may run and on what."""
    file = directory / name / CONTRACT_FILE
    content = file.read_bytes()
    if files.files.get(f"{name}/{CONTRACT_FILE}") != manifest.sha256(content):
        msg = f"{file}: differs from the manifest; install the playbooks again"
        raise CatalogueError(msg)
    return parse_contract(content, file=str(file), folder=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request that may run.

    Attributes:
        request: as it was asked.
        job: what the zygote is to do.
        deadline_s: the shorter of what was asked and what the contract allows.
    """

    request: RepairRequest
    job: Job
    deadline_s: float


class Admission:
    """The executor's gate."""

    def __init__(self, config: Config, playbooks: Playbooks, ledger: Ledger, *, tmpfs: bool = True) -> None:
        """Hold what requests are checked against.

        Args:
            config: the executor's own, root-owned reading of orderd.toml.
            playbooks: the verified catalogue.
            ledger: rate and memory.
            tmpfs: give every repair a tmpfs of its own (tests without root do not).
        """
        self._config = config
        self._playbooks = playbooks
        self._ledger = ledger
        self._view = HostView.of(config)
        self._tmpfs_bytes = config.executor.tmpfs_bytes if tmpfs else 0

    @property
    def playbooks(self) -> Playbooks:
        """The verified catalogue."""
        return self._playbooks

    def admit(self, request: RepairRequest) -> Admitted:
        """Check a request and take its token.

        Raises:
            Refusal: it may not run; nothing was touched.
        """
        repair = self._repair(request.playbook)
        playbook = _playbook_file(repair, request.mode)
        if request.mode is not Mode.CHECK and laxest_mode(self._config.decision, repair.name) is DecisionMode.OBSERVE:
            raise Refusal(Code.NOT_ARMED, f"decision.mode and decision.modes let {repair.name} touch nothing: orderd observes")
        target = self._view.check(request.target, repair.target)
        self._take_token(request)
        return Admitted(request=request, job=self._job(request, target, playbook), deadline_s=_deadline_s(request, repair))

    def _repair(self, name: str) -> Repair:
        if name in self._playbooks.refused:
            raise Refusal(Code.PLAYBOOK_REFUSED, self._playbooks.refused[name])
        if name not in self._playbooks.repairs:
            raise Refusal(Code.UNKNOWN_PLAYBOOK, f"{name}: not in {self._playbooks.directory}")
        return self._playbooks.repairs[name]

    def _take_token(self, request: RepairRequest) -> None:
        key = f"{request.repair_id}/{request.mode}"
        if self._ledger.has_run(key):
            raise Refusal(Code.ALREADY_RUN, f"{key}: was already started; a repair runs once")
        if not self._ledger.allows():
            limit = self._config.executor.repairs_per_minute
            raise Refusal(Code.RATE_LIMITED, f"more than executor.repairs_per_minute = {limit}")
        try:
            self._ledger.record(key)
        except OSError as error:
            why = f"{error.filename}: {error.strerror}; a repair that cannot be remembered does not start"
            raise Refusal(Code.NOT_RECORDED, why) from error

    def _job(self, request: RepairRequest, target: Entity, playbook: str) -> Job:
        return Job(
            job_id=job_id(request),
            work_dir=self._config.executor.work_dir,
            source_dir=str(self._playbooks.directory),
            files=self._playbooks.files.for_repair(request.playbook),
            playbook=f"{request.playbook}/{playbook}",
            variables=self._variables(request, target),
            check=request.mode is Mode.CHECK,
            tmpfs_bytes=self._tmpfs_bytes,
        )

    def _variables(self, request: RepairRequest, target: Entity) -> dict[str, str | tuple[str, ...]]:
        """Return what a playbook is told; playbooks/repairs/README.md lists these names."""
        pid, _, start_ticks = target.key.partition(":") if target.kind is EntityKind.PROCESS else ("", "", "")
        return {
            "orderd_repair_id": request.repair_id,
            "orderd_target_kind": target.kind.value,
            "orderd_target": target.key,
            "orderd_pid": pid,
            "orderd_start_ticks": start_ticks,
            "orderd_protected_units": self._view.protected_units,
            "orderd_known_good": self._config.sampling.known_good,
            "orderd_quarantine": f"{STATE_DIR}/quarantine/{request.repair_id}",
            "orderd_resolv_conf": self._config.resolver.resolv_conf,
            "orderd_resolver_name": self._config.resolver.name,
            "orderd_listens": self._listens(target),
        }

    def _listens(self, target: Entity) -> tuple[str, ...]:
        """Return where a declared service has to answer, by its probe: ``tcp 127.0.0.1:80``."""
        probes = (s.probe for s in self._config.services if target.kind is EntityKind.UNIT and s.unit == target.key)
        return tuple(listener(probe) for probe in probes if probe is not None)


def listener(probe: ProbeConfig) -> str:
    """Return what a probe asks, as ``PROTOCOL ADDRESS:PORT``."""
    if isinstance(probe, HttpProbe):
        parts = urlsplit(probe.url)
        return f"tcp {parts.hostname}:{parts.port or HTTP_PORT}"
    return f"{'udp' if isinstance(probe, DnsProbe) else 'tcp'} {probe.address}"


def job_id(request: RepairRequest) -> str:
    """Return the name of a request's workspace and scope: an undo is its own run of the repair it belongs to."""
    return request.repair_id if request.mode is Mode.APPLY else f"{request.repair_id}-{request.mode}"


def _playbook_file(repair: Repair, mode: Mode) -> str:
    if mode is not Mode.UNDO:
        return REPAIR_FILE
    if not repair.undo:
        raise Refusal(Code.NO_UNDO, f"{repair.name}: {repair.undo_none_why}")
    return repair.undo


def _deadline_s(request: RepairRequest, repair: Repair) -> float:
    return min(request.deadline_s, repair.deadline_s)
