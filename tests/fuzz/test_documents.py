"""Every OpenAPI document is true: whatever is sent, no answer is a server error, and each is one
that the document describes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.documents import ENVIRONMENT, Document, hammer, known_names, start
from tests.support import MEASURED

#: The instant family's jobs have ended before anybody could cancel them.
NOTHING_TO_CANCEL = "POST /api/jobs/{job_id}/cancel"

DOCUMENTS = [
    Document(refused={NOTHING_TO_CANCEL}),
    Document("bfl"),
    # The operations of its own port are all in the document above, under `/bfl`.
    pytest.param(Document("bfl", own=True), marks=pytest.mark.soak),
    *(Document(name, own=True) for name in ("krea", "cyberimage")),
    *(Document(name, own=True) for name in ("desktop", "openai", "automatic1111")),
]

#: Requests to each operation.
FEW, MANY = 100, 2000


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
@pytest.mark.parametrize(
    "examples", [FEW, pytest.param(MANY, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_every_answer_is_one_that_the_document_describes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    document: Document,
    examples: int,
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with start(tmp_path, document) as server:
        url = server.url_of(document.dialect) if document.own else server.url
        tally = hammer(url, document, known_names(server), examples)
    told = tally.total() if examples == FEW else tally.table()
    record_property(MEASURED, f"{document}, {examples} requests to each operation: {told}")
    never = {name for name in tally.statuses if not tally.accepted(name)}
    assert never == document.refused, "operations that only refused"
