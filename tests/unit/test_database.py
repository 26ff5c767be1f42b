"""Opening, migrating and refusing database files."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, select, text

from server.database import HEAD, Database, examine, lora_facts, lora_files, metadata, state
from server.errors import DatabaseUnreadable
from server.memory import Memory
from server.migrations import newest
from server.migrations.run import configuration, upgrade
from tests.servers import ROOT


def test_a_new_database_has_the_newest_revision(tmp_path: Path) -> None:
    path = tmp_path / "darkroom.db"
    Database(path).close()
    assert examine(path)[0] == HEAD
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD


def everything(path: Path) -> list[tuple[str, ...]]:
    """All that a database file holds, and how it was made."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")
        return sorted(tuple(map(str, row)) for row in found.fetchall())


def test_a_new_database_is_what_the_migrations_make(tmp_path: Path) -> None:
    Database(tmp_path / "new.db").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.connect() as connection:
        upgrade(connection)
    engine.dispose()
    made = everything(tmp_path / "new.db")
    assert made == everything(tmp_path / "migrated.db") and len(made) > 20
    assert newest.script() == newest.SCRIPT.read_text(encoding="utf-8"), "run `make docs`"


def test_a_new_database_is_made_without_alembic(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from server.database import Database\n"
    code += "Database(Path(sys.argv[1])).close(); print('alembic' in sys.modules)"
    command = [sys.executable, "-c", code, str(tmp_path / "darkroom.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_a_new_database_that_cannot_be_made_whole_stays_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "newest.sql"
    script.write_text("CREATE TABLE jobs (id);\nCREATE TABLE jobs (id);\n")
    monkeypatch.setattr(newest, "SCRIPT", script)
    with pytest.raises(DatabaseUnreadable, match="already exists"):
        Database(tmp_path / "darkroom.db")
    assert everything(tmp_path / "darkroom.db") == []


def test_the_migrations_make_exactly_the_tables_of_the_code() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        upgrade(connection)
        context = MigrationContext.configure(connection)
        differences = [item for item in compare_metadata(context, metadata) if _ours(item)]
    engine.dispose()
    assert differences == []


def _ours(difference: object) -> bool:
    """The search index's own tables are SQLite's, not the metadata's."""
    return "images_search" not in repr(difference)


def test_an_opened_database_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "darkroom.db"
    first = Database(path)
    with first.writing() as connection:
        connection.execute(insert(state).values(key="a", value=1))
    first.close()
    second = Database(path)
    with second.reading() as connection:
        assert connection.execute(select(state.c.value)).scalar() == 1
    second.close()


def test_a_database_of_the_first_revision_gets_the_new_tables_and_keeps_its_rows(
    tmp_path: Path,
) -> None:
    path = tmp_path / "darkroom.db"
    config = configuration()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(insert(state).values(key="a", value=[1]))
        connection.execute(
            text(
                "INSERT INTO images VALUES (7, 'f.png', 'j', 0, 'm', 'f', 'a red house', 64, 64, "
                "'{}', '2026-01-01', 1.0, 9)"
            )
        )
    engine.dispose()
    assert examine(path)[0] == "0001"
    database = Database(path)
    with database.reading() as connection:
        assert connection.execute(select(state.c.value)).scalars().all() == [[1]]
        found = text("SELECT rowid FROM images_search WHERE images_search MATCH 'house'")
        assert connection.execute(found).scalars().all() == [7]
        assert connection.execute(select(lora_files)).all() == []
        assert connection.execute(select(lora_facts)).all() == []
    database.close()
    assert examine(path)[0] == HEAD


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"x" * 500]
)
def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "darkroom.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseUnreadable, match="Move it away"):
        Database(path)
    assert path.read_bytes() == content


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "darkroom.db"
    Database(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(DatabaseUnreadable, match="newer Darkroom"):
        Database(path)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "darkroom.db").mkdir()
    with pytest.raises(DatabaseUnreadable):
        Database(tmp_path / "darkroom.db")


def test_a_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "darkroom.db")
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        connection.execute(insert(state).values(key="a", value=1))
        raise ZeroDivisionError
    with database.reading() as connection:
        assert connection.execute(select(state)).all() == []
    database.close()


def test_writers_on_many_threads_wait_for_each_other(tmp_path: Path) -> None:
    database = Database(tmp_path / "darkroom.db")

    def write(number: int) -> None:
        for turn in range(10):
            with database.writing() as connection:
                connection.execute(insert(state).values(key=f"{number} {turn}", value=0))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        assert len(connection.execute(select(state)).all()) == 80
    database.close()


def test_values_are_remembered(tmp_path: Path) -> None:
    database = Database(tmp_path / "darkroom.db")
    memory = Memory(database)
    assert memory.recall("x") is None
    memory.remember("x", {"a": 1})
    memory.remember("x", {"a": 2})
    assert memory.recall("x") == {"a": 2}
    database.close()
