"""What orderd tells the trainer: samples and decisions, batched, spooled within bounds, sent over gRPC."""

from orderd.telemetry.uplink import Uplink

__all__ = ["Uplink"]
