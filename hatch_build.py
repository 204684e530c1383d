"""What a wheel has beside the package: copies of the files that people edit in a checkout. An editable install reads those."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = ("config", "dagster.yaml", "workspace.yaml")


class ShippedFiles(BuildHookInterface):
    """Puts them where lofi_pipeline/installation.py looks for them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"] |= {name: f"lofi_pipeline/_resources/{name}" for name in SHIPPED}
