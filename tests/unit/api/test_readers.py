"""What is told about pictures and the machine is for those whose key may read."""

from __future__ import annotations

import pytest

from server.callers import Scope
from tests.serving import LiveServer, problem


@pytest.mark.parametrize("path", ["/api/images/facets", "/api/system"])
def test_it_is_for_those_who_may_read(server: LiveServer, path: str) -> None:
    reader = server.service.keys.add("reader", scopes=[Scope.READ])
    maker = server.service.keys.add("maker", scopes=[Scope.GENERATE])
    try:
        read = server.client.get(path, headers={"x-key": reader})
        refused = server.client.get(path, headers={"x-key": maker})
        unknown = server.client.get(path)
    finally:
        server.service.keys.reset()
    assert read.status_code == 200
    problem(refused, 403, "scope_missing")
    problem(unknown, 401, "key_missing")
