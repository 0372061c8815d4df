"""What people type."""

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``beespace`` command; typer and rich are imported here, not with the package."""
    from beespace.cli.main import main as run

    run()
