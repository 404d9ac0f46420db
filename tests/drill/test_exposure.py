"""The privileges of orderd's programs, measured by systemd in a booted host, and that everything works inside them."""

import json
import os
import shutil
from pathlib import Path

import pytest

from installed_host import PROGRAMS, decided_after, decisions, installed_host, is_active, shell, wait
from orderd.packaging.signing import sign_model
from ordertrainer.drill.install import DRILL_BUNDLE_DIR
from ordertrainer.ground import missing_packages

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
ROOT = Path(__file__).parents[2]
EXPOSURE_MAX = {
    "orderd.service": 1.7,
    "orderd-infer.service": 0.5,
    "orderd-exec.service": 5.0,
    "orderd-login-check.service": 1.0,
}
MODEL_DIR = "/srv/new-model"


@pytest.fixture(scope="module")
def host():
    """A host with orderd installed, which may repair."""
    with installed_host() as found:
        yield found


@pytest.mark.parametrize("unit", EXPOSURE_MAX)
def test_no_program_may_do_more_than_its_score_says(host, unit):
    """``systemd-analyze security`` of the unit as it runs is within what the specification allows."""
    said = host.exec(["systemd-analyze", "security", "--no-pager", unit], timeout_s=60).stdout.strip().splitlines()[-1]
    score = float(said.split("level for")[1].split(":")[1].split()[0])
    assert score <= EXPOSURE_MAX[unit], said


def test_nothing_gives_up_starting(host):
    """No unit has a start limit, every service is restarted always, and the socket has no trigger limit."""
    for unit in PROGRAMS:
        shown = shell(host, f"systemctl show {unit} -P StartLimitIntervalUSec -P Restart").split()
        assert sorted(shown) == ["0", "always"], f"{unit}: {shown}"
    assert shell(host, "systemctl show orderd-exec.socket -P TriggerLimitIntervalUSec").strip() == "0"


def test_callers_are_still_known_by_their_uid(host):
    """No user namespace of its own for orderd: with one, every caller would seem to be nobody."""
    assert shell(host, "systemctl show orderd.service -P PrivateUsers").strip() == "no"


def test_the_host_is_seen_from_inside_the_sandbox(host):
    """A name that the host was given after orderd started, and what the login check found, are among its signals."""

    def signals():
        shown = json.loads(shell(host, "/opt/orderd/bin/orderctl status --json"))
        return next(e["signals"] for e in shown["entities"] if e["entity"]["kind"] == "host")

    wait(lambda: signals().get("host_login_broken_ratio") == 0, 20, "the login check has answered")
    name = shell(host, "hostname").strip()
    assert signals()["host_name_changed_ratio"] == 0
    shell(host, "hostname elsewhere")
    wait(lambda: shell(host, "hostname").strip() == name, 30, "the host has its name again")


def test_a_repair_runs_inside_the_sandbox(host):
    """A service that was killed is started again, by signed playbooks, in the hardened units."""
    known = {d["id"] for d in decisions(host)}
    shell(host, "systemctl kill -s KILL nginx.service")
    wait(lambda: not is_active(host, "nginx.service"), 5, "nginx is down")
    wait(lambda: is_active(host, "nginx.service"), 30, "nginx is up again")
    wait(lambda: any(d["state"] == "resolved" for d in decided_after(host, known)), 30, "orderd says resolved")


def _orderctl(host, *words):
    done = host.exec(["/opt/orderd/bin/orderctl", *words], timeout_s=60)
    return done.returncode, done.stdout + done.stderr


def test_a_signed_model_is_installed_and_rolled_back_by_orderctl(host, tmp_path):
    """The owner's next model decides at once and after a restart of orderd-infer; an unsigned one is refused; one goes back."""
    folder = Path(shutil.copytree(ROOT / "models" / "order" / "0.1.0", tmp_path / "m"))
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": "9.9.9"}))
    signed = sign_model(folder, DRILL_BUNDLE_DIR / "keys" / "models.pem", serial=2_000_000_000)
    for file in ("manifest.json", "manifest.sig", "model.onnx"):
        target = host.root / MODEL_DIR.lstrip("/") / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / file, target)
    status, said = _orderctl(host, "model", "install", MODEL_DIR)
    assert status == 0, said
    shell(host, "systemctl restart orderd-infer.service; sleep 3")
    shown = json.loads(_orderctl(host, "model", "status", "--json")[1])
    assert shown["active"]["version"] == "9.9.9"
    active = next(row for row in shown["installed"] if row["active"])
    assert (int(active["serial"]), active["keyId"]) == (2_000_000_000, signed.key_id)
    shell(host, f"rm {MODEL_DIR}/manifest.sig")
    status, said = _orderctl(host, "model", "install", MODEL_DIR)
    assert status == 1, said
    assert "no manifest.sig" in said
    status, said = _orderctl(host, "model", "rollback", "--why", "test")
    assert status == 0, said


def test_playbooks_changed_on_the_host_no_longer_run(host):
    """One byte more in the manifest, and the executor refuses every repair with that reason."""
    manifest = "/usr/share/orderd/playbooks/repairs/manifest.json"
    shell(host, f"cp {manifest} /run/m; echo >> {manifest}; systemctl restart orderd-exec.service; sleep 2")
    log = shell(host, "journalctl -u orderd-exec -n 20 --no-pager")
    shell(host, f"cp /run/m {manifest}; systemctl restart orderd-exec.service")
    assert "not trusted: the signature by key" in log
