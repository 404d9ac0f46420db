"""The network and name resolution. Pure."""

from __future__ import annotations

from ordertrainer.chaos.steps.base import Path, SightStep


class NameServerSilent(SightStep, tag="name_server_silent"):
    """No server named in a resolver configuration answers."""

    path: Path


SIGHTS = NameServerSilent
