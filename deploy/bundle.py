"""Gather what a platform takes that builds from a folder: its own files and those that read.

    python deploy/bundle.py aws_lambda --packages --zip     makes results/.bundles/aws_lambda(.zip)

The Dockerfiles' lists say which files these are, so that there is one list for all. `--packages`
installs the requirements into the folder, as AWS Lambda wants them; the other platforms do that.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "deploy" / "smoke"))
import dockerfile  # noqa: E402
import roots  # noqa: E402

DEPLOY = ROOT / "deploy"
API, PAGE = DEPLOY / "container" / "Dockerfile.api", DEPLOY / "container" / "Dockerfile.page"
SOURCES = {  # whose files a target takes besides its own
    "aws_lambda": (API,),
    "google_cloud": (API,),
    "azure_functions": (API,),
    "hugging_face": (API, PAGE),
}
PINS = ("requirements-serve.txt", "requirements.lock")
NOT_SHIPPED = ("Dockerfile", "template.yaml", "service.yaml")


def bundle(target: str, folder: Path, packages: bool = False) -> Path:
    """Fill a folder, emptied first, with all that a target is made of; return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in SOURCES[target]:
        image = dockerfile.read(file)
        for source, path in dockerfile.files(image):
            copied = folder / Path(path).relative_to(image.workdir)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copied)
    for source in sorted((DEPLOY / target).iterdir()):
        if source.is_file() and source.name not in NOT_SHIPPED:
            shutil.copyfile(source, folder / source.name)
    for name in PINS:
        shutil.copyfile(ROOT / name, folder / name)
    if packages:
        roots.install([folder / "requirements.txt"], folder=folder)
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    """Make a bundle; return the exit status."""
    parser = argparse.ArgumentParser("bundle.py", description="Gather a target's files.")
    parser.add_argument("target", choices=sorted(SOURCES))
    parser.add_argument("--packages", action="store_true", help="install the requirements too")
    parser.add_argument("--zip", action="store_true", help="pack the folder")
    args = parser.parse_args(argv)
    folder = ROOT / "results" / ".bundles" / args.target
    try:
        bundle(args.target, folder, args.packages)
        if args.zip:
            shutil.make_archive(str(folder), "zip", folder)
    except (roots.InstallError, dockerfile.DockerfileError, OSError) as fault:
        print(f"bundle: {fault}", file=sys.stderr)
        return 1
    packed = folder.with_suffix(".zip")
    said = f", {packed.stat().st_size / 1e6:.1f} MB packed" if args.zip else ""
    print(f"{folder.relative_to(ROOT)}: {roots.size_mb(folder):.1f} MB{said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
