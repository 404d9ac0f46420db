"""What orderd tells the trainer, and what it asks: samples and decisions, batched and spooled; leases of the fleet's budget."""

from orderd.telemetry.budget import Budget
from orderd.telemetry.uplink import Uplink

__all__ = ["Budget", "Uplink"]
