"""Every broken model is refused by the name of what is wrong with it, before it can decide anything."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import hashlib
import random

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from orderd.errors import ModelRefusedError
from orderd.inference.admission import admit
from orderd.inference.manifest import MODEL_BYTES_MAX, read_package


def _refusal(folder) -> str:
    with pytest.raises(ModelRefusedError) as refused:
        admit(read_package(folder))
    return str(refused.value)


def test_a_whole_model_is_admitted(models, tmp_path):
    """The model all the broken ones are made from is accepted."""
    admit(read_package(models.write(tmp_path / "m", models.package(models.graph()))))


def test_missing_folder_is_refused(tmp_path):
    """A folder that is not there is named."""
    assert "absent/manifest.json: No such file" in _refusal(tmp_path / "absent")


def test_missing_model_file_is_refused(models, tmp_path):
    """A manifest without its model names the model file."""
    folder = models.write(tmp_path / "m", models.package(models.graph()))
    (folder / "model.onnx").unlink()
    assert "model.onnx: No such file" in _refusal(folder)


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_cut_model_is_refused(models, tmp_path, kept):
    """A model cut anywhere is refused, an empty one too."""
    package = models.package(models.graph())
    folder = models.write(tmp_path / "m", package)
    (folder / "model.onnx").write_bytes(package.model[:kept])
    assert "model.onnx: " in _refusal(folder)


def test_every_flipped_bit_is_refused(models, tmp_path):
    """No single flipped bit gets past the hash, though onnxruntime would load most of them."""
    package = models.package(models.graph())
    folder = models.write(tmp_path / "m", package)
    rng = random.Random(5)
    for _ in range(200):
        flipped = bytearray(package.model)
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        (folder / "model.onnx").write_bytes(flipped)
        with pytest.raises(ModelRefusedError, match=r"sha256 is .* damaged or was changed"):
            read_package(folder)


def test_other_schema_is_refused(models, tmp_path):
    """A model trained on other signals is refused before its bytes are read."""
    package = models.package(models.graph(), schema_digest="0" * 64)
    assert "trained on other signals" in _refusal(models.write(tmp_path / "m", package))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "order"}', "\udcff"])
def test_broken_manifest_is_refused(models, tmp_path, text):
    """A manifest that is no manifest is named."""
    folder = models.write(tmp_path / "m", models.package(models.graph()))
    (folder / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    assert "manifest.json: " in _refusal(folder)


def test_unknown_manifest_key_is_refused(models, tmp_path):
    """A key this orderd does not know is not passed over."""
    package = models.package(models.graph())
    folder = models.write(tmp_path / "m", package)
    raw = msgspec.json.decode(msgspec.json.encode(package.manifest)) | {"trust_me": True}
    (folder / "manifest.json").write_bytes(msgspec.json.encode(raw))
    assert "unknown field `trust_me`" in _refusal(folder)


def test_huge_model_is_refused(models, tmp_path):
    """A file over the bound is refused without being read to its end."""
    folder = models.write(tmp_path / "m", models.package(models.graph()))
    with (folder / "model.onnx").open("r+b") as file:
        file.truncate(MODEL_BYTES_MAX + 1)
    assert f"allowed are 1 to {MODEL_BYTES_MAX}" in _refusal(folder)


def test_fifo_in_place_of_a_model_does_not_block(models, tmp_path):
    """A fifo nobody writes to is refused at once."""
    folder = models.write(tmp_path / "m", models.package(models.graph()))
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")
    assert "model.onnx: 0 bytes" in _refusal(folder)


def test_external_data_is_refused(models, tmp_path):
    """A tensor that lives in another file, say /etc/shadow, is refused."""
    model = models.graph()
    table = model.graph.initializer[0]
    table.ClearField("raw_data")
    table.data_location = TensorProto.EXTERNAL
    table.external_data.add(key="location", value="etc/shadow")
    assert "external data: tensor 'table'" in _refusal(models.write(tmp_path / "m", models.package(model)))


def _with_node(model: onnx.ModelProto, node: onnx.NodeProto, **domains: int) -> onnx.ModelProto:
    model.graph.node.append(node)
    for domain, version in domains.items():
        model.opset_import.append(helper.make_opsetid(domain.replace("_", "."), version))
    return model


def _endless_loop() -> onnx.NodeProto:
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), condition],
        [helper.make_tensor_value_info("d", TensorProto.BOOL, [])],
    )
    return helper.make_node("Loop", ["", "present"], [], body=body)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (_endless_loop(), "operator: Loop is not allowed"),
        (helper.make_node("RandomNormal", [], ["r"], shape=[1]), "operator: RandomNormal is not allowed"),
        (helper.make_node("Evil", ["host"], ["r"], domain="com.example"), "operator: com.example.Evil is not allowed"),
    ],
)
def test_operator_off_the_list_is_refused(models, tmp_path, node, said):
    """Control flow, randomness and custom operators are refused by name."""
    model = _with_node(models.graph(), node)
    assert said in _refusal(models.write(tmp_path / "m", models.package(model)))


def test_custom_domain_is_refused(models, tmp_path):
    """A model that imports another operator set is refused even when it does not use it."""
    model = models.graph()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert "opset: " in _refusal(models.write(tmp_path / "m", models.package(model)))


def test_other_inputs_are_refused(models, tmp_path):
    """A graph with an input of another shape is refused with both shapes."""
    model = models.graph()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 99
    said = _refusal(models.write(tmp_path / "m", models.package(model)))
    assert "inputs: the graph has host float32['batch', 8, 99]" in said


def _patched(model: onnx.ModelProto, name: str, value: np.ndarray) -> onnx.ModelProto:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(value, name))
    return model


def test_nan_answers_are_refused(models, tmp_path):
    """A model whose canary answers are NaN is refused."""
    table = numpy_helper.to_array(models.graph().graph.initializer[0]).copy()
    table[:] = np.nan
    model = _patched(models.graph(), "table", table)
    assert "canary 0: the model answered NaN" in _refusal(models.write(tmp_path / "m", models.package(model)))


def test_answers_that_are_no_distribution_are_refused(models, tmp_path):
    """A model whose rows do not sum to 1 is refused."""
    model = models.graph()
    model.graph.node[1].CopyFrom(helper.make_node("Sigmoid", ["logits"], ["failure"]))
    assert "do not sum to 1" in _refusal(models.write(tmp_path / "m", models.package(model)))


def test_other_answers_than_the_manifest_says_are_refused(models, tmp_path):
    """A model that was swapped for another, hash and all, is caught by its canary."""
    package = models.package(models.graph(sure=5.0))
    assert "canary 0: the answer differs" in _refusal(models.write(tmp_path / "m", package))


def test_bytes_that_are_no_model_are_refused(models, tmp_path):
    """Noise with a matching hash is refused by the parser, in the throwaway process."""
    noise = random.Random(3).randbytes(5000)
    package = models.package(noise, sha256=hashlib.sha256(noise).hexdigest())
    assert "model.onnx: " in _refusal(models.write(tmp_path / "m", package))


def test_model_that_wants_all_memory_is_refused(models, tmp_path):
    """A small file that expands to terabytes dies at the limit of the throwaway process, not in the serving one."""
    model = models.graph()
    shape = numpy_helper.from_array(np.array([1 << 40], np.int64), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["shape"], ["vast"]))
    model.graph.node.insert(1, helper.make_node("ReduceMax", ["vast"], ["most"], keepdims=0))
    model.graph.node[3].CopyFrom(helper.make_node("Add", ["host", "most"], ["moved"]))
    model.graph.node.insert(4, helper.make_node("Softmax", ["logits"], ["failure"], axis=-1))
    model.graph.node[5].CopyFrom(helper.make_node("IsNaN", ["moved"], ["missing"]))
    assert "model.onnx: " in _refusal(models.write(tmp_path / "m", models.package(model)))
