"""Read orderd.toml and refuse what is not allowed. Reads one file."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from orderd.config.schema import Config, DecisionConfig, WindowConfig
from orderd.domain.faults import Failure
from orderd.errors import ConfigError

DEFAULT_PATH = Path("/etc/orderd/orderd.toml")
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_FIELD = re.compile(r"unknown field `(?P<field>[^`]*)`")


def load(path: Path = DEFAULT_PATH) -> Config:
    """Read and check a configuration file.

    Args:
        path: the TOML file.

    Returns:
        The checked configuration, defaults filled in.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or a key is unknown, of another type, or out of range.
    """
    raw = _read(path)
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise _explain(path, raw, str(error)) from error
    _check_relations(path, config)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(file=str(path), key="(file)", value=error.strerror, allowed="a readable file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file=str(path), key="(syntax)", value=str(error), allowed="valid TOML in UTF-8") from error


def _explain(path: Path, raw: dict[str, Any], message: str) -> ConfigError:
    """Turn msgspec's one-line message into file, key, value and what is allowed."""
    found = _AT.search(message)
    key = found["path"].lstrip(".") if found else ""
    allowed = _AT.sub("", message)
    unknown = _FIELD.search(message)
    if unknown:
        key = f"{key}.{unknown['field']}".lstrip(".")
        allowed = "unknown key; remove it or correct its spelling"
    return ConfigError(file=str(path), key=key or "(top level)", value=_value_at(raw, key), allowed=allowed)


def _value_at(raw: Any, key: str) -> object:
    for part in re.findall(r"[^.\[\]]+", key):
        try:
            raw = raw[int(part)] if isinstance(raw, list) else raw[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return raw


def _check_relations(path: Path, config: Config) -> None:
    _check_unique(path, "services.unit", [service.unit for service in config.services])
    _check_unique(path, "mounts.path", [mount.path for mount in config.mounts])
    if config.sampling.verify_period_s > config.sampling.period_s:
        raise ConfigError(
            file=str(path),
            key="sampling.verify_period_s",
            value=config.sampling.verify_period_s,
            allowed=f"at most sampling.period_s ({config.sampling.period_s:g})",
        )
    if config.inference.timeout_s >= config.sampling.period_s:
        raise ConfigError(
            file=str(path),
            key="inference.timeout_s",
            value=config.inference.timeout_s,
            allowed=f"less than sampling.period_s ({config.sampling.period_s:g})",
        )
    _check_decision(path, config.decision)
    if config.journal.ballast_bytes > config.journal.bytes_max // 4:
        raise ConfigError(
            file=str(path),
            key="journal.ballast_bytes",
            value=config.journal.ballast_bytes,
            allowed=f"at most a quarter of journal.bytes_max ({config.journal.bytes_max // 4})",
        )


def _check_decision(path: Path, decision: DecisionConfig) -> None:
    """Refuse what would silently have no effect: a class that does not exist, a window that never opens, a bar out of reach."""
    for name in decision.modes.failures:
        if name not in set(Failure) - {Failure.OK, Failure.UNKNOWN}:
            allowed = "one of " + ", ".join(f for f in Failure if f not in {Failure.OK, Failure.UNKNOWN})
            raise ConfigError(file=str(path), key="decision.modes.failures", value=name, allowed=allowed)
    autonomy = decision.autonomy
    if autonomy.outcomes_min > autonomy.window:
        allowed = f"at most decision.autonomy.window ({autonomy.window})"
        raise ConfigError(file=str(path), key="decision.autonomy.outcomes_min", value=autonomy.outcomes_min, allowed=allowed)
    for place, window in enumerate(decision.windows):
        _check_window(path, f"decision.windows[{place}]", window)


def _check_window(path: Path, key: str, window: WindowConfig) -> None:
    if window.start == window.end:
        raise ConfigError(file=str(path), key=f"{key}.end", value=window.end, allowed="another time than start")
    if not window.days:
        raise ConfigError(file=str(path), key=f"{key}.days", value=[], allowed="at least one day, or no key at all for every day")
    from zoneinfo import ZoneInfo  # noqa: PLC0415  only a host that has windows pays the memory

    try:
        ZoneInfo(window.timezone)
    except (KeyError, ValueError, OSError) as error:
        allowed = "a time zone of this host, for example Europe/Berlin (package tzdata) or UTC"
        raise ConfigError(file=str(path), key=f"{key}.timezone", value=window.timezone, allowed=allowed) from error


def _check_unique(path: Path, key: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ConfigError(file=str(path), key=key, value=value, allowed="each one once")
