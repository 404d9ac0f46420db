"""What a cure may change, and that a revert leaves what a repair has done."""

import msgspec
import pytest

from ordertrainer.drill.snapshot import Unit
from ordertrainer.prove.changes import collateral, overwritten

TOUCHES = ("unit nginx.service", "file /etc/systemd/system/nginx.service.d/*")


def test_a_repair_that_keeps_to_its_contract_has_no_collateral(clean, changed, nginx):
    """The target was started again, and nothing else is different."""
    well = changed(nginx=nginx.started)
    assert collateral(clean, changed(nginx=nginx.down), well, well, TOUCHES) == []


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"etc": {"/etc/resolv.conf": "other"}}, "/etc/resolv.conf changed"),
        ({"things": {"sysctl": {"net.ipv4.ip_forward": "1"}}}, "setting net.ipv4.ip_forward changed from 0 to 1"),
        ({"things": {"file": {"/usr/local/bin/x": "1"}}}, "/usr/local/bin/x appeared"),
        ({"mounts": []}, "mount / overlay rw is gone"),
    ],
)
def test_what_is_different_in_the_end_is_collateral(clean, changed, nginx, after, words):
    """A file, a setting, a mount: each is named."""
    well = changed(nginx=nginx.started)
    assert collateral(clean, changed(nginx=nginx.down), well, changed(well, **after), TOUCHES) == [words]


def test_what_the_contract_names_is_no_collateral(clean, changed, nginx):
    """A drop-in of the target was written, in a folder that was made for it: both are in `touches`."""
    folder = "/etc/systemd/system/nginx.service.d"
    well = changed(nginx=nginx.started, etc={"/etc/resolv.conf": "good", folder: "directory", f"{folder}/fix.conf": "1"})
    assert collateral(clean, changed(nginx=nginx.down), well, well, TOUCHES) == []


def test_a_bystander_that_was_restarted_is_collateral(clean, changed, nginx):
    """Another service that ran all the time and is another run now was restarted by the repair."""
    other = msgspec.structs.replace(clean.units["cron.service"], InvocationID="z")
    well = changed(nginx=nginx.started, cron=other)
    assert collateral(clean, changed(nginx=nginx.down), well, well, TOUCHES) == ["cron.service was restarted"]


def test_what_systemd_restarts_by_itself_is_nobodys(clean, changed, nginx):
    """A bystander that the fault had hurt and systemd brought back is not blamed on the repair."""
    other = msgspec.structs.replace(clean.units["cron.service"], InvocationID="z", NRestarts="1")
    well = changed(nginx=nginx.started, cron=other)
    assert collateral(clean, changed(nginx=nginx.down), well, well, TOUCHES) == []


def test_the_experiments_own_units_are_no_collateral(clean, changed, nginx):
    """The witness and the timer of the injection come and go with it."""
    armed = {"orderd-chaos-stop-1-witness": Unit(ActiveState="active", Transient="yes", InvocationID="w")}
    well = changed(nginx=nginx.started)
    assert collateral(clean, changed(nginx=nginx.down, **armed), well, well, TOUCHES) == []


def test_a_revert_that_kept_its_hands_off_overwrote_nothing(clean, changed, nginx):
    """The service runs as the repair started it."""
    well = changed(nginx=nginx.started)
    assert overwritten(clean, changed(nginx=nginx.down), well, well) == []


def test_a_service_started_anew_by_the_revert_is_overwritten(clean, changed, nginx):
    """Another run of the target than the repair's own: the revert did what had been done."""
    again = msgspec.structs.replace(nginx.started, InvocationID="c")
    found = overwritten(clean, changed(nginx=nginx.down), changed(nginx=nginx.started), changed(nginx=again))
    assert found == ["unit nginx.service: the revert changed it after the repair had"]


def test_a_repaired_file_put_back_to_the_baseline_is_overwritten(clean, changed):
    """The repair chose other words than there were before; the revert must leave them."""
    ill, well = changed(etc={"/etc/resolv.conf": "bad"}), changed(etc={"/etc/resolv.conf": "mended"})
    assert overwritten(clean, ill, well, clean) == ["file /etc/resolv.conf: the revert changed it after the repair had"]
    assert overwritten(clean, ill, well, well) == []


def test_what_the_fault_made_may_be_cleared_away(clean, changed):
    """A log that the fault wrote and the repair cut is removed by the revert; nobody's work is lost."""
    log = {"/etc/resolv.conf": "good", "/srv/data/x.log": "long"}
    ill, well = changed(etc=log), changed(etc=log | {"/srv/data/x.log": "short"})
    assert overwritten(clean, ill, well, clean) == []


@pytest.mark.parametrize("made", ["timer", "login"])
def test_what_comes_by_itself_while_a_cure_is_proven_is_nobodys_work(clean, changed, nginx, made):
    """A job that its timer starts again and again, and a unit that others only speak of: the revert has not touched them."""
    if made == "timer":
        job = Unit(ActiveState="inactive", LoadState="loaded", InvocationID="1", Type="oneshot")
        runs = [job, *(msgspec.structs.replace(job, InvocationID=number) for number in "23")]
        runs[1] = msgspec.structs.replace(runs[1], ActiveState="activating")
    else:
        spoken_of = Unit(ActiveState="inactive", LoadState="not-found")
        runs = [spoken_of, Unit(), spoken_of]
    ill, well, after = (changed(nginx=each, job=run) for each, run in zip((nginx.down, *[nginx.started] * 2), runs, strict=True))
    assert overwritten(clean, ill, well, after) == []


def test_a_job_that_stays_active_is_told_by_its_run(clean, changed):
    """A oneshot that has run and counts as running was started anew by somebody."""
    units = [Unit(ActiveState="active", LoadState="loaded", InvocationID=number, Type="oneshot") for number in "123"]
    assert overwritten(clean, *(changed(job=unit) for unit in units)) != []
