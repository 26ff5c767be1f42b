"""Sockets: one per port, none that is open to others by mistake."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
import typer

from server.cli.listen_option import entry_of
from server.config import Settings, load_settings
from server.errors import AddressUnusable, ConfigurationError
from server.listeners import listen


def settings(*places: tuple[str, int] | tuple[str, int, str], **others: Any) -> Settings:
    words = ("dialect", "port", "host")
    tables = [dict(zip(words, place, strict=False)) for place in places]
    return Settings(**{"port": 0, "listen": tables, **others})


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


without_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")


def test_the_main_port_and_one_per_dialect() -> None:
    with listen(settings(("a", 0), ("b", 0, "localhost"), ("a", 0))) as listeners:
        ports = [each.port for each in listeners]
        assert len({*ports}) == 4
        assert listeners.ports == {ports[1]: "a", ports[2]: "b", ports[3]: "a"}
        assert [each.url for each in listeners] == [
            f"http://127.0.0.1:{ports[0]}",
            f"http://127.0.0.1:{ports[1]}",
            f"http://localhost:{ports[2]}",
            f"http://127.0.0.1:{ports[3]}",
        ]
        for each in listeners:
            socket.create_connection(each.socket.getsockname()[:2]).close()


@without_ipv6
def test_an_address_of_ipv6() -> None:
    with listen(settings(("a", 0, "::1"))) as listeners:
        assert listeners.dialects[0].url == f"http://[::1]:{listeners.dialects[0].port}"
        socket.create_connection(("::1", listeners.dialects[0].port)).close()


async def test_what_is_answered_is_sent_at_once() -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted.put(writer)

    with listen(settings()) as listeners:
        [listener] = listeners
        async with await asyncio.start_server(note, sock=listener.socket):
            _, client = await asyncio.open_connection("127.0.0.1", listener.port)
            served = await accepted.get()
            connection = served.get_extra_info("socket")
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            for writer in (client, served):
                writer.close()
                await writer.wait_closed()


def test_closing_frees_every_port() -> None:
    with listen(settings(("a", 0))) as listeners:
        main, own = (each.port for each in listeners)
    with listen(settings(("a", own), port=main)) as again:
        assert [each.port for each in again] == [main, own]


def test_a_taken_port_is_named_with_its_dialect_and_the_others_are_freed() -> None:
    with listen(settings()) as other, listen(settings()) as freed:
        taken, main = other.main.port, freed.main.port
        freed.close()
        with pytest.raises(AddressUnusable) as raised:
            listen(settings(("a", taken), port=main))
        listen(settings(port=main)).close()
    assert f"127.0.0.1 port {taken} for a cannot be served on" in raised.value.message
    assert "--listen a=PORT" in raised.value.message


def test_a_taken_main_port_is_named_without_a_dialect() -> None:
    with listen(settings()) as other:
        taken = other.main.port
        with pytest.raises(AddressUnusable) as raised:
            listen(settings(("a", 0), port=taken))
    assert raised.value.message.startswith(f"127.0.0.1 port {taken} cannot be served on")
    assert "--port" in raised.value.message


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(AddressUnusable, match="cannot be served on"):
        listen(settings(host=host), protected=True)


@pytest.mark.parametrize(
    "open_to_others",
    [
        settings(host="0.0.0.0"),
        settings(("a", 0, "0.0.0.0")),
        pytest.param(settings(("a", 0, "::")), marks=without_ipv6),
    ],
)
def test_an_address_for_others_needs_a_key_or_a_word(open_to_others: Settings) -> None:
    with pytest.raises(AddressUnusable, match=r"darkroom keys add.*--insecure"):
        listen(open_to_others)
    listen(open_to_others, protected=True).close()
    listen(open_to_others.model_copy(update={"insecure": True})).close()


def test_an_address_for_everybody_is_shown_as_one_that_can_be_opened() -> None:
    with listen(
        settings(("a", 0), host="0.0.0.0", base_url="https://d.example/"), protected=True
    ) as found:
        assert found.main.url == f"http://127.0.0.1:{found.main.port}"
        assert found.dialects[0].url == f"http://127.0.0.1:{found.dialects[0].port}"
        assert found.url(Settings()) == found.main.url
        assert found.url(Settings(base_url="https://d.example/")) == "https://d.example"


# --- the settings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tables",
    [
        [{"dialect": "a", "port": 8000}],
        [{"dialect": "a", "port": 8000, "host": "127.0.0.2"}],
        [{"dialect": "a", "port": 7860}, {"dialect": "b", "port": 7860, "host": "::1"}],
    ],
)
def test_a_port_used_twice_is_refused_on_other_addresses_too(tables: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigurationError, match=r"\[\[listen\]\] a: port \d+ is used twice"):
        load_settings(listen=tables)


def test_free_ports_are_never_the_same() -> None:
    assert len(load_settings(port=0, listen=[{"dialect": "a", "port": 0}] * 2).listen) == 2


def test_the_command_line_replaces_the_files_listeners(tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    path.write_text('[[listen]]\ndialect = "a"\nport = 1234\n')
    assert load_settings(path).listen[0].port == 1234
    (entry,) = load_settings(path, listen=[entry_of("b=[::1]:5050")]).listen
    assert (entry.dialect, entry.host, entry.port) == ("b", "::1", 5050)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("krea=7860", ("krea", None, 7860)),
        ("a1=0", ("a1", None, 0)),
        (" a=127.0.0.1:5050 ", ("a", "127.0.0.1", 5050)),
        ("a=images.example.org:80", ("a", "images.example.org", 80)),
        ("a=[fd00::1]:80", ("a", "fd00::1", 80)),
    ],
)
def test_what_the_option_means(text: str, entry: tuple[str, str | None, int]) -> None:
    found = entry_of(text)
    assert (found["dialect"], found["host"], found["port"]) == entry


@pytest.mark.parametrize("text", ["", "7860", "a", "a=", "=1", "a=x", "a=::1:80", "a=h:", "a=-1"])
def test_what_the_option_does_not_mean(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="krea=7860"):
        entry_of(text)


def test_a_port_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"listen.*port.*65535"):
        load_settings(listen=[entry_of("a=99999")])


@pytest.mark.parametrize("proxy", ["proxy.example", "10.0.0.0/33", "*", "10.0.0.1/8"])
def test_a_proxy_is_an_address_or_a_network(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        load_settings(trusted_proxies=[proxy])
