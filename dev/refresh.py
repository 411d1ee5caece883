"""Refresh what is generated from Criteo's contract: ``make refresh``.

    python -m dev.refresh SPECIFICATIONS [DOCUMENTED]

SPECIFICATIONS is a folder as ``dev.contract_live --save`` makes it. DOCUMENTED has what Criteo's pages say beyond them:
``columns.json``, ``limits.json`` and ``report-types.json``, as ``dev.update_columns`` and ``dev.update_limits`` read
them; without it the columns and limits stay as they are. The catalogue's page follows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dev import catalogue_table, update_columns, update_limits, update_specification


def main(arguments: list[str] | None = None) -> None:
    """Write the data files and the catalogue's page."""
    parser = argparse.ArgumentParser(description="Refresh what is generated from Criteo's contract.")
    parser.add_argument("specifications", type=Path, help="a folder of OpenAPI files")
    parser.add_argument("documented", type=Path, nargs="?", help="a folder with the columns, limits and report types")
    options = parser.parse_args(arguments)
    update_specification.main(options.specifications)
    if options.documented:
        update_columns.main(options.documented / "columns.json")
        update_limits.main(options.documented / "limits.json", options.documented / "report-types.json")
    catalogue_table.main()


if __name__ == "__main__":
    main()
