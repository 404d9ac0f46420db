"""Playbooks run only when the fleet's owner signed them."""

import pytest

from orderd.catalogue import manifest
from orderd.config.schema import ExecutorConfig
from orderd.errors import CatalogueError
from orderd.executor.admission import Playbooks
from orderd.executor.rig import Rig
from orderd.executor.signed import load_manifest
from orderd.trust import SIGNATURE_FILE, Floor, Purpose, encode_signature
from orderd.trust.keys import make_pair
from orderd.trust.sign import sign

NOW = 1_795_000_000.0  # 2026-11-18


class Host:
    """A host's catalogue, trust folder and floor, and the owner's key."""

    def __init__(self, root):
        self.rig = Rig(root=root)
        self.rig.add_repair("mend", "- hosts: localhost\n")
        self.key = root / "keys" / "playbooks.pem"
        (root / "trust").mkdir()
        (root / "trust" / "playbooks.pem").write_bytes(make_pair(self.key).read_bytes())
        self.config = ExecutorConfig(
            repairs_dir=str(self.rig.repairs),
            manifest=str(self.rig.repairs / "manifest.json"),
            trust_dir=str(root / "trust"),
            floor=str(root / "state" / "floor.json"),
        )

    def release(self, serial, *, not_after="", purpose=Purpose.PLAYBOOKS, key=None):
        """Write a manifest and sign it."""
        file = manifest.write(self.rig.repairs, serial=serial, not_after=not_after)
        file.with_name(SIGNATURE_FILE).write_bytes(encode_signature(sign(file.read_bytes(), key or self.key, purpose)))

    def refusal(self):
        """Return why the manifest is refused."""
        with pytest.raises(CatalogueError, match="not trusted") as refused:
            load_manifest(self.config, NOW)
        return str(refused.value)


@pytest.fixture
def host(tmp_path):
    """A host with a signed release of serial 10."""
    made = Host(tmp_path)
    made.release(10)
    return made


def test_signed_playbooks_are_loaded_and_raise_the_floor(host):
    """A good signature is enough, and the serial is remembered."""
    assert set(load_manifest(host.config, NOW).files) == {"mend/repair.yml", "mend/contract.yml"}
    assert Floor(host.rig.root / "state" / "floor.json").read().serial == 10
    assert "mend" in Playbooks.load(host.config, NOW).repairs


def test_a_changed_manifest_is_refused_and_every_repair_with_it(host):
    """One more file in the manifest, without the key, and nothing runs; the executor still answers with the reason."""
    file = host.rig.repairs / "manifest.json"
    file.write_bytes(file.read_bytes().replace(b"mend/repair.yml", b"evil/repair.yml"))
    assert "does not fit" in host.refusal()
    assert "does not fit" in Playbooks.load(host.config, NOW).refused["mend"]


def test_unsigned_playbooks_are_refused(host):
    """Without manifest.sig nothing runs."""
    (host.rig.repairs / SIGNATURE_FILE).unlink()
    assert "manifest.sig: is missing" in host.refusal()


def test_a_models_signature_does_not_count(host):
    """The same key, used for models, signs no playbooks."""
    host.release(11, purpose=Purpose.MODEL)
    assert "does not fit" in host.refusal()


def test_another_owners_key_does_not_count(host):
    """A key that this host does not know signs nothing here."""
    make_pair(host.rig.root / "other" / "playbooks.pem")
    host.release(11, key=host.rig.root / "other" / "playbooks.pem")
    assert "not trusted here" in host.refusal()


def test_an_older_release_is_refused_once_a_newer_one_was_loaded(host):
    """What was signed long ago, perhaps with a hole in it, does not come back."""
    host.release(12)
    load_manifest(host.config, NOW)
    host.release(11)
    assert "serial 11 is older than 12" in host.refusal()
    host.release(12)
    load_manifest(host.config, NOW)


def test_an_expired_release_is_refused(host):
    """The term of the signature is kept."""
    host.release(11, not_after="2026-11-17T00:00:00Z")
    assert "expired on 2026-11-17" in host.refusal()


def test_a_damaged_floor_refuses_everything(host):
    """Damage does not open the door to old releases."""
    load_manifest(host.config, NOW)
    (host.rig.root / "state" / "floor.json").write_text("{")
    assert "damaged" in host.refusal()


def test_a_manifest_from_before_signatures_counts_only_without_them(host):
    """Version 1 is read as serial 0: refused on a host that asks for signatures, good on one that does not."""
    file = host.rig.repairs / "manifest.json"
    file.write_bytes(b'{"version": 1, "files": {}}')
    assert "never signed" in host.refusal()
    unsigned = ExecutorConfig(manifest=str(file), signed=False)
    assert load_manifest(unsigned, NOW).serial == 0


def test_a_signature_that_cannot_be_read_is_a_refusal_and_no_crash(host):
    """The executor goes on answering, and says which file."""
    file = host.rig.repairs / SIGNATURE_FILE
    file.unlink()
    file.mkdir()
    assert f"{file}: Is a directory" in host.refusal()
    assert f"{file}: Is a directory" in Playbooks.load(host.config, NOW).refused["mend"]
