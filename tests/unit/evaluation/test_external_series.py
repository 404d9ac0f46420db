"""Foreign files: what is taken, and every way to be refused."""

import io
import zipfile

import numpy as np
import pytest

from ordertrainer.evaluation.external import series as module
from ordertrainer.evaluation.external.refusal import ExternalError
from ordertrainer.evaluation.external.series import read_series

T = 6
GOOD = {
    "values": np.linspace(0, 1, T * 3, dtype=np.float32).reshape(T, 3),
    "channels": np.array(["cpu_user_ratio", "?", "mount_used_ratio"]),
    "labels": np.array([0, 0, 1, 1, 2, 0]),
    "label_names": np.array(["cpu", "disk"]),
}


@pytest.fixture
def written(tmp_path):
    """Return what writes a file that is good but for some arrays."""

    def write(**changes):
        arrays = {name: array for name, array in {**GOOD, **changes}.items() if array is not None}
        path = tmp_path / "foreign.npz"
        np.savez(path, **arrays)
        return path

    return write


def holding(value, *place):
    """Return good values with another one somewhere."""
    values = GOOD["values"].copy()
    values[place] = value
    return values


def test_a_good_file_is_read_as_it_is(written):
    """Values, channels, labels one column each, one run of a second a sample."""
    series = read_series(written())
    assert series.values.dtype == np.float32
    assert series.channels == ("cpu_user_ratio", "?", "mount_used_ratio")
    assert series.label_names == ("cpu", "disk")
    assert series.truth.T.tolist() == [[False, False, True, True, False, False], [False, False, False, False, True, False]]
    assert (series.offsets.tolist(), series.period_s) == ([0, T], 1.0)


REFUSED = {
    "no values": ({"values": None}, r"no array 'values' \(there is: channels, label_names, labels\)"),
    "columns": ({"channels": None, "columns": GOOD["channels"]}, r"no array 'channels'.*'columns' has to be called 'channels'"),
    "flat": ({"values": np.zeros(T)}, r"values has shape \[6\]; want \[T, C\]"),
    "cube": ({"values": np.zeros((T, 3, 2))}, r"values has shape \[6, 3, 2\]"),
    "empty": ({"values": np.zeros((0, 3)), "labels": np.zeros(0, int)}, r"shape \[0, 3\]: it is empty"),
    "no channel": ({"values": np.zeros((T, 0)), "channels": np.array([], str)}, r"shape \[6, 0\]: it is empty"),
    "complex": ({"values": np.zeros((T, 3), complex)}, r"values is of type complex128"),
    "text": ({"values": np.full((T, 3), "1")}, r"values is of type <U1"),
    "too few names": ({"channels": np.array(["?", "?"])}, r"channels has 2 names, values has 3 columns"),
    "numbers as names": ({"channels": np.arange(3)}, r"channels has shape \[3\] and type int64"),
    "unknown": (
        {"channels": np.array(["cpu_user", "?", "weather"])},
        r"channels\[0\] = 'cpu_user' \(did you mean 'cpu_user_ratio'\?\); channels\[2\] = 'weather'.*'\?' where none means",
    ),
    "twice": (
        {"channels": np.array(["swap_used_ratio", "?", "swap_used_ratio"])},
        r"channels\[0\] and channels\[2\] are both 'swap",
    ),
    "NaN": (
        {"values": holding(np.nan, 4, 2)},
        r"values\[4, 2\] \(channel 'mount_used_ratio'\) is NaN, the first of 1 .*--allow-missing",
    ),
    "infinite": ({"values": holding(np.inf, 1, 0)}, r"values\[1, 0\] \(channel 'cpu_user_ratio'\) is infinite"),
    "beyond float32": ({"values": holding(1.0, 0, 0).astype(np.float64) * 1e300}, r"is infinite.*a float32 holds"),
    "short labels": ({"labels": np.zeros(4, int)}, r"labels has shape \[4\], values has 6 samples; want \[6\], or \[6, 2\]"),
    "one label": ({"labels": np.int64(1)}, r"labels has shape \[\]"),
    "label columns": ({"labels": np.zeros((T, 3), int)}, r"labels has 3 columns, label_names 2 names"),
    "column of 2": ({"labels": np.full((T, 2), 2)}, r"labels\[0, 0\] = 2; a column of labels holds 0 and 1"),
    "negative": ({"labels": np.array([0, 0, -1, 0, 0, 0])}, r"labels\[2\] = -1; want whole numbers"),
    "half": ({"labels": np.array([0, 0.5, 0, 0, 0, 0])}, r"labels\[1\] = 0\.5; want whole numbers"),
    "label NaN": ({"labels": np.array([0, np.nan, 0, 0, 0, 0])}, r"labels\[1\] = nan; want whole numbers"),
    "nameless": ({"labels": np.array([0, 0, 4, 0, 0, 0])}, r"labels\[2\] = 4, and label_names has 2 names"),
    "same names": ({"label_names": np.array(["cpu", "cpu"])}, r"label_names\[0\] and label_names\[1\] are both 'cpu'"),
    "label text": ({"labels": np.full(T, "cpu")}, r"labels is of type <U3; want whole numbers"),
    "offsets": ({"offsets": np.array([0, 4, 4, T])}, r"offsets = 0, 4, 4, 6; want rising numbers from 0 to 6"),
    "offsets end": ({"offsets": np.array([0, 5])}, r"offsets = 0, 5; want rising numbers from 0 to 6"),
    "period": ({"period_s": np.float64(0.0)}, r"period_s = 0\.; want one number of seconds above 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named_with_its_place_and_what_to_do(written, case):
    """The file, the array, where, and the remedy, in one line."""
    changes, said = REFUSED[case]
    path = written(**changes)
    with pytest.raises(ExternalError, match=said) as refusal:
        read_series(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_python_objects_are_refused_unread(written):
    """A pickle could run code; nothing of it is loaded."""
    path = written(channels=np.array(["cpu_user_ratio", None, "?"], dtype=object))
    with pytest.raises(ExternalError, match=r"channels holds Python objects, which are never loaded; .*dtype=str"):
        read_series(path)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x93NUMPY"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    """Whatever it is."""
    path = tmp_path / "foreign.npz"
    path.write_bytes(content)
    with pytest.raises(ExternalError, match=r"foreign\.npz"):
        read_series(path)


def test_a_single_array_is_refused(tmp_path):
    """An .npy has no names in it."""
    path = tmp_path / "foreign.npy"
    np.save(path, GOOD["values"])
    with pytest.raises(ExternalError, match=r"not an \.npz archive"):
        read_series(path)


def test_a_missing_file_is_refused(tmp_path):
    """With its name."""
    with pytest.raises(ExternalError, match=r"nowhere\.npz: No such file"):
        read_series(tmp_path / "nowhere.npz")


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    """A few bytes of an archive can be a disk full of zeros."""
    monkeypatch.setattr(module, "BYTES_MAX", 1000)
    path = tmp_path / "foreign.npz"
    raw = io.BytesIO()
    np.save(raw, np.zeros(10_000))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("values.npy", raw.getvalue())
    assert path.stat().st_size < 1000
    with pytest.raises(ExternalError, match="unpacks to 80128 bytes; allowed are 1000"):
        read_series(path)


def test_a_cut_file_is_refused(written):
    """Half a download is no file."""
    path = written()
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ExternalError, match=r"foreign\.npz"):
        read_series(path)


def test_missing_values_are_taken_when_somebody_says_so(written):
    """NaN is what orderd itself writes for what was not measured."""
    series = read_series(written(values=holding(np.nan, 4, 2)), allow_missing=True)
    assert np.isnan(series.values[4, 2])
    with pytest.raises(ExternalError, match="infinite"):
        read_series(written(values=holding(-np.inf, 4, 2)), allow_missing=True)


@pytest.mark.parametrize(
    ("labels", "names", "own", "first"),
    [
        ([0, 0, 1, 1, 0, 0], ["anomaly"], ("anomaly",), 2),
        ([0, 0, 1, 1, 0, 0], ["normal", "anomaly"], ("anomaly",), 2),
        ([0, 0, 1, 1, 2, 0], ["idle", "cpu", "disk"], ("cpu", "disk"), 2),
        ([0, 0, 1, 1, 0, 0], ["ok", "cpu", "disk"], ("cpu", "disk"), 2),
        ([0, 0, 0, 0, 0, 0], ["ok"], (), None),
        ([0, 0, 0, 0, 0, 0], ["cpu"], ("cpu",), None),
    ],
)
def test_numbers_are_read_with_and_without_a_name_for_zero(written, labels, names, own, first):
    """Zero is always nothing wrong; which convention was read is remarked."""
    series = read_series(written(labels=np.array(labels), label_names=np.array(names)))
    assert series.label_names == own
    assert series.truth.shape == (T, len(own))
    assert (np.flatnonzero(series.wrong)[0] if series.wrong.any() else None) == first
    assert series.remarks[0].startswith("label 0 is")


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32])
def test_columns_of_labels_are_taken_in_any_type(written, kind):
    """One column a label, several at once."""
    labels = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0], [0, 0]]).astype(kind)
    assert read_series(written(labels=labels)).truth.tolist() == labels.astype(bool).tolist()


def test_percentages_are_remarked_and_unknown_arrays_named(written):
    """They are scored as they are; a reader has to know."""
    series = read_series(written(values=GOOD["values"] * 100, meta=np.array("x")))
    assert any("cpu_user_ratio (column 0) reaches 88" in remark for remark in series.remarks)
    assert "not used: meta" in series.remarks


def test_names_in_bytes_are_names(written):
    """Some writers save them so."""
    assert read_series(written(channels=np.array([b"cpu_user_ratio", b"?", b"?"]))).channels[0] == "cpu_user_ratio"
