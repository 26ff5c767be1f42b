"""Hands what is known of LoRAs to another database."""

from __future__ import annotations

from sqlalchemy import insert, select

from server.database import Database, lora_facts, lora_files


def copy_known(source: Database, target: Database) -> None:
    """Let a new database know the LoRAs of another: the files as they were read, which then need
    not be read again, and the user's edits, what civitai says, and the ids they have had. Blocks.

    Args:
        source: it stays as it is.
        target: without a LoRA so far.

    Raises:
        DatabaseUnavailable
    """
    for table in (lora_files, lora_facts):
        with source.reading() as connection:
            rows = [dict(row) for row in connection.execute(select(table)).mappings()]
        if rows:
            with target.writing() as connection:
                connection.execute(insert(table), rows)
