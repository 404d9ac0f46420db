"""What was received of each host: the memory that makes delivery exactly once. Touches state.json.

Batches of one boot arrive in rising order, so the highest number of each boot is all there is to remember.
"""

from typing import Final, Self

import msgspec

from ordertrainer.serve.errors import ForeignSchemaError
from ordertrainer.serve.files import write_durably
from ordertrainer.serve.layout import Layout

BOOTS_PER_HOST_MAX: Final = 16
"""A boot this many boots old will not send again."""


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The content of state.json.

    Attributes:
        schema_digest: of every file in the directory.
        next_segment: number of the segment to open next; numbers are never used twice.
        received: host id -> boot id -> highest batch number that is durable, boots in order of their last batch.
    """

    schema_digest: str
    next_segment: int = 1
    received: dict[str, dict[str, int]] = {}

    @classmethod
    def load(cls, layout: Layout, digest: str) -> Self:
        """Read it, or begin one.

        Raises:
            ForeignSchemaError: the directory holds data of another list of signals.
            msgspec.DecodeError: it is damaged.
        """
        if not layout.state.exists():
            return cls(schema_digest=digest)
        state = msgspec.json.decode(layout.state.read_bytes(), type=cls)
        if state.schema_digest != digest:
            raise ForeignSchemaError(str(layout.state), found=state.schema_digest, ours=digest)
        return state

    def save(self, layout: Layout) -> None:
        """Write it in one step."""
        write_durably(layout.state, msgspec.json.encode(self))

    def has(self, host_id: str, boot_id: str, sequence: int) -> bool:
        """Tell whether a batch is durable already."""
        return sequence <= self.received.get(host_id, {}).get(boot_id, 0)

    def note(self, host_id: str, boot_id: str, sequence: int) -> None:
        """Remember a batch; the newest boots of a host are kept."""
        boots = self.received.setdefault(host_id, {})
        boots[boot_id] = max(sequence, boots.pop(boot_id, 0))
        while len(boots) > BOOTS_PER_HOST_MAX:
            del boots[next(iter(boots))]
