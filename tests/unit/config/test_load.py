"""orderd.toml: what is refused, and what the refusal says."""

import pytest

from orderd.config import load
from orderd.config.schema import HttpProbe
from orderd.domain.values import Mode
from orderd.errors import ConfigError


def write(tmp_path, text):
    path = tmp_path / "orderd.toml"
    path.write_text(text)
    return path


def test_an_empty_file_observes(tmp_path):
    """A host starts in observe: it decides, records, touches nothing."""
    assert load(write(tmp_path, "")).decision.mode is Mode.OBSERVE


def test_services_and_probes_are_read(tmp_path):
    """Listing a unit is its desired state; the probe's kind chooses its keys."""
    text = '[[services]]\nunit = "nginx.service"\nprobe = { kind = "http", url = "http://127.0.0.1:80/" }\n'
    (service,) = load(write(tmp_path, text)).services
    assert isinstance(service.probe, HttpProbe)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("[sampling]\nperiod = 1\n", "sampling.period", 1),
        ("[sampling]\nperiod_s = 'x'\n", "sampling.period_s", "x"),
        ("[sampling]\nperiod_s = 100\n", "sampling.period_s", 100),
        ("[decision]\nmode = 'autoo'\n", "decision.mode", "autoo"),
        ("[[services]]\nunit = 'nginx'\n", "services[0].unit", "nginx"),
        ("[[services]]\nunit='a.service'\n[[services]]\nunit='a.service'\n", "services.unit", "a.service"),
        ("[[mounts]]\npath='/srv'\n[[mounts]]\npath='/srv'\n", "mounts.path", "/srv"),
        (
            "[[services]]\nunit='a.service'\nprobe={kind='http',url='http://example.com/'}\n",
            "services[0].probe.url",
            "http://example.com/",
        ),
        ("[inference]\ntimeout_s = 2\n", "inference.timeout_s", 2.0),
        ("[journal]\nbytes_max = 33554432\n", "journal.ballast_bytes", 16777216),
        ("[telemetry]\ntrainer = 'nohost'\n", "telemetry.trainer", "nohost"),
        ("nonsense = 1\n", "nonsense", 1),
        ("[decision.modes.failures]\nservice_dwon = 'auto'\n", "decision.modes.failures", "service_dwon"),
        ("[decision.modes.failures]\nunknown = 'auto'\n", "decision.modes.failures", "unknown"),
        ("[decision.autonomy]\nwindow = 5\noutcomes_min = 6\n", "decision.autonomy.outcomes_min", 6),
        ("[[decision.windows]]\nname='a'\nstart='01:00'\nend='01:00'\n", "decision.windows[0].end", "01:00"),
        ("[[decision.windows]]\nname='a'\nstart='01:00'\nend='02:00'\ndays=[]\n", "decision.windows[0].days", []),
        (
            "[[decision.windows]]\nname='a'\nstart='01:00'\nend='02:00'\ntimezone='Europe/Berln'\n",
            "decision.windows[0].timezone",
            "Europe/Berln",
        ),
    ],
)
def test_a_mistake_is_named_with_file_key_value_and_remedy(tmp_path, text, key, value):
    """The message holds all a person needs to mend it."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert (caught.value.file, caught.value.key, caught.value.value) == (str(path), key, value)
    assert caught.value.allowed


@pytest.mark.parametrize("text", ["[sampling\n", "a = 1\na = 2\n", "\udc80"])
def test_no_toml_is_refused(tmp_path, text):
    """Broken syntax and broken UTF-8 name the file."""
    path = tmp_path / "orderd.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"orderd\.toml"):
        load(path)


def test_a_missing_file_is_refused(tmp_path):
    """Not a traceback."""
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
