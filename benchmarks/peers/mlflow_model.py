"""The reader as an MLflow model.

    python mlflow_model.py FOLDER        saves it there; then
    mlflow models serve --model-uri FOLDER --env-manager local --host 127.0.0.1 --port PORT

MLflow's /invocations takes JSON: the picture is base64 text under "inputs". Without a signature
nothing is checked or converted on the way, which is quickest.
"""

import base64
import sys
from typing import Any

import core
import mlflow.pyfunc


class Reader(mlflow.pyfunc.PythonModel):
    def load_context(self, context: Any) -> None:
        self.read = core.load_reader()

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[dict]:
        return [self.read(base64.b64decode(str(picture))) for picture in model_input]


def main() -> None:
    """Save the model."""
    mlflow.pyfunc.save_model(sys.argv[1], python_model=Reader(), pip_requirements=["mlflow"])


if __name__ == "__main__":
    main()
