"""Where the deployment tests find what they look at."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
for folder in (ROOT / "benchmarks", DEPLOY, DEPLOY / "smoke", DEPLOY / "pipeline"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import all_targets  # noqa: E402
import asking  # noqa: E402
import bundle  # noqa: E402
import canary  # noqa: E402
import cost  # noqa: E402
import dockerfile  # noqa: E402
import hundred  # noqa: E402
import kubernetes_canary  # noqa: E402
import release_files  # noqa: E402
import roots  # noqa: E402
import watching  # noqa: E402

__all__ = [
    "DEPLOY",
    "ROOT",
    "all_targets",
    "asking",
    "bundle",
    "canary",
    "cost",
    "dockerfile",
    "hundred",
    "kubernetes_canary",
    "release_files",
    "roots",
    "watching",
]
