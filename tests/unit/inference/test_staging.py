"""A model that is being sent: one at a time, and a full disk is said."""

import asyncio
import errno

import pytest

from orderd.config.schema import InferenceConfig
from orderd.errors import StateError
from orderd.inference.store import ModelStore


@pytest.fixture
async def store(tmp_path):
    """A store in a folder of the test, without orderd-infer."""
    await asyncio.sleep(0)
    return ModelStore(InferenceConfig(installed_dir=str(tmp_path / "models")), asks=None)


async def test_a_second_model_does_not_take_the_first_one_s_files_away(store):
    """Whoever sends while another sends is told to come again; afterwards there is room."""
    first = store.stage()
    first.add("manifest.json", b"{}")
    with pytest.raises(StateError) as refused:
        store.stage()
    assert refused.value.reason == "busy"
    first.add("model.onnx", b"x")
    assert sorted(each.name for each in first.folder.iterdir()) == ["manifest.json", "model.onnx"]
    first.discard()
    assert store.stage().folder.is_dir()


async def test_a_full_disk_is_said_and_no_defect(store):
    """Writing fails in the middle: the caller reads why, and nothing is left behind."""

    class Full:
        closed = False

        def write(self, _data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    staging = store.stage()
    staging.add("model.onnx", b"x")
    staging.close()
    staging._open = Full()
    with pytest.raises(StateError, match="No space left") as refused:
        staging.add("", b"y")
    assert refused.value.reason == "no_space"
    staging.discard()
    assert not staging.folder.exists()
