"""The order model on CUDA; skipped where no CUDA provider works."""

import os
import subprocess
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import pytest
import torch

pytestmark = pytest.mark.gpu

_PROBE = """
import numpy, onnx, sys
from onnx import TensorProto, helper
from orderd.inference.session import _open_session
value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "probe", [value("x")], [value("y")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
session = _open_session(model.SerializeToString(), "auto")
session.run(None, {"x": numpy.ones(1, numpy.float32)})
sys.exit(session.get_providers()[0] != "CUDAExecutionProvider")
"""


@pytest.fixture(scope="module")
def cuda():
    """Skip unless a session really runs on CUDA: the wheel lists the provider everywhere."""
    done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("no CUDA provider works here: no NVIDIA device, driver or CUDA libraries")


@pytest.fixture(scope="module")
def built(cuda):
    """Return a small exported model."""
    from ordertrainer.export.folder import build
    from ordertrainer.nets.order import OrderNet

    torch.manual_seed(0)
    return build(OrderNet(), "0.0.1")


def test_cuda_gives_the_answers_of_the_manifest(built):
    """The session is on CUDA and repeats torch's answers, since loading proves every canary."""
    from orderd.inference.session import Model

    assert Model(built.package, provider="cuda").provider == "CUDAExecutionProvider"
