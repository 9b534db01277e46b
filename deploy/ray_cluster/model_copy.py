"""A model's files as bytes: read where the job starts, loaded on nodes that do not have them."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import litert_runtime
import model_files
from classifier import KERAS, LITERT, Classifier


@dataclass(frozen=True)
class ModelCopy:
    """A model file, its card, and its LiteRT form with that one's card, by their names."""

    name: str  # of the model file
    version: str
    files: dict[str, bytes]

    def load(self) -> Classifier:
        """Return the model, after its digest was checked. Raises ModelError."""
        with tempfile.TemporaryDirectory(prefix="model-") as folder:
            for name, content in self.files.items():
                (Path(folder) / name).write_bytes(content)
            return Classifier.load(Path(folder) / self.name)


def read(path: Path) -> ModelCopy:
    """Return a copy of a model that was loaded once, and so is good. Raises ModelError."""
    classifier = Classifier.load(path)
    files = {
        path.name: path.read_bytes(),
        model_files.card_path(path).name: json.dumps(classifier.card).encode(),
    }
    if path.suffix == f".{KERAS}" and classifier.runtime == LITERT:
        form = litert_runtime.derived_path(path)
        for file in (form, model_files.card_path(form)):
            if file.exists():  # not on a read-only disk
                files[file.name] = file.read_bytes()
    return ModelCopy(path.name, classifier.version, files)
