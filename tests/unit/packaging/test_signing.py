"""What the fleet owner signs, a host accepts; anything changed afterwards it does not."""

import shutil
from pathlib import Path

import pytest

from orderd.errors import TrustError
from orderd.inference.manifest import read_package
from orderd.packaging.signing import check_model, check_playbooks, ensure_keys, public_half, sign_model, sign_playbooks

ROOT = Path(__file__).parents[3]
NOW = 1_795_000_000.0  # 2026-11-18


@pytest.fixture
def owner(tmp_path):
    """The owner's keys, and the two folders in which a host trusts them."""
    keys = ensure_keys(tmp_path / "keys")
    for private, kind in zip(keys, ("models", "playbooks"), strict=True):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.pem").write_bytes(public_half(private))
    return keys


@pytest.fixture
def model(tmp_path):
    """A copy of the model that ships."""
    return Path(shutil.copytree(ROOT / "models" / "order" / "0.1.0", tmp_path / "model"))


@pytest.fixture
def repairs(tmp_path):
    """A copy of the repairs that ship."""
    skipped = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ROOT / "playbooks" / "repairs", tmp_path / "repairs", ignore=skipped))


def test_keys_are_made_once_and_only_their_owner_can_read_them(owner, tmp_path):
    """A second call finds the same two keys; they differ, and their files are 0600."""
    before = [file.read_bytes() for file in owner]
    assert ensure_keys(tmp_path / "keys") == owner
    assert [file.read_bytes() for file in owner] == before
    assert before[0] != before[1]
    assert {file.stat().st_mode & 0o777 for file in owner} == {0o600}


def test_a_model_signed_by_its_owner_is_good(owner, model, tmp_path):
    """Serial, term and key id are written into the manifest, and the model itself stays as it was."""
    before = read_package(model).model
    signed = sign_model(model, owner[0], days=30, now_s=NOW)
    found, identity = check_model(model, tmp_path / "models", NOW)
    assert found == signed
    assert found.key_id == identity
    assert found.not_after == "2026-12-18T11:06:40Z"
    assert read_package(model).model == before


def test_the_serial_of_a_model_is_when_it_was_made(owner, model):
    """Signing one model twice gives one serial: building a bundle again does not make its model look newer."""
    first = sign_model(model, owner[0], now_s=NOW).serial
    assert sign_model(model, owner[0], now_s=NOW + 1000).serial == first > 1_700_000_000


def test_a_model_signed_with_the_playbooks_key_is_refused(owner, model, tmp_path):
    """The two kinds have keys of their own."""
    sign_model(model, owner[1], now_s=NOW)
    with pytest.raises(TrustError, match="not trusted here"):
        check_model(model, tmp_path / "models", NOW)


def test_playbooks_signed_by_their_owner_are_good_until_a_file_changes(owner, repairs, tmp_path):
    """Every file counts: one byte more in a playbook is found by its name."""
    signed = sign_playbooks(repairs, owner[1], now_s=NOW)
    assert check_playbooks(repairs, tmp_path / "playbooks", NOW)[0] == signed
    assert signed.serial == int(NOW)
    playbook = next(repairs.glob("*/repair.yml"))
    playbook.write_bytes(playbook.read_bytes() + b"#")
    with pytest.raises(TrustError, match=f"{playbook.parent.name}/repair.yml: not as signed"):
        check_playbooks(repairs, tmp_path / "playbooks", NOW)


def test_what_has_expired_is_refused(owner, repairs, model, tmp_path):
    """Terms are kept for both kinds."""
    sign_playbooks(repairs, owner[1], days=1, now_s=NOW)
    sign_model(model, owner[0], days=1, now_s=NOW)
    with pytest.raises(TrustError, match="expired"):
        check_playbooks(repairs, tmp_path / "playbooks", NOW + 90_000)
    with pytest.raises(TrustError, match="expired"):
        check_model(model, tmp_path / "models", NOW + 90_000)
