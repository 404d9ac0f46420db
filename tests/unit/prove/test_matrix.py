"""The matrix says of every fault and cure whether it is proven, not, or skipped and why."""

import io

from rich.console import Console

from ordertrainer.prove.matrix import complaints, page, rows, summary, table, unnamed
from ordertrainer.prove.result import CureProof, FaultProof, Proofs, repair_proof

PROOFS = Proofs(
    faults=[
        FaultProof(name="kill", landed=True, reverted=True, landed_s=0.05),
        FaultProof(name="stop", landed=True, reverted=True, residue=["/etc/<x> appeared"]),
        FaultProof(name="swapped", skipped="swap: this host has none"),
    ],
    repairs=[
        repair_proof("start", [CureProof(fault="kill", cured=True, idempotent=True), CureProof(fault="stop", why="not healthy")])
    ],
)


def text_of(renderable):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_every_state_has_its_sign(folder):
    """Proven, not proven, skipped and not tried yet are told apart in words, not only in colour."""
    folder.fault("swapped", needs=["swap"], group="memory")
    shown = text_of(table(rows(folder.shelf, PROOFS)))
    lines = {line.split()[1]: " ".join(line.split()) for line in shown.splitlines()[1:] if line.strip()}
    assert lines["kill"] == "service kill ✓ ✓ start"
    assert lines["stop"] == "service stop ✗ ✗ start · restart"
    assert lines["swapped"] == "memory swapped -"


def test_what_is_not_proven_is_said_with_its_reason(folder):
    """The residue, the failed verification and what the host lacks."""
    folder.fault("swapped", needs=["swap"])
    said = {name: cell.words for name, cell in complaints(rows(folder.shelf, PROOFS))}
    assert said == {
        "stop": "left on the host: /etc/<x> appeared",
        "stop -> start": "not healthy",
        "swapped": "swap: this host has none",
    }


def test_a_cure_that_does_not_exist_is_not_proven(folder):
    """A contract that names a repair nobody wrote shows it as such."""
    folder.fault("hang", cures=["nowhere"])
    assert ("hang -> nowhere", "there is no such repair") in [
        (name, cell.words) for name, cell in complaints(rows(folder.shelf, PROOFS))
    ]


def test_the_page_holds_the_matrix_and_no_markup_of_anybodys(folder):
    """Names and reasons are escaped; each repair has a column, each fault a row."""
    text = page(rows(folder.shelf, PROOFS), PROOFS)
    assert "/etc/&lt;x&gt; appeared" in text
    assert "<x>" not in text
    assert text.count("<tr>") == 3
    assert text.count('<th class="r">') == 2


def test_figures_count_what_is_proven_and_what_is_skipped():
    """Skipped faults are no proven ones."""
    assert summary(PROOFS) == (
        "1 of 3 faults land, are undone and leave nothing (1 skipped); 0 of 1 repairs are proven (0 skipped)"
    )


def test_a_repair_that_no_fault_names_is_found(folder):
    """Nothing can prove it, so somebody has to hear of it."""
    folder.repair("unused")
    assert unnamed(folder.shelf) == ["unused"]
