"""The only judge of "repaired": the target's own signals, held for a time. Pure."""

from orderd.verification.judge import Verification

__all__ = ["Verification"]
