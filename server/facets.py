"""What images of the gallery were made with: counted by the database, whatever there is of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from server.database import Database, images


@dataclass(frozen=True, slots=True)
class Use:
    """How many images were made with a model or a LoRA, by the id that their recipes have."""

    id: str
    images: int


class Facets:
    """Counts images. Every method blocks; call it off the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def models(self) -> list[Use]:
        """All models that images were made with, in no order. One may have several ids, when what
        was its id has become another name of it, so that whoever knows them counts on.

        Raises:
            DatabaseUnavailable
        """
        return self._uses(select(images.c.model, func.count()).group_by(images.c.model))

    def loras(self) -> list[Use]:
        """All LoRAs that images were made with, in no order. One may have several ids, from when
        less was known of it, so that whoever knows them counts on.

        Raises:
            DatabaseUnavailable
        """
        listed = func.json_each(images.c.recipe, "$.loras")
        entries = listed.table_valued("value", joins_implicitly=True)
        lora = func.json_extract(entries.c.value, "$.id")
        query = select(lora, func.count(images.c.id.distinct())).select_from(images, entries)
        return self._uses(query.where(lora.is_not(None)).group_by(lora))

    def _uses(self, query: Select[Any]) -> list[Use]:
        with self._database.reading() as connection:
            return [Use(str(name), count) for name, count in connection.execute(query)]
