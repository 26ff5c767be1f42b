"""A file that is being written: beside its place, hashed on the way, and resumable."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path

from server.source_errors import HashMismatch, NotAWeightsFile, SizeMismatch
from server.sources.formats import told_size
from server.sources.manifest import PART, RemoteFile
from server.storage import sync_folder

#: Bytes that are hashed in one go when a download is taken up again.
BLOCK = 16 * 1024 * 1024


class Part:
    """What is there of a file, as `NAME.part`, with notes of where it came from.

    All methods block. `size` counts the bytes that are both written and hashed.
    """

    def __init__(self, target: Path, file: RemoteFile) -> None:
        """
        Args:
            target: where the file goes when it is complete.
            file: what is expected of it.
        """
        self.target = target
        self.size = 0
        self.validator: str | None = None
        self._file = file
        self._path = target.with_name(target.name + PART)
        self._notes = target.with_name(f".{target.name}{PART}")
        self._sha256 = hashlib.sha256()
        self._stream: io.FileIO | None = None

    @property
    def on_disk(self) -> int:
        """Bytes that need not be downloaded again, if the site agrees."""
        return self._path.stat().st_size if self._path.is_file() and self._fits() else 0

    def catch_up(self) -> bool:
        """Take up what an earlier process left, a block at a time; whether there is more."""
        if self._stream is None:
            if self.on_disk == 0:
                return False
            self.validator = self._read_notes().get("validator")
            self._stream = io.FileIO(self._path, "r+")
        data = self._stream.read(BLOCK)
        self._sha256.update(data)
        self.size += len(data)
        return bool(data)

    def restart(self, validator: str | None) -> None:
        """Begin anew.

        Args:
            validator: the ETag or date by which the site can tell whether the file has changed.
        """
        self.discard()
        self.target.parent.mkdir(parents=True, exist_ok=True)
        # The notes come first: bytes of unknown origin would be taken for those of another file.
        notes = {"validator": validator, "sha256": self._file.sha256}
        self._notes.write_text(json.dumps(notes), encoding="utf-8")
        self.validator = validator
        self._stream = io.FileIO(self._path, "w")

    def write(self, data: bytes) -> None:
        """Append; a full disk raises `OSError`, and what did fit can be taken up again."""
        assert self._stream is not None, "restart or catch_up comes first"
        left = memoryview(data)
        while left:
            left = left[self._stream.write(left) :]
        self._sha256.update(data)
        self.size += len(data)
        self._file.check_limit(self.size)
        if self.size > (self._file.largest or self.size):
            raise wrong_size(self._file, self.size)  # an answer of unknown length that never ends

    def complete(self) -> None:
        """Check the file and put it in its place, durably.

        Raises:
            SizeMismatch, HashMismatch: it is not what the site tells; nothing is left of it.
            SizeMismatch, NotAWeightsFile: it is not what it tells itself.
        """
        try:
            self._check()
        except (SizeMismatch, HashMismatch, NotAWeightsFile):
            self.discard()
            raise
        if self._stream is not None:
            os.fsync(self._stream.fileno())
        self.close()
        self._path.replace(self.target)
        sync_folder(self.target.parent)
        self._notes.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the file; it stays resumable."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def discard(self) -> None:
        """Remove what there is."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
        self.size, self.validator = 0, None
        self._sha256 = hashlib.sha256()

    def _check(self) -> None:
        name, digest = self._file.path, self._sha256.hexdigest()
        if not self._file.can_have(self.size):
            raise wrong_size(self._file, self.size)
        self._file.check_hash(digest)
        told = told_size(self._path, name, self._file.longest_header)
        if told not in (None, self.size):
            raise SizeMismatch(
                f"{name} has {self.size} bytes, not the {told} that its own header tells. Try "
                "again; if it stays so, the file there is damaged."
            )

    def _fits(self) -> bool:
        """Whether the part is of this very file: the same hash, or a site that can tell."""
        notes = self._read_notes()
        known = notes.get("sha256") == self._file.sha256
        return known and bool(notes.get("validator") or self._file.sha256)

    def _read_notes(self) -> dict[str, str | None]:
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}


def wrong_size(file: RemoteFile, size: int) -> SizeMismatch:
    """The error for a file of `size` bytes that should have others."""
    return SizeMismatch(
        f"{file.path} has {size} bytes, not the {file.size} that its site tells. Try again; if it "
        "stays so, the file there has been changed."
    )
