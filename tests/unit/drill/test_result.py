import pytest
from msgspec import UNSET, json

from ordertrainer.drill.result import VERSION, Diagnosis, Drill, Model, Run, Times, passed, point_latest, summary, write_drill


def run(outcome, *, decoy=False, landed=True, touched=False, healthy=None, source="rules", right_end=UNSET):
    said = Diagnosis(failure="service_down", entity="unit:nginx.service", probability=1.0, source=source)
    return Run(
        fault="service_kill",
        target="unit:nginx.service",
        intensity=None,
        decoy=decoy,
        landed=landed,
        diagnosis=said,
        repair=None,
        seconds=Times(healthy=healthy),
        outcome=outcome,
        reason="",
        touched_healthy=touched,
        residue=[],
        right_end=right_end,
    )


def drill(*runs):
    return Drill(version=VERSION, seed=1, host="drill-1", model=Model(), runs=list(runs), summary=summary(runs))


REPAIRED, LEFT, VOID = run("repaired", healthy=0.5), run("left_alone", decoy=True), run("void", landed=False)


@pytest.mark.parametrize("runs", [(REPAIRED,), (REPAIRED, LEFT), (REPAIRED, LEFT, VOID)])
def test_drill_passes_when_all_that_landed_went_well(runs):
    """Void runs neither help nor hurt."""
    assert passed(drill(*runs))


@pytest.mark.parametrize(
    "bad",
    [
        run("failed"),
        run("escalated"),
        run("failed", decoy=True),
        run("repaired", decoy=True),
        run("left_alone"),
        run("repaired", touched=True),
    ],
)
def test_one_bad_run_fails_the_drill(bad):
    """A fault not repaired, a decoy not left alone, a healthy thing touched: each fails the whole drill."""
    assert not passed(drill(REPAIRED, bad))


def test_drill_in_which_nothing_landed_proves_nothing():
    """Void runs alone, or none at all, are no success."""
    assert not passed(drill(VOID))
    assert not passed(drill())


def test_summary_counts_runs_and_times_only_repaired_ones():
    """Medians and maxima are over repaired runs; counts are over all."""
    got = summary(
        [
            run("repaired", healthy=0.2),
            run("repaired", healthy=0.4, source="model"),
            run("repaired", healthy=3.0),
            run("failed", healthy=9.0),
            VOID,
        ]
    )
    assert (got.counts.runs, got.counts.repaired, got.counts.failed, got.counts.void, got.counts.by_model) == (5, 3, 1, 1, 1)
    assert (got.seconds.healthy.median, got.seconds.healthy.maximum) == (0.4, 3.0)
    assert got.seconds.detected.median is None


def test_latest_points_to_the_newest_drill(tmp_path):
    """`latest` follows each drill, and the file appears whole."""
    for name in ("20260101T000000Z", "20260101T000100Z"):
        write_drill(tmp_path / name, drill(REPAIRED))
        point_latest(tmp_path / name)
    assert (tmp_path / "latest").readlink().name == "20260101T000100Z"
    assert (tmp_path / "latest" / "drill.json").read_text().startswith("{")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["20260101T000000Z", "20260101T000100Z", "latest"]


UNSEEN = run("not_seen", right_end="escalated")


def test_a_person_called_where_only_a_person_can_help_is_a_pass():
    """An escalation ends well where it is the right end, and so does a repair that was proved there."""
    assert passed(drill(run("escalated", right_end="escalated")))
    assert passed(drill(run("repaired", right_end="escalated")))
    assert not passed(drill(run("failed", right_end="escalated")))


def test_what_was_not_seen_counts_neither_way_and_is_told():
    """Such a run neither fails a drill nor passes one, and the figures tell how many there were."""
    assert passed(drill(REPAIRED, UNSEEN))
    assert not passed(drill(UNSEEN))
    assert summary([REPAIRED, UNSEEN]).counts.not_seen == 1


def test_first_drill_has_no_key_it_did_not_have():
    """Keys of several hosts, pairs and batteries are absent where there is nothing to say."""
    written = json.decode(json.encode(drill(REPAIRED)))
    assert not {"battery", "hosts"} & set(written)
    assert not {"right_end", "host", "beside"} & set(written["runs"][0])
    assert "not_seen" not in written["summary"]["counts"]
