"""What every page shares: colours, lines, tables, JSON. Writes to standard output.

Colour only on a terminal, and never the only carrier of meaning. Everything is Text, never markup: a unit called ``[red]`` is a
name.
"""

import json
import sys
from collections.abc import Iterable
from typing import Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orderd.ctl.words import clean

STATE_STYLE: Final = {
    "resolved": "green",
    "closed": "green",
    "escalated": "bold red",
    "waiting": "yellow",
    "repairing": "cyan",
    "verifying": "cyan",
    "open": "yellow",
    "diagnosed": "yellow",
}
_PIPE_COLUMNS: Final = 400
"""Without a terminal nothing is wrapped or cut: grep sees whole lines."""


def console() -> Console:
    """Return the console of standard output."""
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)


def text(value: str, style: str = "") -> Text:
    """Return data as it may be printed."""
    return Text(clean(value), style=style)


def state(value: str) -> Text:
    """Return the state of an incident in its colour."""
    return text(value, STATE_STYLE.get(value, ""))


def table(*headings: str, wrap: str = "") -> Table:
    """Return an empty table without lines.

    Args:
        headings: of the columns.
        wrap: the heading whose cells may be wrapped; the others stay whole.
    """
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for heading in headings:
        grid.add_column(heading, no_wrap=heading != wrap, overflow="fold" if heading == wrap else "ellipsis")
    return grid


def facts(rows: Iterable[tuple[str, Text]]) -> Table:
    """Return labelled facts, the values wrapped under themselves."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in rows:
        grid.add_row(label, value)
    return grid


def as_dict(message: Message) -> dict[str, object]:
    """Return a message as proto JSON, fields without a value included, so that scripts can rely on every field."""
    return MessageToDict(message, always_print_fields_with_no_presence=True)


def print_json(value: object, *, one_line: bool = False) -> None:
    """Print JSON, indented or on one line."""
    print(json.dumps(value, ensure_ascii=False, indent=None if one_line else 2), flush=True)
