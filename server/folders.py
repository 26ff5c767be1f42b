"""Where everything that is kept lies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from server.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Folders:
    """The places of everything that is kept."""

    database: Path
    images: Path
    inputs: Path
    thumbs: Path
    loras: Path
    models: Path

    @classmethod
    def of(cls, data: Path | None, models: Path | None = None) -> Folders:
        """All below `data` when given; else the checkout's own; else the user's data folder.

        `models` is the folder of downloaded models when it is another than `models/` there.
        """
        folders = cls._standard(data)
        if models is None:
            return folders
        return replace(folders, models=absolute(models))

    @classmethod
    def _standard(cls, data: Path | None) -> Folders:
        if data is not None:
            root = absolute(data)
            return cls._below(root, root)
        repository = checkout()
        if repository is not None:
            return cls._below(repository / "data", repository)
        own = Path(platformdirs.user_data_dir("darkroom", appauthor=False))
        return cls._below(own, own)

    @classmethod
    def _below(cls, data: Path, root: Path) -> Folders:
        return cls(
            database=data / "darkroom.db",
            images=data / "images",
            inputs=data / "inputs",
            thumbs=root / "thumbs",
            loras=root / "loras",
            models=root / "models",
        )

    @property
    def all(self) -> tuple[Path, ...]:
        """Each folder that must exist."""
        return (
            *(self.database.parent, self.images, self.inputs),
            *(self.thumbs, self.loras, self.models),
        )


def checkout() -> Path | None:
    """The repository's folder when the server runs from a checkout, else None."""
    root = Path(__file__).resolve().parent.parent
    is_checkout = (root / "pyproject.toml").is_file() and (root / "model_plugins").is_dir()
    return root if is_checkout else None


def absolute(path: str | Path, base: Path | None = None) -> Path:
    """`path` below `base` (None: the current folder), without `..`.

    Raises:
        ConfigurationError: it begins with `~` and a user that this machine does not have.
    """
    try:
        place = (base or Path.cwd()) / Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{path}: this machine has no such user.") from error
    # Only then: what is linked to is shown as its owner named it.
    return place.resolve() if ".." in place.parts else place
