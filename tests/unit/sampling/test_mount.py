import asyncio
import json
import math
from pathlib import Path

import pytest

from orderd.domain.faults import Entity
from orderd.sampling.known_good import MOUNTS, MountAccess
from orderd.sampling.mount import MountCollector, read_only_mounts
from orderd.sampling.statvfs import Helper, Space, parse_answer

ROOT, DATA = Entity.parse("mount:/"), Entity.parse("mount:/srv/data")
ROOT_ACCESS = ((status := Path("/").stat()).st_mode & 0o7777, status.st_uid, status.st_gid)
MOUNTINFO = """\
22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
30 22 7:0 / /srv/data rw,nosuid - ext4 /dev/loop0 rw
31 22 0:5 / /with\\040space ro,nosuid shared:7 master:1 - tmpfs tmpfs rw
"""


class FakeHelper:
    """A helper that answers when the test lets it."""

    made: list["FakeHelper"]

    def __init__(self, on_answer):
        self.pending, self.asked, self.alive = [], [], True
        self._on_answer = on_answer
        FakeHelper.made.append(self)

    def ask(self, path):
        self.pending.append(path)
        self.asked.append(path)

    def answer(self, used=0.5, access=None):
        self._on_answer(self, self.pending.pop(0), Space(used_ratio=used, inodes_used_ratio=0.1, access=access))

    def kill(self):
        self.alive = False


@pytest.fixture
def mounts(tmp_path):
    FakeHelper.made = []
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTINFO)
    return MountCollector(["/", "/srv/data"], helper=FakeHelper, mountinfo=[file])


async def test_fill_rate_is_over_monotonic_time(mounts, manual_clock):
    """Ten percent in two seconds are five percent a second, whatever the wall clock did."""
    for used in (0.4, 0.5):
        await mounts.collect(manual_clock.now())
        helper = FakeHelper.made[0]
        helper.answer(used)
        helper.answer(used)
        manual_clock.advance(2)
        manual_clock.jump(-3600)
    row = (await mounts.collect(manual_clock.now())).entities[ROOT]
    assert row["mount_used_ratio"] == 0.5
    assert row["mount_fill_ratio_per_s"] == pytest.approx(0.05)
    assert row["mount_stuck_s"] == 0


async def test_a_hung_mount_takes_only_its_own_helper(mounts, manual_clock):
    """A hung mount shows its age and nothing old and is not asked again; the other is answered by a new helper."""
    await mounts.collect(manual_clock.now())
    for _ in range(5):
        manual_clock.advance(1)
        await mounts.collect(manual_clock.now())
        if len(FakeHelper.made) > 1 and FakeHelper.made[1].pending:
            FakeHelper.made[1].answer()
    rows = (await mounts.collect(manual_clock.now())).entities
    assert rows[ROOT]["mount_stuck_s"] == 5
    assert "mount_used_ratio" not in rows[ROOT]
    assert rows[DATA]["mount_used_ratio"] == 0.5
    first, second = FakeHelper.made
    assert first.asked == ["/", "/srv/data"]
    assert set(second.asked) == {"/srv/data"}


async def test_a_mount_that_answers_again_is_whole_again(mounts, manual_clock):
    """A late answer ends the stuck state, and the helper that hung is ended with it."""
    await mounts.collect(manual_clock.now())
    manual_clock.advance(5)
    await mounts.collect(manual_clock.now())
    FakeHelper.made[0].answer(0.7)
    assert not FakeHelper.made[0].alive
    row = (await mounts.collect(manual_clock.now())).entities[ROOT]
    assert row["mount_used_ratio"] == 0.7
    assert row["mount_stuck_s"] == 0


async def test_a_dead_helper_is_replaced(mounts, manual_clock):
    """A helper that was killed costs one sample's answers."""
    await mounts.collect(manual_clock.now())
    FakeHelper.made[0].alive = False
    await mounts.collect(manual_clock.now())
    assert FakeHelper.made[1].asked == ["/", "/srv/data"]


async def test_a_path_that_is_no_mount_has_no_signals(tmp_path, manual_clock):
    """A mount that is gone must not show the space of the directory above."""
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTINFO.splitlines()[0])
    mounts = MountCollector(["/srv/data"], helper=FakeHelper, mountinfo=[file])
    assert (await mounts.collect(manual_clock.now())).entities == {DATA: {}}


async def test_a_change_of_the_mount_table_is_seen(mounts, tmp_path, manual_clock):
    """A mount that becomes read-only, and one that goes, shows in the next sample; so does its return."""
    seen = []
    for text in (MOUNTINFO, MOUNTINFO.replace("loop0 rw", "loop0 ro"), MOUNTINFO.splitlines()[0], MOUNTINFO):
        (tmp_path / "mountinfo").write_text(text)
        seen.append((await mounts.collect(manual_clock.now())).entities[DATA].get("mount_read_only_ratio"))
        manual_clock.advance(1)
    assert seen == [0, 1, None, 0]


def test_read_only_is_the_mounts_or_the_file_systems_option():
    """A disk error makes the file system read-only while the mount still says rw; topmost mounts win."""
    broken = "40 22 7:0 / /srv/data rw,nosuid - ext4 /dev/loop0 ro\n"
    assert read_only_mounts(MOUNTINFO) == {"/": False, "/srv/data": False, "/with space": True}
    assert read_only_mounts(MOUNTINFO + broken)["/srv/data"] is True


def test_space_is_what_df_shows():
    """Used over used plus available to users; no inodes counted is missing, not empty."""
    space = parse_answer(b"1000 400 350 0 0 493 0 33")
    assert space == Space(used_ratio=600 / 950, inodes_used_ratio=space.inodes_used_ratio, access=(0o755, 0, 33))
    assert math.isnan(space.inodes_used_ratio)
    assert parse_answer(b"1000 400 350 0 0 - - -").access is None
    assert parse_answer(b"error 5") is None


async def test_a_real_helper_answers_for_good_and_bad_paths():
    """The helper process answers in order, also where statvfs fails, and ends when killed."""
    answers, answered = [], asyncio.Event()

    def note(_helper, path, space):
        answers.append((path, space))
        if len(answers) == 2:
            answered.set()

    helper = Helper(note)
    helper.ask("/")
    helper.ask("/no/such/place")
    async with asyncio.timeout(10):
        await answered.wait()
    helper.kill()
    assert [path for path, _ in answers] == ["/", "/no/such/place"]
    assert 0 <= answers[0][1].used_ratio <= 1
    assert answers[0][1].access == ROOT_ACCESS
    assert answers[1][1] is None
    assert helper._process.returncode is not None


async def test_whether_a_mount_that_is_meant_to_be_read_only_can_be_written_is_no_signal(tmp_path, manual_clock):
    """Nobody calls it broken for being what it is declared to be."""
    FakeHelper.made = []
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTINFO.replace("/srv/data rw", "/srv/data ro"))
    for meant, seen in (((), 1.0), (("/srv/data",), math.nan)):
        mounts = MountCollector(["/srv/data"], helper=FakeHelper, mountinfo=[file], meant_read_only=meant)
        row = (await mounts.collect(manual_clock.now())).entities[DATA]
        assert row["mount_read_only_ratio"] == pytest.approx(seen, nan_ok=True)
        assert row["mount_stuck_s"] == 0


@pytest.mark.parametrize("word", ["ro", "emergency_ro", "shutdown"])
def test_a_file_system_that_failed_cannot_be_written(word):
    """The kernel's words for a file system that it has given up count as read-only."""
    line = f"30 22 7:0 / /srv/data rw,nosuid - ext4 /dev/loop0 rw,{word}\n"
    assert read_only_mounts(line) == {"/srv/data": True}
    assert read_only_mounts(line.replace(f",{word}", ",errors=remount-ro")) == {"/srv/data": False}


@pytest.fixture
def entered(tmp_path, manual_clock):
    """Return a function that shows what is said of /srv/data for a record and the access that the helper sees."""
    FakeHelper.made = []
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTINFO)
    mounts = MountCollector(["/srv/data"], helper=FakeHelper, mountinfo=[file], access=MountAccess(tmp_path))

    async def see(record, access):
        (tmp_path / MOUNTS).unlink(missing_ok=True)
        if record is not None:
            (tmp_path / MOUNTS).write_text(json.dumps({"/srv/data": record}))
        manual_clock.advance(60)
        await mounts.collect(manual_clock.now())
        FakeHelper.made[0].answer(access=access)
        row = (await mounts.collect(manual_clock.now())).entities[DATA]
        FakeHelper.made[0].answer(access=access)
        return row

    return see


async def test_a_closed_top_directory_differs_from_the_record(entered):
    """Mode, owner and group each count; a record that is made anew is the one that counts from then on."""
    record = {"source": "/dev/loop0", "mode": 0o755, "uid": 0, "gid": 33}
    for access, changed in (((0o755, 0, 33), 0), ((0o700, 0, 33), 1), ((0o755, 0, 0), 1)):
        assert (await entered(record, access))["mount_access_changed_ratio"] == changed
    assert (await entered(record | {"mode": 0o700}, (0o700, 0, 33)))["mount_access_changed_ratio"] == 0


@pytest.mark.parametrize(
    ("record", "access"),
    [(None, (0o755, 0, 0)), ({"source": "/dev/loop0"}, (0o755, 0, 0)), ({"mode": 0o755, "uid": 0, "gid": 0}, None)],
    ids=["no record", "a record of an older release", "nobody could look"],
)
async def test_access_that_cannot_be_compared_is_missing(entered, record, access):
    """Not known is not the same as unchanged."""
    assert math.isnan((await entered(record, access))["mount_access_changed_ratio"])


async def test_a_hung_mount_shows_no_old_access(tmp_path, manual_clock):
    """What was compared before the mount hung is not shown for as long as it hangs."""
    FakeHelper.made = []
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTINFO)
    (tmp_path / MOUNTS).write_text(json.dumps({"/srv/data": {"mode": 0o755, "uid": 0, "gid": 0}}))
    mounts = MountCollector(["/srv/data"], helper=FakeHelper, mountinfo=[file], access=MountAccess(tmp_path))
    await mounts.collect(manual_clock.now())
    FakeHelper.made[0].answer(access=(0o755, 0, 0))
    assert (await mounts.collect(manual_clock.now())).entities[DATA]["mount_access_changed_ratio"] == 0
    manual_clock.advance(2)
    assert "mount_access_changed_ratio" not in (await mounts.collect(manual_clock.now())).entities[DATA]
