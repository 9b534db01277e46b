"""The Open Inference Protocol as Triton's own client speaks it, to the script itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from api_server import EIGHT, start, wait_until_ready
from conftest import free_port
from inference_requests import TEXT, THREE, check

from classifier import Classifier
from load_mnist_local import Mnist

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> np.ndarray:
    return mnist.test.images[:3]


@pytest.fixture(scope="module")
def triton() -> Iterator[Any]:
    """Triton's own client, of the script as a person starts it."""
    client = pytest.importorskip("tritonclient.http", reason="see requirements-dev.txt")
    port = free_port()
    process = start(port)
    try:
        wait_until_ready(process, port)
        with client.InferenceServerClient(f"127.0.0.1:{port}") as connected:
            yield connected
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
    assert "Traceback" not in output


def tensor(name: str, values: np.ndarray, datatype: str, **options: Any) -> Any:
    from tritonclient.http import InferInput

    return InferInput(name, list(values.shape), datatype).set_data_from_numpy(values, **options)


class TestTritonsClient:
    def test_it_finds_server_and_model(self, triton: Any, classifier: Classifier) -> None:
        assert triton.is_server_live()
        assert triton.is_server_ready()
        assert triton.is_model_ready("mnist_cnn")
        assert triton.is_model_ready("mnist_cnn", classifier.version)
        assert not triton.is_model_ready("other")
        assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
        metadata = triton.get_model_metadata("mnist_cnn")
        assert [given["name"] for given in metadata["inputs"]] == ["images", "pictures"]

    @pytest.mark.parametrize("options", [{}, {"binary_data": False}])
    def test_images(
        self, triton: Any, classifier: Classifier, digits: np.ndarray, options: dict[str, Any]
    ) -> None:
        result = triton.infer(
            "mnist_cnn", [tensor("images", digits, "FP32", **options)], request_id="seven"
        )
        assert result.get_response()["id"] == "seven"
        names = [output["name"] for output in result.get_response()["outputs"]]
        check({name: result.as_numpy(name) for name in names}, classifier, digits)

    @pytest.mark.parametrize("binary", [True, False])
    def test_an_output_as_it_is_asked_for(
        self, triton: Any, classifier: Classifier, digits: np.ndarray, binary: bool
    ) -> None:
        from tritonclient.http import InferRequestedOutput

        wanted = [InferRequestedOutput("probabilities", binary_data=binary)]
        images = tensor("images", digits, "FP32")
        result = triton.infer("mnist_cnn", [images], classifier.version, outputs=wanted)
        assert ("data" in result.get_output("probabilities")) != binary
        expected = classifier.probabilities(digits)
        np.testing.assert_allclose(result.as_numpy("probabilities"), expected, atol=1e-6)

    def test_pictures(self, triton: Any) -> None:
        pictures = np.array([EIGHT, THREE], np.object_)
        result = triton.infer("mnist_cnn", [tensor("pictures", pictures, "BYTES")])
        assert result.as_numpy("probabilities").argmax(axis=1).tolist() == [8, 3]
        text = np.array([TEXT], np.object_)
        result = triton.infer(
            "mnist_cnn",
            [tensor("pictures", text, "BYTES", binary_data=False)],
            parameters={"preprocessing": "enhanced"},
        )
        assert result.as_numpy("probabilities").argmax(axis=1).tolist() == [8]

    def test_faults_reach_the_person(self, triton: Any) -> None:
        from tritonclient.utils import InferenceServerException

        images = np.full((1, 28, 28, 1), 255, np.float32)
        with pytest.raises(InferenceServerException, match="image 1 of 1 holds 255"):
            triton.infer("mnist_cnn", [tensor("images", images, "FP32")])
        with pytest.raises(InferenceServerException, match="the one here is mnist_cnn"):
            triton.get_model_metadata("other")
        with pytest.raises(InferenceServerException, match="there is nothing here"):
            triton.get_model_config("mnist_cnn")
        many = np.zeros((65, 28, 28, 1), np.float32)
        with pytest.raises(InferenceServerException, match="at most 64"):
            triton.infer("mnist_cnn", [tensor("images", many, "FP32")])
