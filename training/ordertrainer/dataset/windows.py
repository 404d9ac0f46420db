"""The windows of a data set with what is true of them, cut as the daemon cuts them. Reads a data directory."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orderd.domain.faults import Failure
from orderd.domain.window import History, Window
from ordertrainer.dataset.labelling import RunLabeller, Truth
from ordertrainer.dataset.labels import Label, read_labels
from ordertrainer.dataset.samples import check_compacted, iter_samples
from ordertrainer.serve.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledWindow:
    """One window and the truth about it.

    Attributes:
        window: as orderd saw it.
        truth: per entity of the window, its failure, or None where it is not judged.
        label: the run it belongs to.
        injected: the run's fault or decoy is there; false in the steady time before it.
    """

    window: Window
    truth: Truth
    label: Label
    injected: bool

    @property
    def wrong(self) -> bool:
        """Tell whether anything is wrong on the host, be it something that nobody can name."""
        nameless = self.injected and self.label.failure is Failure.UNKNOWN
        return nameless or any(failure not in {None, Failure.OK} for failure in self.truth)


def iter_windows(root: Path, split: str | None = None) -> Iterator[LabelledWindow]:
    """Yield the labelled windows, host by host, oldest first; windows nobody can vouch for are left out.

    Args:
        root: the data directory.
        split: only of this one; all when None.

    Raises:
        DatasetError: the directory cannot be used; see its message.
    """
    layout = Layout(root=root)
    check_compacted(layout)
    by_host: dict[str, list[Label]] = defaultdict(list)
    for label in read_labels(root, split):
        by_host[label.host_id].append(label)
    for host_id in sorted(by_host):
        yield from _host_windows(layout, host_id, sorted(by_host[host_id], key=_began))


def _host_windows(layout: Layout, host_id: str, labels: list[Label]) -> Iterator[LabelledWindow]:
    runs = [RunLabeller(label) for label in labels]
    starts = [label.began_mono_ns for label in labels]
    boot_id, history = "", History()
    for taken in iter_samples(layout, host_id):
        if taken.boot_id != boot_id:
            boot_id, history = taken.boot_id, History()
        window = history.add(taken.sample)
        position = bisect_right(starts, window.at.mono_ns) - 1
        if position < 0:
            continue
        run = runs[position]
        if (truth := run.truth(window)) is not None:
            yield LabelledWindow(window=window, truth=truth, label=run.label, injected=run.injected(window))


def _began(label: Label) -> int:
    return label.began_mono_ns
