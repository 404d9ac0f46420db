"""What runs beside the sampler is supervised."""

import pytest

from orderd.config.schema import Config, HttpProbe, ServiceConfig
from orderd.domain.clock import SystemClock
from orderd.sampling import Sampler
from orderd.sampling import sampler as module


async def test_a_probe_that_breaks_ends_orderd_instead_of_being_believed_for_ever(monkeypatch, tmp_path):
    """A defect in a task that runs beside is raised, and closing works all the same."""

    async def broken():
        raise RuntimeError("defect")

    monkeypatch.setattr(module, "conversation", lambda _probe: broken)
    service = ServiceConfig(unit="nginx.service", probe=HttpProbe(url="http://127.0.0.1:1/"))
    sampler = Sampler(Config(services=(service,)), SystemClock(), f"unix:path={tmp_path}/no-bus")
    await sampler.start()
    try:
        with pytest.raises(RuntimeError, match="defect"):
            await sampler.supervise()
    finally:
        await sampler.close()
