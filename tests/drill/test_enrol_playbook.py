"""playbooks/fleet/enrol.yml as an operator runs it, with `ordertrainer serve` and `ansible-playbook` as programs.

Touches: a disposable host, one port on the address of its cable.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from installed_host import orderctl, shell, wait
from ordertrainer.drill.install import HOST_CONFIG, ROOT, build_bundle, install_orderd
from ordertrainer.ground import DisposableHost, missing_packages, unwinding

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
PORT = 7443
BIN = Path(sys.executable).parent
ENV = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}


class Member:
    """A host, and the trainer of its fleet."""

    def __init__(self, host, data, serve):
        self.host = host
        self.data = data
        self.serve = serve
        self.first = self.enrol()
        self.certificate = self.certified()

    def enrol(self, *words):
        """Run the playbook and return what it printed."""
        argv = ["ansible-playbook", "-v", "-i", self.host.inventory, ROOT / "playbooks" / "fleet" / "enrol.yml"]
        argv += ["-e", f"orderd_trainer_data={self.data}", *words]
        done = subprocess.run(argv, capture_output=True, text=True, env=ENV, timeout=90, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def certified(self):
        """Return the certificate the host shows."""
        return x509.load_pem_x509_certificate(shell(self.host, "cat /var/lib/orderd/identity/current/certificate.pem").encode())


def config_of(host, directory):
    """Return an orderd.toml that sends to the trainer, to members of its fleet only."""
    text = HOST_CONFIG.read_text().replace('"MODE"', '"observe"').replace("insecure = true", "insecure = false")
    file = directory / "orderd.toml"
    file.write_text(text.replace('"TRAINER"', f'"{host.gateway}:{PORT}"'))
    return str(file)


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    """Return a host that the playbook has let join."""
    there = tmp_path_factory.mktemp("fleet")
    bundle = build_bundle()
    with unwinding(), DisposableHost.up() as host:
        install_orderd(host, bundle, variables={"orderd_config": config_of(host, there)})
        argv = ["ordertrainer", "serve", "--data", there / "data", "--listen", f"{host.gateway}:{PORT}", "--fleet", "drill"]
        with (there / "said").open("w") as said, subprocess.Popen(argv, stdout=said, stderr=said, env=ENV) as serve:
            try:
                wait(lambda: "enrolments on" in (there / "said").read_text(), 30, "the trainer serves")
                yield Member(host, there / "data", serve)
            finally:
                serve.send_signal(signal.SIGTERM)
        told = (there / "said").read_text()
        assert (serve.returncode, "1 hosts, " in told, ", 0 refused" in told) == (0, True, True), told


def test_the_certificate_is_the_hosts_own(member):
    """It carries the fleet, the host's id, and the names people reach the host at."""
    wait(lambda: orderctl(member.host, "status").get("identity"), 15, "orderd has seen that it is enrolled")
    status = orderctl(member.host, "status")
    assert status["identity"] == f"spiffe://drill/host/{status['hostId']}"
    names = member.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert member.host.name in names.get_values_for_type(x509.DNSName)
    assert member.host.address in map(str, names.get_values_for_type(x509.IPAddress))


def test_no_token_is_printed(member):
    """Nor is it left on the host."""
    assert "Enrol" in member.first
    assert "orderd-join." not in member.first
    assert not shell(member.host, "grep -rl orderd-join /root/.ansible /var/lib/orderd /etc/orderd /tmp 2>/dev/null")
    assert not shell(member.host, "journalctl --quiet --no-pager 2>/dev/null | grep orderd-join")


def test_telemetry_is_sent_by_mutual_tls(member):
    """The host sends without a restart, the trainer keeps what it sent, and nothing waits."""
    wait(lambda: int(orderctl(member.host, "status").get("telemetrySent", 0)) > 5, 30, "samples are acknowledged")
    assert "telemetry" not in " ".join(orderctl(member.host, "status").get("degraded", ()))
    assert "insecure = false" in shell(member.host, "cat /etc/orderd/orderd.toml")


def test_a_member_is_left_alone(member):
    """Run again, the playbook changes nothing; with ``orderd_enrol_again=true`` the host gets another certificate."""
    again = member.enrol()
    assert "changed=0" in again
    assert member.certified() == member.certificate
    member.enrol("-e", "orderd_enrol_again=true")
    assert member.certified().serial_number != member.certificate.serial_number
    sent = int(orderctl(member.host, "status")["telemetrySent"])
    wait(lambda: int(orderctl(member.host, "status")["telemetrySent"]) > sent, 20, "samples are still acknowledged")
