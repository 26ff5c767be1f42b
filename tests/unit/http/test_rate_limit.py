"""How often callers may submit."""

from __future__ import annotations

import time

import pytest

from server.callers import Caller, Tier
from server.http.rate_limit import RateLimiter
from server.limit_errors import RateLimited

ANNE, BERT = Caller("address:a"), Caller("address:b")
PRO = Caller("key:p", Tier.PRO)


def limiter(text: str = "2/minute; 3/hour") -> RateLimiter:
    return RateLimiter({"krea": {Tier.ANONYMOUS: text}})


def submit(limits: RateLimiter, caller: Caller = ANNE, api: str = "krea") -> None:
    with limits.place(api, caller):
        pass


def test_the_limit_is_each_callers_own_and_each_apis() -> None:
    limits = limiter()
    submit(limits)
    submit(limits)
    with pytest.raises(RateLimited) as caught:
        submit(limits)
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60
    submit(limits, BERT)
    submit(limits, api="other")
    for _ in range(9):
        submit(limits, PRO)


def test_a_machine_has_one_limit_for_all_of_its_ipv6_addresses() -> None:
    limits = limiter()
    submit(limits, Caller("address:2001:db8:1:2::1"))
    submit(limits, Caller("address:2001:db8:1:2:3:4:5:6"))
    with pytest.raises(RateLimited):
        submit(limits, Caller("address:2001:db8:1:2::7"))
    submit(limits, Caller("address:2001:db8:1:3::1"))


def test_only_what_was_accepted_counts() -> None:
    limits = limiter()
    for _ in range(9):
        with pytest.raises(ValueError, match="refused"), limits.place("krea", ANNE):
            raise ValueError("refused")
    assert limits.headers("krea", ANNE)["X-RateLimit-Remaining"] == "2"


def test_what_is_being_submitted_counts_meanwhile() -> None:
    limits = limiter()
    with limits.place("krea", ANNE), limits.place("krea", ANNE):
        with pytest.raises(RateLimited):
            submit(limits)
        assert limits.headers("krea", ANNE)["X-RateLimit-Remaining"] == "0"
    assert limits.headers("krea", ANNE)["X-RateLimit-Remaining"] == "0"


def test_headers_tell_the_limit_that_is_nearest() -> None:
    limits = limiter()
    submit(limits)
    headers = limits.headers("krea", ANNE)
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("2", "1")
    assert 0 < int(headers["X-RateLimit-Reset"]) - time.time() <= 61
    assert limits.headers("krea", PRO) == {}


def test_an_empty_text_is_no_limit() -> None:
    limits = limiter("")
    for _ in range(20):
        submit(limits)
    assert limits.headers("krea", ANNE) == {}
