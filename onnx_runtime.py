"""The ONNX runtime: a model file in the format that most other runtimes read."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

import model_files
import quiet
from outputs import IS_DIGIT, PROBABILITIES, Outputs, Predict

REQUIREMENTS = "pip install -r requirements-export.txt -c requirements.lock"


def installed() -> bool:
    """Return whether ONNX Runtime is there."""
    return find_spec("onnxruntime") is not None


def load(path: Path) -> Predict:
    """Return what answers with an ONNX file, from any thread. Raises ModelError.

    Every answer is computed by the thread that asks, as with the other runtimes.
    """
    if not installed():
        raise model_files.ModelError(
            f"{path} needs ONNX Runtime, which is not installed",
            f"`{REQUIREMENTS}`, or serve the Keras file",
        )
    with quiet.notices_aside():
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # its builds for Windows would send some
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        try:
            session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception:  # of kinds of its own, in words of its own
            session = None
    if session is None:
        raise model_files.ModelError(
            f"{path} is not an ONNX model file, or is damaged", model_files.remedy(path)
        )
    (given,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    # An only one is the probabilities, whatever its name.
    meant = [PROBABILITIES] if len(names) == 1 else names

    def predict(images: np.ndarray) -> Outputs:
        said = dict(zip(meant, session.run(names, {given.name: images}), strict=True))
        is_digit = said.get(IS_DIGIT)  # (N, 1)
        return Outputs(
            said[PROBABILITIES], None if is_digit is None else is_digit.reshape(len(images))
        )

    return predict
