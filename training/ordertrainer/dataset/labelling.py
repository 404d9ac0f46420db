"""From a run's label and a window to what is true of every entity, or to "nobody can say". Pure.

The rules:
    1. Only windows inside a run count, and of those neither the ones on the way to the fault nor the ones on the way back.
    2. Before the fault every entity is ok.
    3. From the landing to the revert the labelled entity fails in every window in which its failure can be seen
       (`symptoms.visible`); windows in which it cannot, yet or for the moment, are left out.
    4. Beside a failing entity, one that looks troubled may be collateral and is not judged; all others are ok.
    5. A decoy makes nothing wrong: everything is ok, processes that spin or write included. Windows in which a decoy takes a
       unit, a mount or the resolver down are left out: down on purpose looks like down; telling them apart is the guard's work.
    6. A window in which the failing entity is missing (a process that is not among the measured ones) is left out.
    7. A failure that nobody can name has no class: its entity is not judged, and that something is wrong is all there is to say.
"""

from orderd.domain.faults import EntityKind, Failure
from orderd.domain.window import Window
from ordertrainer.dataset.labels import Label
from ordertrainer.dataset.symptoms import EntityView, troubled, visible

Truth = tuple[Failure | None, ...]
"""Per entity of a window: its failure, or None where it is not judged."""


class RunLabeller:
    """Judges the windows of one run."""

    def __init__(self, label: Label) -> None:
        """Judge by this label."""
        self.label = label

    def injected(self, window: Window) -> bool:
        """Tell whether the fault or decoy is there."""
        return bool(self.label.fault) and window.at.mono_ns >= self.label.landed_mono_ns

    def truth(self, window: Window) -> Truth | None:
        """Return what is true of each entity, None when the window is left out."""
        label, at = self.label, window.at.mono_ns
        if label.began_mono_ns <= at < label.armed_mono_ns:
            return (Failure.OK,) * len(window.entities)
        if not label.landed_mono_ns <= at < label.ended_mono_ns:
            return None
        return self._decoy(window) if label.failure is Failure.OK else self._failing(window)

    def _decoy(self, window: Window) -> Truth | None:
        views = (EntityView(window, index) for index in range(len(window.entities)))
        if any(view.kind is not EntityKind.PROCESS and troubled(view) for view in views):
            return None
        return (Failure.OK,) * len(window.entities)

    def _failing(self, window: Window) -> Truth | None:
        index = next((i for i, entity in enumerate(window.entities) if str(entity) == self.label.entity), None)
        if self.label.failure is Failure.UNKNOWN:
            return tuple(None if i == index else _beside(window, i) for i in range(len(window.entities)))
        if index is None or not visible(self.label.failure, EntityView(window, index)):
            return None
        return tuple(self.label.failure if i == index else _beside(window, i) for i in range(len(window.entities)))


def _beside(window: Window, index: int) -> Failure | None:
    return None if troubled(EntityView(window, index)) else Failure.OK
