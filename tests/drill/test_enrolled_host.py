"""A booted host with the installed, sandboxed service joins a fleet, renews, and is asked over the network.

Touches: a disposable host.
"""

import json
import os
import time

import pytest

from fleet import Fleet, put
from installed_host import ORDERCTL, installed_host, main_pid, orderctl, reconfigure, shell, wait
from orderd.domain.peers import Role
from ordertrainer.ground import missing_packages
from ordertrainer.serve import TrainerThread
from ordertrainer.serve.door import Tls
from ordertrainer.serve.joining import make
from ordertrainer.serve.tokens import Grant

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
LIFE_S = 30.0
PORT = 7443
LISTEN = 7445


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """Return a host, a trainer by mutual TLS with certificates of 30 s, its data, and what status said before enrolment."""
    data = tmp_path_factory.mktemp("fleet")
    with installed_host("observe") as host:  # noqa: SIM117  the trainer listens on an address that the host brings
        with TrainerThread(data, f"{host.gateway}:{PORT}", tls=Tls(lifetime_s=LIFE_S)) as trainer:

            def members_only(text):
                text = text.replace("insecure = true", "insecure = false")
                text = text.replace('trainer = ""', f'trainer = "{trainer.address}"')
                return text + f'\n[rpc]\nlisten = "0.0.0.0:{LISTEN}"\n'

            reconfigure(host, members_only)
            before = {}

            def says_so():
                before.clear()
                before.update(orderctl(host, "status"))
                return "nothing is sent" in str(before)

            wait(says_so, 20, "status says that nothing is sent")
            token, _ = make(data, Grant(role=Role.HOST, who="", addresses=(host.address,)))
            said = host.exec([ORDERCTL, "enrol", "-"], stdin=token, timeout_s=60)
            assert said.returncode == 0, said.stderr
            yield host, trainer, data, before


def test_before_it_was_enrolled_it_said_so(joined):
    """Status names both commands, for the uplink and for rpc.listen, and nothing was sent."""
    before = joined[3]
    degraded = " ".join(before["degraded"])
    assert "ordertrainer token" in degraded
    assert "rpc.listen" in degraded
    assert int(before.get("telemetrySent", 0)) == 0
    assert not before.get("identity")


def test_the_key_is_orderds_own(joined):
    """Enrolled by root, the files belong to the user of the service, and the key to nobody else."""
    home = "/var/lib/orderd/identity"
    assert shell(joined[0], f"stat -c '%U %a' {home} {home}/current/key.pem").split() == ["orderd", "700", "orderd", "600"]


def test_it_renews_in_its_sandbox_and_goes_on_sending(joined):
    """After two lives of its first certificate the host still delivers samples, without a restart of orderd."""
    host, trainer, _, _ = joined
    pid = main_pid(host, "orderd.service")
    wait(lambda: trainer.ingested.samples > 0, 30, "samples arrive")
    first = shell(host, "readlink /var/lib/orderd/identity/current")
    began = time.monotonic()
    while time.monotonic() - began < 2 * LIFE_S:
        time.sleep(5)
        status = host.exec([ORDERCTL, "status", "--json"])
        assert status.returncode == 0, status.stderr + shell(host, "journalctl -u orderd -n 40 --no-pager")
        assert json.loads(status.stdout)["identityRemainingS"] > 0
    assert shell(host, "readlink /var/lib/orderd/identity/current") != first
    known = trainer.ingested.samples
    wait(lambda: trainer.ingested.samples > known, 15, "samples still arrive")
    assert main_pid(host, "orderd.service") == pid
    degraded = " ".join(orderctl(host, "status").get("degraded", []))
    assert "certificate" not in degraded
    assert "nothing is sent" not in degraded


def test_an_operator_asks_it_over_the_network(joined, tmp_path, monkeypatch):
    """`orderctl --host` from the trainer's machine shows its status, to a certificate of its fleet only."""
    import subprocess
    import sys

    host, _, data, _ = joined
    put(tmp_path / "alice", Fleet(data, "").member(Role.OPERATOR, "alice"))
    put(tmp_path / "eve", Fleet(tmp_path / "other").member(Role.ADMIN, "eve"))
    for who, code in (("alice", 0), ("eve", 4)):
        monkeypatch.setenv("ORDERD_IDENTITY", str(tmp_path / who))
        argv = [sys.executable, "-m", "orderd.ctl", "--host", f"{host.address}:{LISTEN}", "status", "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == code, done.stderr
