"""Sights of the network and of name resolution. Touches: one UDP question to the configured name server. Reads only."""

from __future__ import annotations

import socket
from pathlib import Path

from sights.look import nothing

DNS_TIMEOUT_S = 0.3
DNS_QUESTION = bytes.fromhex("4f44 0100 0001 0000 0000 0000 00 0002 0001")  # NS of the root: any server answers something


def _name_server_silent(sight: dict, _before: object) -> bool:
    lines = Path(sight["path"]).read_text(encoding="utf-8", errors="replace").splitlines()
    servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
    return bool(servers) and not any(_answers(server) for server in servers)


def _answers(server: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as question:
        question.settimeout(DNS_TIMEOUT_S)
        try:
            question.connect((server, 53))
            question.send(DNS_QUESTION)
            return bool(question.recv(512))
        except OSError:
            return False


KINDS = {
    "name_server_silent": (nothing, _name_server_silent),
}
