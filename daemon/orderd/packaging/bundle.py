"""Build the release bundle: one tar with everything a host needs to install orderd without any network.

    orderd-VERSION.tar
        wheels/       orderd and its pinned dependencies, for the hosts' Python
        repairs/      playbooks/repairs with manifest.json
        models/       the order model that ships
        trust/        the public halves of the keys that signed both
        systemd/      units; sysusers.d/ users
        bundle.json   version, commit, Python, sha256 of every file

Playbooks and model are signed with the keys of whoever builds the bundle: the fleet's owner, whose hosts trust nobody else.
Touches the network (package index, through pip) only when the wheel cache lacks something.
Run as ``python -m orderd.packaging.bundle``.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orderd
from orderd.errors import CatalogueError, OrderdError
from orderd.packaging.signing import default_keys_dir, ensure_keys, public_half, sign_model, sign_playbooks
from orderd.trust.keys import key_id, load_private

HOST_PYTHON: Final = "3.11"
"""Debian 12's. Hosts with another Python need a bundle built with --python."""
_SKIPPED: Final = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What bundle is wanted.

    Attributes:
        root: the checkout.
        out: folder of the wheel cache.
        tar: folder of the bundle.
        keys: folder of the two private keys; made where there are none.
        python: version of the hosts' interpreter, for example ``3.11``.
    """

    root: Path
    out: Path
    tar: Path
    keys: Path
    python: str = HOST_PYTHON


def build(order: Order) -> Path:
    """Build the bundle of a checkout.

    Args:
        order: from where to where, and who signs.

    Returns:
        Path of the tar.

    Raises:
        CatalogueError: pip failed, with its own words; or a repair cannot be read.
        TrustError: a key cannot be made or used.
    """
    target = order.tar / f"orderd-{orderd.__version__}.tar"
    # Two builds beside each other would delete each other's wheel of orderd: the second waits.
    with _alone(order.out), tempfile.TemporaryDirectory(dir=order.out) as staging:
        wheels = _wheels(order.root, order.out / "wheels", order.python)
        _stage(order, Path(staging), wheels)
        partial = target.with_suffix(".tar.partial")
        # The wheels are compressed already; a plain tar unpacks fastest.
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(staging, arcname=".", filter=_owned_by_root)
        partial.replace(target)
    return target


@contextlib.contextmanager
def _alone(out: Path) -> Generator[None]:
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wheels(root: Path, cache: Path, python: str) -> list[Path]:
    """Return the pinned dependencies' wheels from the cache, downloading what is missing, and a fresh wheel of orderd."""
    key = hashlib.sha256((root / "constraints.txt").read_bytes() + (root / "pyproject.toml").read_bytes()).hexdigest()[:16]
    folder = cache / f"{key}-py{python}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        platform = ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
        for number in (17, 24, 27, 28, 31, 34, 36):
            platform += ["--platform", f"manylinux_2_{number}_x86_64"]
        platform += ["--platform", "manylinux2014_x86_64"]
        _pip("download", "-c", "constraints.txt", "-d", str(folder), *platform, *_dependencies(root), cwd=root)
        (folder / "complete").touch()
    for old in folder.glob("orderd-*.whl"):
        old.unlink()
    _pip("wheel", "--no-deps", "-w", str(folder), ".", cwd=root)
    return sorted(folder.glob("*.whl"))


def _dependencies(root: Path) -> list[str]:
    import tomllib  # noqa: PLC0415  only the builder needs it

    return list(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"])


def _pip(*arguments: str, cwd: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    if done.returncode:
        raise CatalogueError(f"pip {arguments[0]} failed: {done.stderr.strip()[-2000:]}")


def _stage(order: Order, staging: Path, wheels: list[Path]) -> None:
    models_key, playbooks_key = ensure_keys(order.keys)
    (staging / "wheels").mkdir()
    for wheel in wheels:
        os.link(wheel, staging / "wheels" / wheel.name)
    shutil.copytree(order.root / "playbooks" / "repairs", staging / "repairs", ignore=_SKIPPED)
    sign_playbooks(staging / "repairs", playbooks_key)
    packaging = Path(__file__).parent
    shutil.copytree(packaging / "systemd", staging / "systemd")
    shutil.copytree(packaging / "sysusers.d", staging / "sysusers.d")
    _stage_model(order.root, staging, models_key)
    _stage_key(models_key, staging / "trust" / "models")
    _stage_key(playbooks_key, staging / "trust" / "playbooks")
    files = {str(f.relative_to(staging)): _sha256(f) for f in sorted(staging.rglob("*")) if f.is_file()}
    about = {"version": orderd.__version__, "python": order.python, "files": files}
    (staging / "bundle.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _stage_key(private: Path, folder: Path) -> None:
    """Name the file after the key, so that a host can hold the keys of several owners, or an old and a new one."""
    folder.mkdir(parents=True)
    (folder / f"{key_id(load_private(private).public_key())}.pem").write_bytes(public_half(private))


def _stage_model(root: Path, staging: Path, key: Path) -> None:
    """Ship the newest model; without one orderd runs on rules, so a checkout without a model still installs."""
    (staging / "models").mkdir()
    versions = sorted((p.parent for p in (root / "models" / "order").glob("*/manifest.json")), key=_version)
    if versions:
        folder = staging / "models" / "order" / versions[-1].name
        shutil.copytree(versions[-1], folder, ignore=shutil.ignore_patterns("drill"))
        sign_model(folder, key)
        (staging / "models" / "order" / "current").symlink_to(versions[-1].name)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.name.split(".") if part.isdigit())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode = (info.mode | 0o444 | (0o111 if info.isdir() else 0)) & ~0o022
    return info


def main(argv: list[str] | None = None) -> int:
    """Build the bundle and print its path."""
    parser = argparse.ArgumentParser(prog="orderd-bundle", description="Build the release bundle of this checkout.")
    parser.add_argument("--root", type=Path, default=Path(), help="the checkout (default: here)")
    parser.add_argument("--out", type=Path, default=Path("out/bundle"), help="where to put it (default: out/bundle)")
    parser.add_argument("--python", default=HOST_PYTHON, help=f"version of the hosts' interpreter (default: {HOST_PYTHON})")
    parser.add_argument("--tar", type=Path, help="where to put the tar (default: the folder of --out)")
    keys_help = "folder of the fleet owner's private keys, made once (default: $ORDERD_KEYS, else ~/.config/orderd/keys)"
    parser.add_argument("--keys", type=Path, default=None, help=keys_help)
    arguments = parser.parse_args(argv)
    tar, keys = arguments.tar or arguments.out, arguments.keys or default_keys_dir()
    order = Order(
        root=arguments.root.resolve(),
        out=arguments.out.resolve(),
        tar=tar.resolve(),
        keys=keys.expanduser().resolve(),
        python=arguments.python,
    )
    for folder in (order.out, order.tar):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        print(build(order))
    except OrderdError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
