"""Object code of earlier runs on disk: LLVM takes milliseconds, a file a fraction of one.

A file is named by the hash of everything its code depends on (IR, which has no address of a process in it, options,
LLVM, processor) and starts with the hash of the rest of it. Only files of this user that nobody else can write are
used: they are executed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

__all__ = ["CodeCache", "default_folder"]

_DIGEST_BYTES = 32
_SUFFIX = ".o"
_MAX_FILES = 4096
_FORMAT = b"1"


def default_folder() -> Path | None:
    """$BEESPACE_CACHE_DIR/jit, or beespace/jit in $XDG_CACHE_HOME or ~/.cache; None when the former is empty."""
    own = os.environ.get("BEESPACE_CACHE_DIR")
    if own is not None:
        return Path(own) / "jit" if own else None
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "beespace" / "jit"


class CodeCache:
    """Code by key. A folder that cannot be used is an empty cache.

    :ivar hits: codes found so far; ``misses``: looked for in vain.
    """

    def __init__(self, folder: Path, about: tuple[str, ...]) -> None:
        self.folder = folder
        self.hits = self.misses = 0
        self._about = "\0".join(about).encode()
        self._usable: bool | None = None

    def key(self, ir: str, opt_level: int) -> str:
        """The name of the code of a module."""
        digest = hashlib.sha256(_FORMAT + self._about + b"\0%d\0" % opt_level)
        digest.update(ir.encode())
        return digest.hexdigest()

    def get(self, key: str) -> bytes | None:
        """The code, None when there is none."""
        code = self._read(key) if self._is_usable() else None
        if code is None:
            self.misses += 1
        else:
            self.hits += 1
        return code

    def put(self, key: str, code: bytes) -> None:
        """Keep it. A disk that is full or read-only is no error."""
        if not self._is_usable():
            return
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:  # mode 0600
                file.write(hashlib.sha256(code).digest() + code)
            Path(file.name).replace(self.folder / (key + _SUFFIX))
            self._prune()
        except OSError:
            self._usable = False

    def _read(self, key: str) -> bytes | None:
        path = self.folder / (key + _SUFFIX)
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                data = file.read()
        except OSError:
            return None
        if stat.st_uid != os.getuid() or stat.st_mode & 0o022:
            return None
        code = data[_DIGEST_BYTES:]
        return code if hashlib.sha256(code).digest() == data[:_DIGEST_BYTES] else None

    def _is_usable(self) -> bool:
        if self._usable is None:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                stat = self.folder.stat()
                self._usable = stat.st_uid == os.getuid() and not stat.st_mode & 0o022
            except OSError:
                self._usable = False
        return self._usable

    # The oldest half goes when there are too many.
    def _prune(self) -> None:
        files = [entry for entry in os.scandir(self.folder) if entry.name.endswith(_SUFFIX)]
        if len(files) > _MAX_FILES:
            files.sort(key=lambda entry: entry.stat().st_mtime)
            for entry in files[: len(files) // 2]:
                os.unlink(entry.path)
