"""What was received of each host: the memory that makes delivery exactly once. Touches state.json.

Batches of one boot arrive in rising order, so the highest number of each boot is all there is to remember. Where state.json is
missing and Parquet files are not, it is made anew from them, so that nothing of them is overwritten or stored twice.
"""

from typing import Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from orderd.domain.schema import known_schema
from ordertrainer.files import write_durably
from ordertrainer.serve.errors import ForeignSchemaError, ServeError
from ordertrainer.serve.layout import Layout

BOOTS_PER_HOST_MAX: Final = 16
"""A boot this many boots old will not send again."""


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The content of state.json.

    Attributes:
        schema_digest: of what is written now; older files may have an older one of ours.
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
            ForeignSchemaError: the directory holds data of a list of signals that is none of ours.
            ServeError: it, or a Parquet file it would be made from, is damaged; names the file and what to do.
        """
        if not layout.state.exists():
            return cls._from_parquet(layout, digest)
        try:
            state = msgspec.json.decode(layout.state.read_bytes(), type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ServeError(
                f"{layout.state} is damaged: {error}. Move it away and start again: it is made anew from the Parquet files"
            ) from error
        if known_schema(state.schema_digest) is None:
            raise ForeignSchemaError(str(layout.state), found=state.schema_digest, ours=digest)
        state.schema_digest = digest
        return state

    @classmethod
    def _from_parquet(cls, layout: Layout, digest: str) -> Self:
        state = cls(schema_digest=digest)
        for path in layout.files():
            state.next_segment = max(state.next_segment, int(path.stem) + 1)
            try:
                table = (
                    pq.read_table(path, columns=["boot_id", "sequence"], partitioning=None) if "samples" in path.parts else None
                )
                about = pq.read_metadata(path).metadata or {}
            except (OSError, pa.ArrowException) as error:
                raise ServeError(f"{path} cannot be read: {error}. Move it away and start again") from error
            found = about.get(b"schema_digest", b"").decode("ascii", "replace")
            if known_schema(found) is None:
                raise ForeignSchemaError(str(path), found=found, ours=digest)
            if table is not None:
                state._note_all(path.parent.name.removeprefix("host="), table)
        return state

    def _note_all(self, host_id: str, table: pa.Table) -> None:
        for boot_id, sequence in zip(table["boot_id"].to_pylist(), table["sequence"].to_pylist(), strict=True):
            self.note(host_id, boot_id, sequence)

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
