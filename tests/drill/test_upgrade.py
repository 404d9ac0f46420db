"""Upgrades by playbooks/fleet/install.yml: what a host has learnt survives them. Touches a disposable host."""

import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from installed_host import ORDERCTL, orderctl, shell, wait
from orderd.packaging.signing import sign_model, sign_playbooks
from ordertrainer.drill.install import DRILL_BUNDLE_DIR, build_bundle, install_orderd
from ordertrainer.ground import DisposableHost, missing_packages, unwinding

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
KEYS = DRILL_BUNDLE_DIR / "keys"
MODEL = Path(__file__).parents[2] / "models" / "order" / "0.1.0"
NEWER = "9.9.9"
SERIAL = 2_000_000_000
FLOORS = ("/var/lib/orderd-exec/floor.json", "/var/lib/orderd-infer/floor.json")
DROP_IN = "/etc/systemd/system/orderd-infer.service.d/gpu.conf"
KNOWN = "/var/lib/orderd-exec/known-good"
BREAK = """set -e
mkdir -p /etc/systemd/system/nginx.service.d; printf '[Service]\\nNice=7\\n' > /etc/systemd/system/nginx.service.d/broken.conf
systemctl daemon-reload"""


def floors(host):
    """Return what the host has accepted so far, of playbooks and of models."""
    return [json.loads(shell(host, f"cat {file}"))["serial"] for file in FLOORS]


def recorded(host):
    """Return what is recorded as known to be good, as names and hashes."""
    return shell(host, f"cd {KNOWN}; find . | sort; find . -type f | sort | xargs sha256sum")


def of_long_ago(bundle, into):
    """Return a bundle whose playbooks the same owner signed before all others."""
    folder, older = into / "bundle", into / "older.tar"
    with tarfile.open(bundle) as tar:
        tar.extractall(folder, filter="data")
    sign_playbooks(folder / "repairs", KEYS / "playbooks.pem", serial=1)
    with tarfile.open(older, "w") as tar:
        tar.add(folder, arcname=".")
    return older


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory):
    """Return a host with a newer model that was upgraded while something was broken, and what it was like before."""
    bundle = build_bundle()
    with unwinding(), DisposableHost.up() as host:
        install_orderd(host, bundle, mode="observe", variables={"orderd_gpu": True})
        before = {"known": recorded(host), "gpu": shell(host, f"ls {DROP_IN}; systemctl show -P PrivateDevices orderd-infer")}
        newer = Path(shutil.copytree(MODEL, tmp_path_factory.mktemp("model") / "m"))
        manifest = newer / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": NEWER}))
        sign_model(newer, KEYS / "models.pem", serial=SERIAL)
        target = host.root / "srv/new-model"
        target.mkdir()
        for file in ("manifest.json", "manifest.sig", "model.onnx"):
            shutil.copy(newer / file, target)
        installed = host.exec([ORDERCTL, "model", "install", "/srv/new-model"], timeout_s=60)
        assert installed.returncode == 0, installed.stderr
        before["floors"] = floors(host)
        shell(host, BREAK)
        install_orderd(host, bundle, mode="observe", variables={"orderd_gpu": False})
        yield host, bundle, before


def test_a_host_with_a_gpu_may_reach_it_and_one_without_may_not(upgraded):
    """``orderd_gpu=true`` opens the devices to inference and ``false`` takes that back, for the unit that runs."""
    host, _, before = upgraded
    assert before["gpu"].split() == [DROP_IN, "no"]
    assert shell(host, f"ls {DROP_IN}; systemctl show -P PrivateDevices orderd-infer").split() == ["yes"]


def test_what_is_broken_during_an_upgrade_is_not_taken_for_good(upgraded):
    """The record of drop-ins and resolver is the one of the first installation, and the difference is still seen."""
    host, _, before = upgraded
    assert "broken.conf" in shell(host, "systemctl show -P DropInPaths nginx")
    assert recorded(host) == before["known"]


def test_the_model_of_an_upgrade_does_not_displace_a_newer_one(upgraded):
    """The floors are as high as before, the owner's newer model decides, and status says nothing of it."""
    host, _, before = upgraded
    assert before["floors"][1] == SERIAL
    assert floors(host) == before["floors"]
    wait(lambda: orderctl(host, "status").get("model", {}).get("loaded"), 20, "a model decides")
    assert orderctl(host, "status")["model"]["version"] == NEWER
    assert "model" not in " ".join(orderctl(host, "status").get("degraded", ()))


@pytest.fixture(scope="module")
def downgraded(upgraded, tmp_path_factory):
    """Return the host after an older release was installed over the newer one, with what is there now recorded afresh."""
    host, bundle, before = upgraded
    older = of_long_ago(bundle, tmp_path_factory.mktemp("older"))
    install_orderd(host, older, mode="auto", variables={"orderd_known_good": "retake"})
    return host, before


def test_an_older_release_brings_no_older_playbooks(downgraded):
    """Installed over a newer one it lowers no floor, its repairs are refused, and status says why."""
    host, before = downgraded
    assert floors(host) == before["floors"]
    wait(lambda: "serial 1 is older" in str(orderctl(host, "status").get("degraded")), 20, "status says why nothing is repaired")


def test_a_record_is_taken_afresh_when_asked_for(downgraded):
    """``orderd_known_good=retake`` records what is there now."""
    assert "nginx.service.d/broken.conf" in recorded(downgraded[0])
