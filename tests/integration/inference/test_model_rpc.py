"""ModelService and ``orderctl model`` over a real socket, with the real orderd-infer behind them."""

import asyncio
import json
import os
import sys

import pytest

from inferrig import loaded

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from orderd.config.schema import RpcConfig
from orderd.inference.client import InferenceClient
from orderd.record import DecisionHub, Journal, JournalReader
from orderd.rpc import serve
from orderd.rpc.models import model_service


@pytest.fixture
async def orderctl(host, start_infer, tmp_path):
    """Return a runner of ``orderctl model`` against a served host; gives exit status and what it printed."""
    start_infer(host.model_dir, extra=host.extra)
    client = InferenceClient(host.config)
    await client.start()
    await loaded(client)
    journal = Journal.open(str(tmp_path / "journal.sqlite"))
    config = RpcConfig(socket=str(tmp_path / "orderd.sock"))
    reader = JournalReader.open(str(tmp_path / "journal.sqlite"))
    server = await serve(config, reader, DecisionHub(4), None, more=(model_service(host.config, client),))

    async def run(*words):
        command = [sys.executable, "-m", "orderd.ctl", "--socket", config.socket, "model", *map(str, words)]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, said.decode()

    yield run
    await server.stop()
    await client.close()
    journal.close()


async def test_a_model_is_installed_shown_and_rolled_back(orderctl, host):
    """One command each; status names version, serial, key and floor."""
    status, said = await orderctl("install", host.release(host.root / "new", serial=20))
    assert status == 0, said
    assert "serial 20" in said
    assert "decides now" in said
    shown = json.loads((await orderctl("status", "--json"))[1])
    assert [(row["serial"], row["active"]) for row in shown["installed"]] == [("20", True), ("10", False)]
    assert shown["floor"] == "10"
    assert "decides" in (await orderctl("status"))[1]
    status, said = await orderctl("rollback", "--why", "worse than before")
    assert (status, "serial 10" in said) == (0, True), said


async def test_a_refused_model_is_told_in_one_line_and_orderd_goes_on(orderctl, host):
    """Unsigned, older, validated only, no folder: exit status and reason; the next call is answered."""
    bad = host.release(host.root / "bad", serial=20)
    (bad / "manifest.sig").unlink()
    for folder, code, why in (
        (bad, 1, "no manifest.sig"),
        (host.release(host.root / "old", serial=3), 1, "older than 10"),
        (host.root / "none", 2, "there is none"),
    ):
        status, said = await orderctl("install", folder)
        assert (status, why in said) == (code, True), said
    status, said = await orderctl("install", host.release(host.root / "good", serial=20), "--validate-only")
    assert (status, "would be accepted" in said) == (0, True), said
    assert json.loads((await orderctl("status", "--json"))[1])["active"]["version"] == "0.0.10"
