"""The way into a clone for SSH and Ansible: a key made for it alone, its configuration and its inventory.

Touches: ssh-keygen; files in the host's runtime directory and under the clone's root, before it boots.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ordertrainer.ground.shell import run

SSH_CONFIG = """\
Host {name} {address}
    HostName {address}
    User root
    IdentityFile {dir}/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile {dir}/known_hosts
    GlobalKnownHostsFile /dev/null
    HostKeyAlias {name}
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 5
    ServerAliveInterval 5
    ServerAliveCountMax 3
    LogLevel ERROR
    ControlMaster auto
    ControlPersist 60s
    ControlPath {dir}/ssh-%C
"""

INVENTORY = """\
all:
  hosts:
    {name}:
      ansible_host: {address}
      ansible_user: root
      ansible_connection: ssh
      ansible_ssh_common_args: -F {dir}/ssh_config
      ansible_ssh_args: -o ControlMaster=auto -o ControlPersist=60s -o ControlPath={dir}/ssh-%C
      ansible_ssh_pipelining: true
      ansible_python_interpreter: /usr/bin/python3
"""


def grant(directory: Path, root: Path, name: str, address: str) -> None:
    """Make keys for the clone under `root` and write how to use them into `directory`."""
    for key in ("id_ed25519", "host_ed25519"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"drill {name}", "-f", str(directory / key)])
    _authorise(root, (directory / "id_ed25519.pub").read_text(encoding="ascii"))
    for suffix, mode in (("", 0o600), (".pub", 0o644)):
        target = root / f"etc/ssh/ssh_host_ed25519_key{suffix}"
        shutil.copyfile(directory / f"host_ed25519{suffix}", target)
        target.chmod(mode)
    host_key = " ".join((directory / "host_ed25519.pub").read_text(encoding="ascii").split()[:2])
    (directory / "known_hosts").write_text(f"{name} {host_key}\n", encoding="ascii")
    values = {"name": name, "address": address, "dir": str(directory)}
    (directory / "ssh_config").write_text(SSH_CONFIG.format(**values), encoding="utf-8")
    (directory / "inventory.yml").write_text(INVENTORY.format(**values), encoding="utf-8")


def _authorise(root: Path, public_key: str) -> None:
    ssh_dir = root / "root/.ssh"
    ssh_dir.mkdir(mode=0o700, exist_ok=True)
    (ssh_dir / "authorized_keys").write_text(public_key, encoding="ascii")
    (ssh_dir / "authorized_keys").chmod(0o600)
