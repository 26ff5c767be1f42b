"""Every OpenAPI document is true: whatever is sent, no answer is a server error, and each is one
that the document describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.fuzz.documents import ENVIRONMENT, Document, hammer, known_names, start
from tests.support import MEASURED

#: The instant family's jobs have ended before anybody could cancel them.
NOTHING_TO_CANCEL = "POST /api/jobs/{job_id}/cancel"

#: Of each server, whose start takes longer than many of the requests.
DOCUMENTS = [
    [Document(refused={NOTHING_TO_CANCEL})],
    # Its own port has the words that the main port has under `/bfl`; and `/history` and `/outputs`
    # beside them, which the main port has beside the other words only.
    [Document("bfl"), Document("bfl", own=True, few=25)],
    *([Document(name, own=True)] for name in ("krea", "cyberimage")),
    *([Document(name, own=True)] for name in ("desktop", "openai", "automatic1111")),
]

#: Requests to each operation in a run that may take long.
MANY = 2000


@pytest.mark.parametrize(
    "documents", DOCUMENTS, ids=lambda documents: "+".join(map(str, documents))
)
@pytest.mark.parametrize(
    "long",
    [
        pytest.param(False, id="few"),
        pytest.param(True, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_every_answer_is_one_that_the_document_describes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    documents: Sequence[Document],
    long: bool,
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with start(tmp_path, *documents, bundled=long) as server:
        names = known_names(server)
        for document in documents:
            examples = MANY if long else document.few
            url = server.url_of(document.dialect) if document.own else server.url
            tally = hammer(url, document, names, examples)
            told = tally.table() if long else tally.total()
            record_property(MEASURED, f"{document}, {examples} requests to each operation: {told}")
            never = {name for name in tally.statuses if not tally.accepted(name)}
            assert never == document.refused, "operations that only refused"
