"""Installs orderd into a host the way a fleet owner would: the bundle, the fleet playbook, ansible-runner.

Touches: out/bundle, the host over SSH. A host has no route out, so everything it needs travels in the bundle.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ordertrainer.chaos.playbooks import Playbooks, Request
from ordertrainer.drill.errors import DrillError, InstallError
from ordertrainer.drill.watcher import Watcher
from ordertrainer.ground import DisposableHost

ROOT: Final = Path(__file__).parents[3]
PLAYBOOK: Final = ROOT / "playbooks" / "fleet" / "install.yml"
BUNDLE_DIR: Final = ROOT / "out" / "bundle"
DRILL_BUNDLE_DIR: Final = ROOT / "out" / "drill-bundle"
"""Signed with keys of the drill's own, so it lies apart: nobody installs it on a real fleet by mistake."""
HOST_CONFIG: Final = Path(__file__).with_name("host.toml")
BUNDLE_TIMEOUT_S: Final = 900.0
INSTALL_TIMEOUT_S: Final = 300.0
SERVING_TIMEOUT_S: Final = 30.0


def build_bundle() -> Path:
    """Build the release bundle of this checkout and return its path; wheels that are cached are not downloaded again.

    Raises:
        DrillError: it could not be built; carries the builder's words.
    """
    BUNDLE_DIR.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "orderd.packaging.bundle", "--root", str(ROOT), "--out", str(BUNDLE_DIR)]
    argv += ["--tar", str(DRILL_BUNDLE_DIR), "--keys", str(DRILL_BUNDLE_DIR / "keys")]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUNDLE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise DrillError(f"the release bundle was not built within {BUNDLE_TIMEOUT_S:g} s") from late
    if done.returncode:
        raise DrillError(f"the release bundle could not be built: {(done.stderr or done.stdout).strip()[-1500:]}")
    return Path(done.stdout.split()[-1])


def install_orderd(
    host: DisposableHost,
    bundle: Path,
    *,
    mode: str = "auto",
    trainer: str = "",
    variables: Mapping[str, str | bool] = MappingProxyType({}),
) -> None:
    """Install orderd into a host, or upgrade the one there, and wait until it serves.

    Args:
        host: is up.
        bundle: from `build_bundle`.
        mode: what orderd may do there: observe, approve or auto.
        trainer: HOST:PORT of a trainer to send telemetry to; empty for none.
        variables: further ones of the playbook, such as orderd_gpu.

    Raises:
        InstallError: a task of the playbook failed; names it.
        NotHealthyError: it was installed but does not serve.
    """
    config = host.directory / "orderd.toml"
    text = HOST_CONFIG.read_text(encoding="utf-8")
    config.write_text(text.replace('"MODE"', f'"{mode}"').replace('"TRAINER"', f'"{trainer}"'), encoding="utf-8")
    request = Request(
        playbook=str(PLAYBOOK),
        inventory=str(host.inventory),
        work_dir=str(host.directory),
        variables={"orderd_bundle": str(bundle), "orderd_config": str(config), **variables},
        timeout_s=INSTALL_TIMEOUT_S,
    )
    with Playbooks() as playbooks:
        result = playbooks.run(request)
    if not result.ok:
        raise InstallError(f"orderd could not be installed into {host.name}: {result.why()[-1500:]}")
    with Watcher(host) as watcher:
        watcher.await_serving(SERVING_TIMEOUT_S)
