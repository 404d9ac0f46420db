"""A fleet for tests: an authority in a folder, members with certificates of any kind, and a walk over methods as one of them."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import grpc
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orderd.domain.peers import PeerName, Role
from orderd.identity.store import About, Identity, load, save
from orderd.identity.tls import TRAINER_OPTION
from orderd.identity.validity import validity
from ordertrainer.serve.authority import LIFETIME_S, open_authority

ANSWER_S = 10.0
STREAM_S = 0.5
"""A stream that has said nothing for this long was not refused."""


class Fleet:
    """An authority and what it signs."""

    def __init__(self, data: Path, name: str = "fleet", *, utc=time.time) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.authority = open_authority(data, name, utc=utc)
        self.utc = utc

    def member(self, role: Role, who: str, *, lifetime_s: float = LIFETIME_S, addresses=(), serves=False) -> Identity:
        """Return an identity that was never on a disk."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = PeerName(fleet=self.authority.fleet, role=role, who=who)
        issued = self.authority.issue(key.public_key(), name, addresses=addresses, lifetime_s=lifetime_s, serves=serves)
        begins, ends = validity(issued.encode())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Identity(
            name=name,
            key=pem,
            certificate=issued.encode(),
            authority=self.authority.pem.encode(),
            not_before=begins,
            not_after=ends,
            trainer="",
            generation=os.urandom(4).hex(),
        )


def put(directory: Path, identity: Identity, trainer: str = "127.0.0.1:1") -> Identity:
    """Put an identity in force in a directory."""
    files = {"key.pem": identity.key, "certificate.pem": identity.certificate, "authority.pem": identity.authority}
    save(directory, files, About(name=str(identity.name), trainer=trainer))
    return load(directory)


class Fixed:
    """An identity part that always has one identity."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def holds(self) -> Identity:
        """Return it."""
        return self.identity

    async def changed(self, seen: str) -> None:
        """Wait until it is replaced."""
        while self.identity.generation == seen:  # noqa: ASYNC110  a test replaces it from wherever it likes
            await asyncio.sleep(0.02)


async def until(holds, timeout_s: float = 10.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110  told by plain values
            await asyncio.sleep(0.02)


def channel_as(address: str, shown: Identity | None, believed: bytes, *, trainer: bool = False) -> grpc.aio.Channel:
    """Return a channel by TLS, as a member or as somebody without a certificate."""
    pair = (shown.key, shown.certificate) if shown else (None, None)
    credentials = grpc.ssl_channel_credentials(believed, *pair)
    options = (("grpc.use_local_subchannel_pool", 1), *((TRAINER_OPTION,) if trainer else ()))
    return grpc.aio.secure_channel(address, credentials, options=options)


async def ask(channel: grpc.aio.Channel, method, message: bytes = b"") -> str:
    """Call a method with one message, and return the name of the code it ended with; OK for a stream that goes on."""
    name = f"/{method.containing_service.full_name}/{method.name}"
    kinds = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }
    start = kinds[method.client_streaming, method.server_streaming](name)

    async def once():
        yield message

    call = start(once() if method.client_streaming else message, timeout=ANSWER_S)
    try:
        if not method.server_streaming:
            await call
            return "OK"
        await asyncio.wait_for(call.read(), STREAM_S)
    except TimeoutError:
        return "OK"
    except grpc.aio.AioRpcError as error:
        return error.code().name
    finally:
        call.cancel()
    return "OK"


async def walk(channel: grpc.aio.Channel, methods) -> dict[str, str]:
    """Call every method and return its code by its name."""
    codes = await asyncio.gather(*(ask(channel, method) for method in methods))
    return {m.full_name: code for m, code in zip(methods, codes, strict=True)}


# Everything is imported before the user changes: nobody may not even read this interpreter's folder.
_WALK_AS = """
import asyncio, json, os, sys
sys.path.insert(0, sys.argv[1])
import fleet, grpc
from google.protobuf import descriptor_pool
wanted = json.load(sys.stdin)
for module in wanted["modules"]:
    __import__(module)
pool = descriptor_pool.Default()
methods = [pool.FindMethodByName(name) for name in wanted["methods"]]
os.setgroups(wanted["groups"]); os.setgid(wanted["gid"]); os.setuid(wanted["uid"])
async def main():
    async with grpc.aio.insecure_channel(wanted["target"]) as channel:
        print(json.dumps(await fleet.walk(channel, methods)))
asyncio.run(main())
"""


async def walk_as(target: str, methods, *, uid: int, gid: int, groups=()) -> dict[str, str]:
    """Call every method from a process of another user."""
    modules = sorted(
        {method.containing_service.file.name.removesuffix(".proto").replace("/", ".") + "_pb2" for method in methods}
    )
    wanted = {
        "target": target,
        "methods": [method.full_name for method in methods],
        "modules": modules,
        "uid": uid,
        "gid": gid,
        "groups": list(groups),
    }
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WALK_AS, str(Path(__file__).parent)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, complaint = await program.communicate(json.dumps(wanted).encode())
    assert program.returncode == 0, complaint.decode()
    return json.loads(said)
