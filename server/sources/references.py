"""Source references: from the words that say where weights are to a value.

Every reference has one canonical text: `parse(str(reference)) == reference`. Relative paths are
relative to the current folder; an `org/name` is always the hub's, but `x.safetensors` and
`folder/x.safetensors` are files of this machine.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from server.errors import MalformedReference
from server.model_entry import is_own_file
from server.source_errors import SourceMissing
from server.sources import links
from server.sources.formats import refuse_pickle
from server.sources.kinds import CIVITAI, HUB, PACKAGE, Civitai, Hub, Local, Package, Reference, Url
from server.wording import shown

FORMS = (
    "a folder or file of this machine (`/models/x`, `~/x.safetensors`, `./x`), a repository "
    "`org/name[@revision]` of the Hugging Face hub or a file or folder in it "
    "(`org/name/x.safetensors`), `urn:air:ECOSYSTEM:TYPE:civitai:MODEL@VERSION`, "
    "`civitai:MODEL[@VERSION]`, `civitai:@VERSION`, a model's address on civitai.com or "
    "huggingface.co, the https address of a .safetensors or .gguf file, `package:NAME/FOLDER`"
)


def parse(text: str) -> Reference:
    """Read a reference.

    Args:
        text: one of `FORMS`.

    Raises:
        MalformedReference: it has none of the forms.
        UnsafeFile: it names a pickle.
    """
    reference = _read(text) if text.isprintable() else None
    if reference is None:
        raise MalformedReference(f"{shown(text)!r} does not say where weights are. Write {FORMS}.")
    refuse_pickle(_name(reference))
    return reference


def local_path(reference: Package | Local) -> Path:
    """Where a local reference points, whether or not anything is there.

    Raises:
        SourceMissing: the package is not installed.
    """
    if isinstance(reference, Local):
        return reference.path
    try:
        spec = find_spec(reference.name)
    except (ModuleNotFoundError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise SourceMissing(f"The source {reference} names a package that is not installed.")
    folder = Path(next(iter(spec.submodule_search_locations))).absolute()
    return folder / reference.subfolder


def _read(text: str) -> Reference | None:
    if text.startswith(PACKAGE):
        return Package.read(text.removeprefix(PACKAGE))
    if text.startswith(HUB):
        return Hub.read(text.removeprefix(HUB))
    if text.startswith(CIVITAI):
        return Civitai.read(text.removeprefix(CIVITAI))
    return _of_this_machine(text) or links.address(text) or links.air(text) or Hub.read(text)


def _of_this_machine(text: str) -> Local | None:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # `~somebody` whom this machine does not know
        return None
    says_so = path.is_absolute() or text.startswith((".", "~"))
    return Local(path.absolute()) if says_so or is_own_file(text) else None


def _name(reference: Reference) -> str:
    """The part of a reference that may be a file's name."""
    match reference:
        case Url(url):
            return urlsplit(url).path
        case Hub(path=path):
            return path
        case Local(path):
            return path.name
    return ""
