"""Data sets: telemetry of hosts joined with what is known to have been done to them.

    examples = load_examples(Path("data"), split="train")    # arrays, for training and evaluation
    for labelled in iter_windows(Path("data"), split="tune"): # windows, for the rule baseline
        ...

The rules of labelling are told in `labelling`.
"""

from ordertrainer.dataset.digest import digest
from ordertrainer.dataset.errors import DatasetError
from ordertrainer.dataset.examples import IGNORE, Examples, load_examples
from ordertrainer.dataset.labels import SPLITS, Label, append_label, read_labels
from ordertrainer.dataset.windows import LabelledWindow, iter_windows

__all__ = [
    "IGNORE",
    "SPLITS",
    "DatasetError",
    "Examples",
    "Label",
    "LabelledWindow",
    "append_label",
    "digest",
    "iter_windows",
    "load_examples",
    "read_labels",
]
