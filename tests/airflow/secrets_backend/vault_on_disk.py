"""A secrets backend that can be away: connections in the files of a folder."""

from __future__ import annotations

from pathlib import Path

from airflow.secrets import BaseSecretsBackend


class VaultOnDisk(BaseSecretsBackend):
    """Gives the connections in a folder, each in a file of its name; while there is one named ``away``, none.

    :param folder: of the files.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def get_conn_value(self, conn_id: str, *arguments: object, **options: object) -> str | None:
        """The connection as JSON; None where it is not kept here."""
        if (self._folder / "away").exists():
            raise ConnectionError("the vault does not answer")
        file = self._folder / conn_id
        return file.read_text() if file.exists() else None
