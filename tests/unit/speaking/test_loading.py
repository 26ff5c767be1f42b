"""What is wrong with a dialect, its settings or its place is said, and harms no other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.app import create_app, create_service
from server.config import Settings
from server.errors import ConfigurationError
from server.plugins.manager import discover

SOUND = """
from pydantic import BaseModel
from starlette.responses import JSONResponse
from darkroom.dialects import Dialect, Face, Faces, hookimpl, open_to_all

class Options(BaseModel, extra="forbid"):
    greeting: str = "hello"

def render(error, connection):
    return JSONResponse({"error": error.message}, error.status)

def build(host):
    def face(prefix):
        router = host.router(render, prefix=prefix)
        @router.get("/greet")
        @open_to_all
        async def greet():
            return host.options.greeting
        return Face(router, render, (prefix,) if prefix else ())
    return Faces((face("/sound"),), lambda: face(""))

@hookimpl
def register_dialects():
    return [Dialect("sound", "Sound", "sound:build", Options)]
"""

LISTEN = [{"dialect": "sound", "port": 0}]

FAULTY = {
    "raises": ("def build(host): raise RuntimeError('no today')", "RuntimeError: no today"),
    "unmarked": (
        "def build(host):\n    @host.router(None).get('/x')\n    async def x(): pass\n",
        "says not who may use it",
    ),
    "no_faces": ("def build(host): return 7", "return `Faces`"),
    "nothing": ("", "build"),
}


def settings(folder: Path, **more: Any) -> Settings:
    return Settings(
        data=folder / "data", plugin_folder=folder / "plugins", executor="inline", **more
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "sound.py").write_text(SOUND)
    path, modules = [*sys.path], {*sys.modules}
    yield tmp_path
    # The next test has other modules of these names.
    sys.path[:] = path
    for name in {*sys.modules} - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(plugins)):
            del sys.modules[name]


@pytest.mark.parametrize("name", FAULTY)
def test_a_dialect_that_cannot_be_built_is_told_of_and_harms_no_other(
    folder: Path, name: str
) -> None:
    code, fault = FAULTY[name]
    module = f"faulty_{name}"
    announce = f"return [Dialect('faulty', 'Faulty', '{module}:build')]"
    (folder / "plugins" / f"{module}.py").write_text(
        "from darkroom.dialects import Dialect, hookimpl\n"
        f"{code}\n@hookimpl\ndef register_dialects():\n    {announce}\n"
    )
    service = create_service(settings(folder))
    app = create_app(service.settings, service)
    assert "sound" in app.state.spoken
    assert "faulty" not in app.state.spoken
    faults = {record.name: " ".join(record.faults) for record in service.plugins.records()}
    assert fault in faults[module]
    assert faults["sound"] == ""
    with pytest.raises(ConfigurationError, match=r"\[\[listen\]\] faulty"):
        create_app(settings(folder, listen=[{"dialect": "faulty", "port": 0}]), service)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"dialects": {"sond": {}}}, "did you mean `sound`"),
        ({"listen": [{"dialect": "zzz", "port": 0}]}, "there is no dialect of this name"),
        (
            {
                "listen": [{"dialect": "sound", "port": 0}],
                "dialects": {"sound": {"enabled": False}},
            },
            "`enabled` is false",
        ),
        ({"dialects": {"sound": {"greting": "x"}}}, "greting"),
        ({"dialects": {"sound": {"model": "nothing"}}}, r"model: There is no model 'nothing'"),
        ({"dialects": {"sound": {"model": "lanczos"}}}, "no images from words"),
    ],
)
def test_settings_that_cannot_be_used(folder: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_app(settings(folder, **more))


def test_options_are_the_dialects_own_class(folder: Path) -> None:
    app = create_app(settings(folder, dialects={"sound": {"greeting": "ahoy"}}))
    [route] = app.state.spoken["sound"].faces.own().router.routes
    assert route.path == "/greet"


@pytest.mark.parametrize(
    ("own", "fault"), [("lambda: 1 / 0", "ZeroDivisionError"), ("lambda: 7", "is no `Face`")]
)
def test_a_face_of_its_own_is_made_where_somebody_listens(
    folder: Path, own: str, fault: str
) -> None:
    (folder / "plugins" / "sound.py").write_text(SOUND.replace('lambda: face("")', own))
    assert "sound" in create_app(settings(folder)).state.spoken
    with pytest.raises(ConfigurationError, match=rf"\[\[listen\]\] sound: .*{fault}"):
        create_app(settings(folder, listen=LISTEN))


def test_a_dialect_that_is_off_has_no_routes(folder: Path) -> None:
    app = create_app(settings(folder, dialects={"sound": {"enabled": False}}))
    assert "sound" not in app.state.spoken


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ("Dialect('Sound!', 'S', 'sound:build')", "write its name in lower case"),
        ("Dialect('native', 'S', 'sound:build')", "already used by the server"),
        (
            "Dialect('openai2', 'S', 'x:y'), Dialect('openai2', 'S', 'x:y')",
            "already used by second",
        ),
        ("Dialect('other', 'S', 'no colon')", "module:callable"),
        ("Dialect('other', 'S', 'sound:build', options=3)", "BaseModel"),
        ("Dialect('other', 'S', 'sound:build', rate_limits={'pro': 'often'})", "no rate limit"),
        ("'krea'", "return `Dialect` objects"),
    ],
)
def test_a_faulty_record_is_refused(folder: Path, record: str, fault: str) -> None:
    (folder / "plugins" / "second.py").write_text(
        "from darkroom.dialects import Dialect, hookimpl\n"
        f"@hookimpl\ndef register_dialects():\n    return [{record}]\n"
    )
    plugins = discover(folder / "plugins", dialects="server.dialects")
    [found] = [entry for entry in plugins.records() if entry.name == "second"]
    assert fault in " ".join(found.faults)
    assert "other" not in plugins.dialects


def test_workers_ask_for_no_dialects(folder: Path) -> None:
    assert "sound" not in discover(folder / "plugins").dialects
