"""The committed code of daemon/orderd/v1 is what proto/ says."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Return freshly generated code by file name."""
    spec = importlib.util.spec_from_file_location("proto_generate", ROOT / "proto" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {path.name: path.read_text() for path in module.generate(tmp_path_factory.mktemp("v1"))}


def test_generated_code_is_fresh(generated):
    """Every generated file equals the committed one; renew them with ``python proto/generate.py``."""
    committed = {path.name: path.read_text() for path in (ROOT / "daemon/orderd/v1").glob("*_pb2*") if path.suffix != ".pyc"}
    stale = [name for name in generated.keys() | committed.keys() if generated.get(name) != committed.get(name)]
    assert stale == []


def test_every_field_is_declared_in_a_file_that_is_generated(generated):
    """No .proto file is left out of the generation."""
    sources = {path.stem for path in (ROOT / "proto/orderd/v1").glob("*.proto")}
    assert {name.removesuffix("_pb2.py") for name in generated if name.endswith("_pb2.py")} == sources
