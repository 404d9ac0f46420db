"""orderd.toml: read, checked and turned into values, or refused with file, key, value and what is allowed. Reads one file."""

from orderd.config.load import load
from orderd.config.schema import Config, MountConfig, ProbeConfig, ServiceConfig

__all__ = ["Config", "MountConfig", "ProbeConfig", "ServiceConfig", "load"]
