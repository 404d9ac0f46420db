import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordertrainer.drill.details import Details, RunDetails, Said, Signal, Strip
from ordertrainer.drill.report import overview_file, render
from ordertrainer.drill.result import VERSION, Diagnosis, Drill, Intensity, Model, Repair, Run, Times, summary
from ordertrainer.drill.scales import Linear, Root, spread_out

EVIL = '<script>alert(1)</script>"&'
RUN = Run(
    fault="disk_fill",
    target=f"mount:/{EVIL}",
    intensity=Intensity(value=3.0, unit=EVIL),
    decoy=False,
    landed=True,
    diagnosis=Diagnosis(failure=EVIL, entity=EVIL, probability=0.9, source="model"),
    repair=Repair(name=EVIL, target=EVIL),
    seconds=Times(detected=0.1, decided=0.2, repaired=0.5, healthy=0.6),
    outcome="repaired",
    reason=EVIL,
    touched_healthy=True,
    touched=[EVIL],
    residue=[EVIL],
)
SAID = Said(
    decided_s=0.2, detected_s=0.1, failure=EVIL, entity=EVIL, probability=0.9, source=EVIL, evidence=EVIL, other=EVIL,
    action=EVIL,
    repair=EVIL, reason=EVIL, detail=EVIL, heard_after_s=0.0, considered=[EVIL], steps=[(0.1, EVIL, EVIL)], state=EVIL,
)  # fmt: skip
SEEN = RunDetails(
    summary=EVIL,
    start_s=-1.0,
    end_s=2.0,
    strips=[
        Strip(label=EVIL, spans=[(-1.0, 0.0, True), (0.0, 0.6, False), (0.6, 2.0, True)], why=EVIL, main=True),
        Strip(label="other", spans=[(-1.0, 2.0, True)]),
    ],
    signals=[Signal(label=EVIL, unit="ratio", points=[(-1.0, 0.1), (0.5, 0.9)], limit=0.8)],
    said=[SAID],
    took_s=5.0,
)


def rendered(*runs):
    runs = runs or (RUN,)
    drill = Drill(
        version=VERSION,
        seed=1,
        host=EVIL,
        model=Model(version=EVIL, sha256="0" * 64, provider=EVIL),
        runs=list(runs),
        summary=summary(runs),
    )
    seen = Details(
        started_utc="2026-01-01 00:00:00",
        took_s=90.0,
        boot_s=3.0,
        install_s=20.0,
        machine=EVIL,
        orderd=EVIL,
        runs=[SEEN] * len(runs),
    )
    return render(drill, seen), overview_file(drill)


class Balanced(HTMLParser):
    """Checks that every element that needs an end has one, in order."""

    void = frozenset({"meta", "br", "img", "rect", "path", "circle", "line", "polygon"})

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        return None

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag


def test_nothing_from_a_host_becomes_markup():
    """Names, words and paths of a host are shown, never interpreted, in the report and in the picture."""
    for text in rendered():
        assert "<script" not in text
        assert "&lt;script&gt;" in text


def test_report_needs_no_network():
    """No reference leaves the file: only fragments and the SVG namespace."""
    html, svg = rendered()
    assert not re.search(r'(?:src|href)="(?!#)', html)
    assert "url(" not in html
    assert set(re.findall(r"https?://[^\"' ]+", html + svg)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("outcome", ["repaired", "left_alone", "escalated", "failed", "void"])
def test_report_is_well_formed_whatever_happened(outcome):
    """Every outcome gives a document whose elements close, the picture included."""
    import msgspec

    changed = msgspec.structs.replace(
        RUN,
        outcome=outcome,
        landed=outcome != "void",
        decoy=outcome == "left_alone",
        diagnosis=None,
        repair=None,
        seconds=Times(),
    )
    for text in rendered(changed, RUN):
        checker = Balanced()
        checker.feed(text)
        assert checker.open == []


@given(st.lists(st.floats(min_value=0, max_value=900), min_size=1, max_size=6))
def test_labels_never_overlap(wanted):
    """Labels keep their order and their distance, and stay in the picture."""
    placed = spread_out(sorted(wanted), 86.0, 0.0, 900.0)
    assert all(b - a >= 85.9 for a, b in pairwise(placed))
    assert all(-0.01 <= p <= 900.01 for p in placed)


@given(st.floats(min_value=-5, max_value=500), st.floats(min_value=0.2, max_value=300))
def test_scales_stay_in_the_picture(value, high):
    """Whatever the value, its place lies between the edges."""
    for scale in (Linear(low=-1.0, high=high, left=10, right=90), Root(high=high, left=10, right=90)):
        assert 10 <= scale.x(value) <= 90
        assert len(scale.ticks()) <= 12
