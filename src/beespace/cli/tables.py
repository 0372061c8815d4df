"""Tables for people, records for programs: contents of maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beespace.cli.render import columns, to_json

if TYPE_CHECKING:
    from beespace.api import Map

__all__ = ["map_records", "map_table", "table"]

_WIDTH_WITHOUT_TERMINAL = 160


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print one table; numbers are aligned to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_WITHOUT_TERMINAL)
    out = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        numeric = bool(rows) and all(_is_number(row[index]) for row in rows if index < len(row))
        out.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        out.add_row(*row)
    console.print(out)


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _entries(bpf_map: Map) -> list[tuple[bytes, tuple[bytes, ...]]]:
    # sorted by the bytes of the key: the order of a hash table says nothing
    return sorted(bpf_map.items_bytes())


def _is_empty(entries: list[tuple[bytes, tuple[bytes, ...]]]) -> bool:
    # an array always has all its entries; zeroes tell nobody anything
    return not any(any(value) for _, values in entries for value in values)


def map_table(bpf_map: Map, *, always: bool = False) -> None:
    """Print the contents of a map, a row for each entry, a column for each leaf of key and value.

    :param always: also when there is nothing but zeroes.
    """
    entries = _entries(bpf_map)
    if not always and _is_empty(entries):
        return
    rows: list[list[str]] = []
    header: list[str] = []
    for key, values in entries:
        cells = columns(bpf_map.btf, bpf_map.spec.key_type_id, key, "key")
        for number, value in enumerate(values):
            name = f"cpu{number}" if len(values) > 1 else "value"
            made = columns(bpf_map.btf, bpf_map.spec.value_type_id, value, name)
            prefix = f"cpu{number}." if len(values) > 1 and made[0][0] != name else ""
            cells = cells + [(prefix + column, text) for column, text in made]
        header = [name for name, _ in cells]
        rows.append([text for _, text in cells])
    title = f"{bpf_map.name}: {len(entries)} entr{'y' if len(entries) == 1 else 'ies'}"
    table(title, header or ["key", "value"], rows)


def map_records(bpf_map: Map) -> list[dict[str, Any]]:
    """The contents as what json.dumps() takes."""
    records = []
    for key, values in _entries(bpf_map):
        decoded = [to_json(bpf_map.btf, bpf_map.spec.value_type_id, value) for value in values]
        record: dict[str, Any] = {"key": to_json(bpf_map.btf, bpf_map.spec.key_type_id, key)}
        record["value" if len(decoded) == 1 else "values"] = decoded[0] if len(decoded) == 1 else decoded
        records.append(record)
    return records
