"""The prober: measures a host from outside orderd, 20 times a second, and says what it saw in JSON lines.

Touches: the network namespace it was started in, files under the host's root, cgroup files; standard output.
Standard library only and no import of orderd: what it says must not depend on what it judges. It runs with `python -S -E -u`
inside the host's network namespace, outside its mount and pid namespaces, and ends when its standard input does. On hosts that
are no clones of this machine it runs on the host, over SSH, with `/` as their root.

Every check has a thread and at most one probe under way, so a service that hangs cannot hold up the measurement of another.
One line is one probe: {"c": check, "s": start, "e": end, "ok": bool, "v": number or null, "w": why not}; times are
CLOCK_MONOTONIC in nanoseconds, a clock a host in a container shares with this machine.
"""

import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

PERIOD_S = 0.05
SLOW_PERIOD_S = 0.2
NAMESAKES_PERIOD_S = 1.0
SERVICE_TIMEOUT_S = 0.5
DNS_TIMEOUT_S = 0.2
QUEUE_TIMEOUT_S = 1.0
QUEUE_POLL_S = 0.01
LINE_BYTES_MAX = 4096
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SECTOR_BYTES = 512
SSL_REQUEST = struct.pack("!II", 8, 80877103)
DNS_FLAGS_RECURSE = 0x0100
DNS_HEADER_BYTES = 12

Check = Callable[[], float | None]


class Unhealthy(Exception):  # noqa: N818  an answer, not an error
    """The probed thing answered, but not what a healthy one answers; carries the value measured, if any."""

    def __init__(self, why: str, value: float | None = None) -> None:
        super().__init__(why)
        self.value = value


def emit(record: dict[str, object]) -> None:
    """Write one line in one write, so that threads never mix theirs."""
    os.write(1, (json.dumps(record, separators=(",", ":")) + "\n").encode()[:LINE_BYTES_MAX])


def loop(name: str, period_s: float, check: Check, alive: Callable[[], bool]) -> None:
    """Run a check at its pace; a late one skips beats rather than catching up."""
    due = time.monotonic()
    while alive():
        start = time.monotonic_ns()
        value, why = None, ""
        try:
            value = check()
        except Unhealthy as bad:
            value, why = bad.value, str(bad)
        except OSError as error:
            why = type(error).__name__ if error.errno is None else error.strerror or str(error)
        emit({"c": name, "s": start, "e": time.monotonic_ns(), "ok": not why, "v": value, "w": why[:200]})
        due = max(due + period_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def ask(port: int, request: bytes, complete: Callable[[bytes], bool]) -> bytes:
    """Send a request to a port of the host on a fresh connection and return the answer."""
    deadline = time.monotonic() + SERVICE_TIMEOUT_S
    with socket.create_connection(("127.0.0.1", port), SERVICE_TIMEOUT_S) as caller:
        caller.sendall(request)
        answer = b""
        while not complete(answer):
            caller.settimeout(max(0.001, deadline - time.monotonic()))
            chunk = caller.recv(1024)
            if not chunk:
                break
            answer += chunk
    return answer


def expect(port: int, request: bytes, wanted: Callable[[bytes], bool]) -> Check:
    """Return a check that asks a port and wants a certain answer."""

    def check() -> None:
        answer = ask(port, request, lambda seen: b"\n" in seen or wanted(seen))
        if not wanted(answer):
            raise Unhealthy(f"answered {answer[:40]!r}")

    return check


SERVICES = {
    "nginx": expect(80, b"GET /healthz HTTP/1.0\r\nHost: drill\r\n\r\n", lambda a: a[:5] == b"HTTP/" and b" 200 " in a[:16]),
    "redis": expect(6379, b"PING\r\n", lambda a: a.startswith(b"+PONG")),
    "postgres": expect(5432, SSL_REQUEST, lambda a: a[:1] in (b"S", b"N")),
    "worker": expect(7070, b"PING\n", lambda a: a.startswith(b"PONG ")),
}


class Queue:
    """Puts lines into the worker's queue and waits until they are done: the service's purpose, not its port."""

    def __init__(self, root: str) -> None:
        self.directory = os.path.join(root, "srv/data/worker")
        self.sent = 0

    def __call__(self) -> float | None:
        """Return how many seconds a line took."""
        before = self._done_bytes()
        start = time.monotonic()
        self.sent += 1
        with open(os.path.join(self.directory, "queue"), "ab", buffering=0) as queue:
            queue.write(b"probe %d\n" % self.sent)
        while self._done_bytes() <= before:
            if time.monotonic() - start > QUEUE_TIMEOUT_S:
                raise Unhealthy("the queue is not being worked off")
            time.sleep(QUEUE_POLL_S)
        return time.monotonic() - start

    def _done_bytes(self) -> int:
        try:
            return os.stat(os.path.join(self.directory, "done")).st_size
        except FileNotFoundError:
            return 0


class Dns:
    """Asks the resolver the host is configured to use, whichever that is at the moment."""

    def __init__(self, root: str) -> None:
        self.resolv_conf = os.path.join(root, "etc/resolv.conf")
        self.asked = 0

    def __call__(self) -> None:
        """Query the first name server for the drill's own name."""
        self.asked = (self.asked + 1) & 0xFFFF
        name = b"".join(bytes([len(label)]) + label for label in (b"host", b"drill", b"test"))
        question = name + b"\0" + struct.pack("!HH", 1, 1)
        query = struct.pack("!HHHHHH", self.asked, DNS_FLAGS_RECURSE, 1, 0, 0, 0) + question
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.settimeout(DNS_TIMEOUT_S)
            caller.connect((self._server(), 53))
            caller.send(query)
            answer = caller.recv(512)
        if len(answer) < DNS_HEADER_BYTES or answer[:2] != query[:2]:
            raise Unhealthy("answered something else")
        code, answers = answer[3] & 0xF, struct.unpack("!H", answer[6:8])[0]
        if code or not answers:
            raise Unhealthy(f"rcode {code}, {answers} answers")

    def _server(self) -> str:
        with open(self.resolv_conf, encoding="utf-8", errors="replace") as text:
            servers = [line.split()[1] for line in text if line.startswith("nameserver ") and len(line.split()) > 1]
        if not servers:
            raise Unhealthy("resolv.conf names no server")
        return servers[0]


class Rate:
    """Turns a rising counter into a rate; the first reading has none."""

    def __init__(self) -> None:
        self.before: tuple[int, float] | None = None

    def per_s(self, counter: float) -> float | None:
        """Return the rise per second since the last call."""
        now, before = time.monotonic_ns(), self.before
        self.before = (now, counter)
        return None if before is None or now == before[0] else (counter - before[1]) * 1e9 / (now - before[0])


class Process:
    """One process of the host, by the pid and start time it has inside: its CPU in cores, memory in bytes, writes per second."""

    def __init__(self, root: str, pid: str, start_ticks: str) -> None:
        self.directory = os.path.join(root, "proc", pid)
        self.start_ticks = start_ticks
        self.cpu_rate, self.io_rate = Rate(), Rate()

    def cpu(self) -> float | None:
        """Return the cores it used since the last call."""
        fields = self._fields()
        return self.cpu_rate.per_s((int(fields[11]) + int(fields[12])) / TICKS_PER_S)

    def memory(self) -> float:
        """Return its resident memory in bytes."""
        return float(int(self._fields()[21]) * PAGE_BYTES)

    def writes(self) -> float | None:
        """Return the bytes per second it wrote since the last call."""
        self._fields()
        with open(os.path.join(self.directory, "io"), encoding="ascii") as text:
            counters = dict(line.split(": ") for line in text.read().splitlines())
        return self.io_rate.per_s(float(counters["wchar"]))

    def _fields(self) -> list[str]:
        fields = stat_of(self.directory)
        if not fields or fields[19] != self.start_ticks or fields[0] in "ZX":
            raise Unhealthy("gone", 0.0)
        return fields


def stat_of(directory: str) -> list[str]:
    """Return the fields of a process's stat from the state on, empty when it is gone."""
    try:
        with open(os.path.join(directory, "stat"), encoding="utf-8", errors="replace") as text:
            stat = text.read()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return stat[stat.rfind(")") + 2 :].split()


class Expected:
    """Waits for a process of a certain name and measures it until told to stop; its later namesakes are told as they come.

    The prober finds the process by itself, so that it measures one that is repaired away before the injector has said its pid. A
    namesake that ends within a second is nobody that anything could be done about.
    """

    def __init__(self, root: str, name: str) -> None:
        self.root, self.name = root, name
        self.wanted = True
        self.before = set(self._pids())

    def follow(self) -> None:
        """Find the process, say who it is, then measure it."""
        while self.wanted:
            for pid in self._pids():
                if pid not in self.before and self._is_it(pid):
                    self._measure(pid)
                    return self._tell_namesakes()
            time.sleep(PERIOD_S)
        return None

    def _tell_namesakes(self) -> None:
        told, young = set(), set()
        while self.wanted:
            keys = {self._key(pid) for pid in self._pids() if pid not in self.before and self._is_it(pid)} - {""}
            for key in sorted(keys & young - told):
                self._emit("namesakes", key)
            told, young = told & keys | keys & young, keys
            time.sleep(NAMESAKES_PERIOD_S)

    def _key(self, pid: str) -> str:
        fields = stat_of(os.path.join(self.root, "proc", pid))
        return f"{pid}:{fields[19]}" if fields else ""

    def _emit(self, what: str, key: str) -> None:
        now = time.monotonic_ns()
        emit({"c": f"{self.name}:{what}", "s": now, "e": now, "ok": True, "v": None, "w": key})

    def _measure(self, pid: str) -> None:
        fields = stat_of(os.path.join(self.root, "proc", pid))
        if not fields:
            return
        process = Process(self.root, pid, fields[19])
        self._emit("key", f"{pid}:{fields[19]}")
        start(f"{self.name}:memory", PERIOD_S, process.memory, lambda: self.wanted)
        start(f"{self.name}:cpu", SLOW_PERIOD_S, process.cpu, lambda: self.wanted)
        start(f"{self.name}:writes", SLOW_PERIOD_S, process.writes, lambda: self.wanted)

    def _pids(self) -> list[str]:
        return [name for name in os.listdir(os.path.join(self.root, "proc")) if name.isdigit()]

    def _is_it(self, pid: str) -> bool:
        try:
            with open(os.path.join(self.root, "proc", pid, "comm"), encoding="utf-8", errors="replace") as text:
                return text.read().rstrip("\n") == self.name
        except OSError:
            return False


def mount_use(path: str) -> Check:
    """Return a check for the used share of a file system, as users see it."""

    def check() -> float:
        seen = os.statvfs(path)
        used = seen.f_blocks - seen.f_bfree
        return used / max(1, used + seen.f_bavail)

    return check


def disk_writes(path: str) -> Check:
    """Return a check for the bytes per second written to the device below a path."""
    device = os.stat(path).st_dev
    statistics, rate = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat", Rate()

    def check() -> float | None:
        with open(statistics, encoding="ascii") as text:
            return rate.per_s(float(text.read().split()[6]) * SECTOR_BYTES)

    return check


def group_cpu(path: str) -> Check:
    """Return a check for the cores a control group used: nanoseconds in a legacy one, a keyed file in a unified one."""
    rate = Rate()

    def check() -> float | None:
        with open(path, encoding="ascii") as text:
            words = text.read().split()
        return rate.per_s(int(words[0]) / 1e9 if len(words) == 1 else int(words[1]) / 1e6)

    return check


def group_memory(path: str) -> Check:
    """Return a check for the bytes a control group is charged for."""

    def check() -> float:
        with open(path, encoding="ascii") as text:
            return float(text.read())

    return check


def start(name: str, period_s: float, check: Check, alive: Callable[[], bool] = lambda: True) -> None:
    """Start the thread of one check."""
    threading.Thread(target=loop, args=(name, period_s, check, alive), daemon=True, name=name).start()


def start_all(config: dict[str, str]) -> None:
    """Start every check that runs for the whole drill."""
    root = config["root"]
    for name, check in SERVICES.items():
        start(name, PERIOD_S, check)
    start("queue", PERIOD_S, Queue(root))
    start("dns", PERIOD_S, Dns(root))
    start("mount:/srv/data", PERIOD_S, mount_use(os.path.join(root, "srv/data")))
    if os.path.isdir(os.path.join(root, "srv/data")):
        start("host:disk", SLOW_PERIOD_S, disk_writes(os.path.join(root, "srv/data")))
    if "cpu" in config:
        start("host:cpu", SLOW_PERIOD_S, group_cpu(config["cpu"]))
        start("host:memory", SLOW_PERIOD_S, group_memory(config["memory"]))


def main() -> None:
    """Read the configuration, then orders, one JSON object a line, until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the driver decides when measuring ends, by closing our input
    config = json.loads(sys.stdin.readline())
    start_all(config)
    expected: dict[str, Expected] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if name := order.get("expect"):
            expected[name] = Expected(config["root"], name)
            threading.Thread(target=expected[name].follow, daemon=True).start()
        if (name := order.get("forget")) in expected:
            expected.pop(name).wanted = False
    os._exit(0)


if __name__ == "__main__":
    main()
