"""How Dagster's asset graph is told to open with its groups expanded: by what its page keeps in the browser, or in its address.

Dagster itself has no setting for it. If another version keeps it elsewhere, the graph opens collapsed, and nothing else happens.
"""

from __future__ import annotations

GROUPS = ("configuration", "sources", "tracks", "dataset", "training", "evaluation", "audit")
"""The groups of the assets, in the order of the way."""
GRAPH = "/asset-groups"
EXPANDED = ",".join(f"global@global:{group}" for group in GROUPS)
"""What the page keeps under `asset-graph-open-graph-nodes-global-__GLOBAL__`, and takes as `expanded` in its address."""
