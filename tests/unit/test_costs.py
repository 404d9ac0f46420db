"""The file of cost weights: what is read is what was written, and what is wrong is named."""

import pytest

from ordertrainer.costs import NAMES, Costs, CostsError, read_costs, write_costs


def test_what_is_written_is_read_again(tmp_path):
    """Every weight, in a folder that did not exist, under a line that says where it comes from."""
    costs = Costs(**{name: 1.5 * (place + 1) for place, name in enumerate(NAMES)})
    write_costs(tmp_path / "new" / "costs.toml", costs, ["of 100 answers"])
    assert read_costs(tmp_path / "new" / "costs.toml") == costs
    assert (tmp_path / "new" / "costs.toml").read_text(encoding="utf-8").startswith("# of 100 answers\n[costs]\n")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["costs.toml"]


def test_what_is_left_out_keeps_its_default(tmp_path):
    """A file may say only what differs; whole numbers are numbers."""
    (tmp_path / "costs.toml").write_text("[costs]\nfalse_call = 300\n", encoding="utf-8")
    assert read_costs(tmp_path / "costs.toml") == Costs(false_call=300.0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[costs]\nfalse_cal = 3.0\n", "costs.false_cal = 3.0: no such weight; there are repair, risk"),
        ("[costs]\nrepair = -1.0\n", "costs.repair = -1.0: want seconds of trouble"),
        ("[costs]\nrepair = nan\n", "costs.repair = nan: want seconds of trouble"),
        ("[costs]\nrepair = 1e7\n", "costs.repair = 10000000.0: want seconds of trouble"),
        ("[costs]\nrepair = true\n", "costs.repair = True: want seconds of trouble"),
        ('[costs]\nrepair = "2"\n', "costs.repair = '2': want seconds of trouble"),
        ("repair = 2.0\n", "repair = 2.0: not known here; weights stand in the table [costs]"),
        ("costs = 3\n", "costs = 3: want a table [costs]"),
        ("", "costs = None: want a table [costs]"),
        ("[costs\n", "no TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, named):
    """File, key, value, and what to do instead."""
    file = tmp_path / "costs.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CostsError) as refused:
        read_costs(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert named in str(refused.value)


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path):
    """The verb that writes it is named."""
    with pytest.raises(CostsError, match="ordertrainer prefer --out"):
        read_costs(tmp_path / "costs.toml")


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    """No half file, and no weight that is no number."""
    file = tmp_path / "costs.toml"
    write_costs(file, Costs())
    with pytest.raises(CostsError, match="no number of seconds"):
        write_costs(file, Costs(repair=float("nan")))
    assert read_costs(file) == Costs()
    with pytest.raises(CostsError, match="cannot be written"):
        write_costs(file / "below" / "costs.toml", Costs())
