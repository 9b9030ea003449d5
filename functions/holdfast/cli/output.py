"""Answers to standard output, as a table for people or as JSON or YAML for programs; everything else goes to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

_PAGE = 500


class Format(StrEnum):
    table = "table"
    json = "json"
    yaml = "yaml"


Output = Annotated[Format, typer.Option("--output", "-o", help="How the answer is written.")]


def note(text: str) -> None:
    """One line for the person at the terminal, on standard error."""
    print(printable(text), file=sys.stderr)


def listing(items: Iterable[Mapping[str, Any]], columns: Sequence[str], how: Format) -> None:
    """Writes items one by one as they come; a table has ``columns`` only and waits for the last, to know its widths."""
    if how is Format.table:
        _table(items, columns)
    elif how is Format.json:
        _json(items)
    else:
        _yaml(items)


def paged(page: Callable[[int | None, int], tuple[Iterable[Mapping[str, Any]], int | None]]) -> Iterator[Mapping[str, Any]]:
    """All items of a list, page by page: ``page`` is given where to go on, None at first, and how many at most, and returns them
    with where the next page begins, None on the last."""
    before: int | None = None
    while True:
        found, before = page(before, _PAGE)
        yield from found
        if before is None:
            return


def answer(thing: Mapping[str, Any], how: Format) -> None:
    """Writes one thing; as a table it has a row for each member."""
    if how is Format.table:
        rows = ({"": name, " ": value} for name, value in thing.items() if value is not None)
        _table(rows, ("", " "), header=False)
    elif how is Format.json:
        print(_dumps(thing))
    else:
        import yaml

        print(yaml.safe_dump(dict(thing), sort_keys=False, allow_unicode=True), end="")


def printable(text: str) -> str:
    """``text`` without what could steer the terminal: names come from other people."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cell(name: str, value: Any) -> str:
    """A value as a table shows it: dates to the second, sizes in binary units, lists and objects in short."""
    if value is None:
        return ""
    if name in _BYTES and isinstance(value, int):
        return size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return printable(", ".join(f"{key}={cell(key, inner)}" for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return printable(", ".join(str(inner[0]) if isinstance(inner, list) and inner else str(inner) for inner in value))
    if name in _MOMENTS and isinstance(value, str):
        return _moment(value)
    return printable(str(value))


def size(count: int) -> str:
    """``1536`` as ``1.5 KiB``."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


_BYTES = frozenset({"size", "used_bytes", "quota_bytes", "max_file_bytes", "total_bytes", "bytes"})
_MOMENTS = frozenset(
    {
        "upload_date",
        "archive_date",
        "destroy_date",
        "purge_after",
        "last_modified",
        "at",
        "created_at",
        "finished_at",
        "active_at",
        "until",
        "released_at",
        "started_at",
        "as_of",
        "gone_at",
        "compacted_at",
        "backups_until",
    }
)


def _moment(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return printable(text)


def _dumps(thing: Any) -> str:
    return json.dumps(thing, indent=2, ensure_ascii=False)


def _json(items: Iterable[Mapping[str, Any]]) -> None:
    before = "[\n"
    for item in items:
        print(before + _dumps(item), end="")
        before = ",\n"
    print("[]" if before == "[\n" else "\n]")


def _yaml(items: Iterable[Mapping[str, Any]]) -> None:
    import yaml

    empty = True
    for item in items:
        print(yaml.safe_dump([dict(item)], sort_keys=False, allow_unicode=True), end="")
        empty = False
    if empty:
        print("[]")


def _table(items: Iterable[Mapping[str, Any]], columns: Sequence[str], *, header: bool = True) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Into a pipe or a file nothing is cut off: whoever reads it has no terminal's width.
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    table = Table(box=None, show_header=header, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for item in items:
        names = [item[""], item[""]] if not header else list(columns)
        table.add_row(*(Text(cell(name, item.get(column))) for name, column in zip(names, columns, strict=True)))
    console.print(table)
