"""The command line: `beespace run | verify | dump | diff | fuzz`.

Exit codes: 0 done; 1 the answer is no (a program is rejected, kernels differ); 2 wrong usage or malformed input;
3 unsupported; 4 bpf(2) failed; 70 a bug in beespace.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import typer

from beespace.errors import BpfError, InputError, SyscallError, Unsupported, VerifierError

__all__ = ["EXIT_INPUT", "EXIT_NO", "EXIT_SYSCALL", "EXIT_UNSUPPORTED", "app", "main", "reports_errors"]

EXIT_NO, EXIT_INPUT, EXIT_UNSUPPORTED, EXIT_SYSCALL = 1, 2, 3, 4

F = TypeVar("F", bound=Callable[..., Any])

app = typer.Typer(
    help="eBPF in user space: run, verify and inspect BPF objects; on the real kernel too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done, 1 rejected or different, 2 usage or malformed input, 3 unsupported, 4 bpf(2) failed.",
)


def exit_code(error: BpfError) -> int:
    """The process's exit code for *error*."""
    match error:
        case VerifierError():
            return EXIT_NO
        case Unsupported():
            return EXIT_UNSUPPORTED
        case SyscallError():
            return EXIT_SYSCALL
        case InputError():
            return EXIT_INPUT
        case _:
            return EXIT_INPUT


def reports_errors(command: F) -> F:
    """Print the conditions that beespace raises on purpose; bugs keep their traceback."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except BpfError as error:
            sys.stdout.flush()
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(exit_code(error)) from None
        except BrokenPipeError:
            raise typer.Exit(0) from None
        except OSError as error:  # a file that cannot be read or written
            print(f"error: {error.filename or ''}: {error.strerror}", file=sys.stderr)
            raise typer.Exit(EXIT_INPUT) from None

    return guarded  # type: ignore[return-value]  # wraps() keeps the signature that typer reads


def main() -> None:
    """Entry point of the ``beespace`` command."""
    from beespace.cli import diff, dump, features, fuzz, run, verify

    for module in (run, verify, dump, diff, fuzz, features):
        module.register(app)
    app()
