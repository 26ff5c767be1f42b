"""The OpenAPI documents of a running server, and requests made from them by schemathesis."""

from __future__ import annotations

import base64
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import Case, Response
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.serialization import Binary

from tests.servers import ROOT, ServerProcess

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

#: LoRAs to copy.
LORAS = ROOT / "model_plugins" / "postcard" / "loras"

#: Where nothing listens: the models that are not here are not fetched either.
NOWHERE = "http://127.0.0.1:9"

ENVIRONMENT = {
    "HF_ENDPOINT": NOWHERE,
    "DARKROOM_CIVITAI_URL": NOWHERE,
    "DARKROOM_EXECUTOR": "inline",
    "DARKROOM_MAX_QUEUED": "1000000",
}

#: Every name that the documents of other APIs print for a model.
NAMES = (
    *("flux-1", "flux-2", "sd-3.5", "flux-abliterated", "flux-2-klein-4b", "flux-2-klein-9b"),
    *("flux-dev", "flux-schnell", "gpt-image-1", "dall-e-3"),
)

Names = Mapping[str, Sequence[Any]]


def _png() -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    return file.getvalue()


PNG = _png()
PHOTO = base64.b64encode(PNG).decode()
DATA_URI = f"data:image/png;base64,{PHOTO}"

#: Words that hold one image.
PLACES = ("image", "input_image", "seedImage", "imagePath", "init_image", "mask_image")

#: Values for words of requests that random text never means: images, and the model.
IMAGES: Mapping[str, Any] = {
    **dict.fromkeys(PLACES, f"data:image/png;base64,{PHOTO}"),
    "init_images": [PHOTO],
    "images": [{"image_url": DATA_URI}],
    "model": "instant",
}

#: Streams that end with the server.
ENDLESS = frozenset({"/api/sse/jobs", "/api/sse/gallery"})


@dataclass(frozen=True)
class Document:
    """One OpenAPI document. `dialect` is "" for our own API; `own` means the dialect's own port.

    `refused` are operations that nothing drawn at random succeeds with; `few` is how many requests
    each operation gets in a run that is not to take long.
    """

    dialect: str = ""
    own: bool = False
    refused: Set[str] = frozenset()
    few: int = 100

    @property
    def path(self) -> str:
        """Where the document is."""
        return f"/openapi/{self.dialect}.json" if self.dialect and not self.own else "/openapi.json"

    def __str__(self) -> str:
        return f"{self.dialect or 'native'}{'-own-port' * self.own}"


@dataclass
class Tally:
    """How often each operation gave each status."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)

    def note(self, operation: str, status: int) -> None:
        """Count an answer."""
        self.statuses.setdefault(operation, Counter())[status] += 1

    def accepted(self, operation: str) -> int:
        """How many answers of an operation were 2xx."""
        counts = self.statuses.get(operation, Counter())
        return sum(count for status, count in counts.items() if 200 <= status < 300)

    def total(self) -> str:
        """All of it in a line."""
        total = sum(sum(counts.values()) for counts in self.statuses.values())
        return f"{sum(map(self.accepted, self.statuses))} of {total} answers are 2xx"

    def table(self) -> str:
        """Each operation in a line."""
        rows = [f"{name}: {dict(sorted(each.items()))}" for name, each in self.statuses.items()]
        return "\n".join([self.total(), *rows])


def configuration(folder: Path, dialect: str, *, bundled: bool) -> Path:
    """A file that makes every model of a dialect the instant one, without limits.

    Requests drawn at random name the bundled model too. Without `bundled` it is as far away as the
    others: loading it and computing its images takes ten seconds.
    """
    aliases = ", ".join(f'"{name}" = "instant"' for name in NAMES)
    table = (
        f'[dialects.{dialect}]\nmodel = "instant"\nrate_limit = false\naliases = {{{aliases}}}\n'
    )
    path = folder / "darkroom.toml"
    nobodys = '[[models]]\nid = "postcard"\nsource = "nobody/nothing"\n'
    path.write_text(("" if bundled else nobodys) + (table if dialect else ""))
    return path


def start(folder: Path, *documents: Document, bundled: bool = False) -> ServerProcess:
    """A server with the instant family, and with `bundled` the bundled model, whose documents these
    are, all of one dialect; `ENVIRONMENT` is to be set."""
    (dialect,) = {document.dialect for document in documents}
    _put_loras(folder / "data" / "loras")
    options = ["--plugin-folder", str(ROOT / "tests" / "plugins_instant")]
    options += ["--default-model", "instant", "--no-preload"]
    options += ["--device", "cpu"]  # to look for others imports torch
    options += ["--config", str(configuration(folder, dialect, bundled=bundled))]
    if any(document.own for document in documents):
        options += ["--listen", f"{dialect}=0"]
    return ServerProcess(folder / "data", *options)


def _put_loras(folder: Path) -> None:
    """LoRAs with previews, which no request brings here."""
    folder.mkdir(parents=True)
    for number in range(3):
        for source in LORAS.glob("*.safetensors"):
            name = folder / f"{source.stem}-{number}.safetensors"
            shutil.copy(source, name)
            Image.new("RGB", (8, 8)).save(name.with_suffix(".png"))


def known_names(server: ServerProcess) -> Names:
    """Values of parameters that name something, so that not every request is for nothing."""
    jobs = [server.submit(f"a house, number {number}") for number in range(20)]
    for job in jobs:
        server.wait(job)
    images = server.images()
    files = [image["filename"] for image in images]
    return {
        "job_id": jobs,
        "id": [*jobs, *(image["id"] for image in images)],
        "filename": [*files, *(f"flux_{job}.png" for job in jobs)],
        "image_id": [f"img_{name.removesuffix('.png')}" for name in files],
        "name": files,
        "number": [*range(1, len(files) + 1)],
        "model": ["instant"],
        "lora": [lora["id"] for lora in server.get("/api/loras")["loras"]],
    }


def hammer(
    url: str, document: Document, names: Mapping[str, Sequence[Any]], examples: int
) -> Tally:
    """Send `examples` requests to every operation of a document, half of them against its rules
    if they can be.

    Raises:
        ExceptionGroup: an answer is a server error, or is not what the document says.
    """
    tally = Tally()
    # A server without keys does not look at those that come, so none are made up.
    config = SchemathesisConfig()
    config.projects.default.generation.update(with_security_parameters=False)
    schema = schemathesis.openapi.from_url(f"{url}{document.path}", config=config)
    operations = [found.ok() for found in schema.get_all_operations()]
    with requests.Session() as session:
        send = partial(Case.call, base_url=url, session=session, timeout=60)
        # What is deleted cannot be looked at any more.
        for operation in sorted(operations, key=lambda each: each.method.upper() == "DELETE"):
            if operation.path not in ENDLESS:
                _hammer(operation, send, names, examples, tally)
    return tally


def _hammer(
    operation: APIOperation,
    send: Callable[[Case], Response],
    names: Mapping[str, Sequence[Any]],
    examples: int,
    tally: Tally,
) -> None:
    modes = [GenerationMode.POSITIVE]
    if _can_be_wrong(operation):
        modes.append(GenerationMode.NEGATIVE)
    for mode in modes:

        @settings(
            max_examples=examples // len(modes),
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans(), data=st.data())
        def ask(case: Case, real: bool, data: st.DataObject) -> None:
            if real:
                _name_something(case, names, data)
            answer = send(case)
            tally.note(operation.label, answer.status_code)
            case.validate_response(answer, checks=CHECKS)

        ask()


def _can_be_wrong(operation: APIOperation) -> bool:
    """Whether requests can break an operation's rules: any text is a name in a path."""
    return any((operation.body, operation.query, operation.headers, operation.cookies))


def _name_something(case: Case, names: Names, data: st.DataObject) -> None:
    for given_values in (case.path_parameters, case.query):
        for name in given_values.keys() & names.keys() if given_values else ():
            given_values[name] = data.draw(st.sampled_from(names[name]))
    if isinstance(case.body, dict):
        for word in case.body.keys() & IMAGES.keys():
            is_file = isinstance(case.body[word], Binary)
            case.body[word] = Binary(PNG) if is_file else IMAGES[word]
