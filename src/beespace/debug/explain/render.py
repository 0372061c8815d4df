"""An explanation as text for a terminal, and as SARIF for editors and code hosts.

:see: SARIF 2.1.0 (OASIS), sections 3.27 (result) and 3.36 (codeFlow)
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from beespace.debug.explain.explain import Decision, Explanation
from beespace.errors import SourceLine

__all__ = ["as_text", "sarif"]

_WIDTH = 100
_SHOWN = 12  # decisions; of a longer path the last ones


def as_text(prog: str, explained: Explanation) -> str:
    """Several lines: what, where, why, what was known, the way there, the fix."""
    where = str(explained.source) if explained.source is not None else ""
    if not where and explained.insn_idx >= 0:
        where = f"insn {explained.insn_idx}"
    lines = [f"{prog}: {explained.title}"]
    if where:
        text = f"    {explained.source.text}" if explained.source is not None else ""
        lines += [f"  at {where}", *([f"  {text}"] if text else [])]
    if explained.insn:
        lines.append(f"      insn {explained.insn_idx}: {explained.insn[5:]}")
    if explained.why:
        lines += _paragraph("why", explained.why)
    known = [fact for fact in explained.known if fact.words]
    if known:
        lines.append("  known")
        lines += [f"      {fact.name}: {fact.words}" for fact in known]
    if explained.path:
        lines.append("  path")
        lines += [f"      {text}" for text in _path(explained.path)]
    if explained.fix:
        lines += _paragraph("fix", explained.fix)
    lines.append("  the verifier said")
    lines += [f"      {line}" for line in explained.message.splitlines()]
    return "\n".join(lines)


def _paragraph(head: str, text: str) -> list[str]:
    return [f"  {head}", *textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      ")]


def _path(path: Iterable[Decision]) -> list[str]:
    # the turns of a loop make the same decisions again: each once, with a count
    lines: list[tuple[str, int]] = []
    for decision in path:
        text = str(decision)
        for back in range(len(lines) - 1, max(-1, len(lines) - 8), -1):
            if lines[back][0] == text:
                lines[back] = (text, lines[back][1] + 1)
                break
        else:
            lines.append((text, 1))
    shown = [f"{text}  x {count}" if count > 1 else text for text, count in lines]
    if len(shown) > _SHOWN:
        return [f"... {len(shown) - _SHOWN} branches before these", *shown[-_SHOWN:]]
    return shown


def sarif(results: Iterable[tuple[str, str, Explanation]]) -> dict[str, object]:
    """A SARIF 2.1.0 log of (object, program, explanation); the rejecting path is the result's codeFlow."""
    rules: dict[str, dict[str, object]] = {}
    found = []
    for obj, prog, explained in results:
        rule = explained.rule or "rejected"
        rules.setdefault(rule, {"id": rule, "shortDescription": {"text": explained.title if explained.rule else rule}})
        text = f"{prog}: {explained.title}. {explained.why} {explained.fix}".strip()
        found.append(
            {
                "ruleId": rule,
                "level": "error",
                "message": {"text": text},
                "locations": [_location(explained.source, obj)],
                "codeFlows": [{"threadFlows": [{"locations": _flow(explained, obj)}]}],
                "properties": {"program": prog, "object": obj, "verifier": explained.message},
            }
        )
    driver = {"name": "beespace verify", "rules": list(rules.values())}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": found}],
    }


def _location(source: SourceLine | None, obj: str) -> dict[str, object]:
    if source is None or not source.file:
        return {"physicalLocation": {"artifactLocation": {"uri": obj}}}
    region: dict[str, object] = {"startLine": max(source.line, 1)}
    if source.text:
        region["snippet"] = {"text": source.text}
    return {"physicalLocation": {"artifactLocation": {"uri": source.file}, "region": region}}


def _flow(explained: Explanation, obj: str) -> list[dict[str, object]]:
    branches = {(d.source.file, d.source.line): str(d) for d in explained.path if d.source is not None}
    flow: list[dict[str, object]] = []
    for source in explained.visited:
        location = _location(source, obj)
        location["message"] = {"text": branches.get((source.file, source.line), source.text)}
        flow.append({"location": location})
    return flow or [{"location": _location(explained.source, obj)}]
