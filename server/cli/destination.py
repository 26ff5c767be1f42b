"""Where `darkroom generate` puts the images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from server.errors import FolderUnusable, StorageFailed


@dataclass(frozen=True, slots=True)
class Destination:
    """Names and writes the images of one job.

    Attributes:
        output: a folder (images keep their names of the gallery), or the PNG to write; with
            `count` images `x.png` means `x_0.png`, `x_1.png`, …
        count: how many images there will be.
        force: overwrite files.
    """

    output: Path
    count: int
    force: bool

    def check(self) -> None:
        """Find out before anything is generated whether the images can be written.

        Raises:
            FolderUnusable: the folder is missing.
            StorageFailed: a file is there already, and `force` is not given.
        """
        folder = self.output if self.output.is_dir() else self.output.parent
        if not folder.is_dir():
            raise FolderUnusable(f"There is no folder {folder}. Make it, or choose another.")
        if not self.force and not self.output.is_dir():
            _refuse(path for path in map(self._numbered, range(self.count)) if path.exists())

    def write(self, filename: str, index: int, png: bytes) -> Path:
        """Write image `index`, called `filename` in its gallery, and return where it is.

        Raises:
            StorageFailed: it cannot be written; nothing is left of it.
        """
        path = self.output / filename if self.output.is_dir() else self._numbered(index)
        try:
            with path.open("wb" if self.force else "xb") as file:
                file.write(png)
        except FileExistsError:
            _refuse([path])
        except OSError as error:
            path.unlink(missing_ok=True)
            raise StorageFailed(f"{path} cannot be written: {error.strerror or error}.") from error
        return path

    def _numbered(self, index: int) -> Path:
        if self.count == 1:
            return self.output
        return self.output.with_stem(f"{self.output.stem}_{index}")


def _refuse(existing: Iterable[Path]) -> None:
    taken = ", ".join(str(path) for path in existing)
    if taken:
        raise StorageFailed(f"{taken} exists already. Choose another name, or add --force.")
