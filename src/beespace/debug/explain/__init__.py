"""Why the verifier refused, in words: `beespace verify --explain`.

Reads nothing but the log, which is the same text on every kernel, so it explains the real kernel's refusals too.
"""

from beespace.debug.explain.explain import RULES, Decision, Explanation, Fact, as_json, explain
from beespace.debug.explain.render import as_text, sarif
from beespace.debug.explain.steps import Step, Trace, read_trace

__all__ = [
    "RULES",
    "Decision",
    "Explanation",
    "Fact",
    "Step",
    "Trace",
    "as_json",
    "as_text",
    "explain",
    "read_trace",
    "sarif",
]
