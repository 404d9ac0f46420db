"""The one connection to the trainer. Touches the network: only the configured address, through no proxy.

The channel is insecure TCP: samples and decisions travel in clear. Mutual TLS with enrolled certificates is a later issue;
until then a trainer address belongs on a private link.
"""

import os
from typing import Final

# gRPC's fork handlers hang a process that forks while a channel is open; the variable is read at import.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc.aio

PUSH: Final = "/orderd.v1.TelemetryService/Push"

_OPTIONS: Final = (
    # The address in orderd.toml is the whole story: no proxy from the environment, no settings from DNS TXT records.
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config_disable_resolution", 1),
    # Reconnecting, with its backoff and its spool, is the uplink's own work.
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A trainer that vanished without a FIN (power, a pulled cable) is noticed after 30 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


def connect(address: str) -> grpc.aio.Channel:
    """Open a channel to ``host:port``.

    The scheme is named, so that an address such as ``unix:7443`` is a host called unix and never a socket path.
    """
    return grpc.aio.insecure_channel(f"dns:///{address}", options=_OPTIONS)
