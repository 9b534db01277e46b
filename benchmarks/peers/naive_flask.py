"""The naive original: Flask's development server, Keras `predict` on every request.

    python naive_flask.py PORT

What most tutorials end with. It runs in the project's own environment, threaded as the
development server is by default. The picture is the raw body.
"""

import logging
import sys

from flask import Flask, Response, jsonify, request

import config
import quiet
import utils


def main() -> None:
    """Serve until ended."""
    quiet.import_tensorflow()
    import keras

    model = keras.models.load_model(config.MODEL_PATH)
    app = Flask("naive")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)

    @app.post("/predict")
    def predict() -> Response:
        image = utils.to_mnist_form(utils.decode(request.get_data()), "enhanced")
        said = model.predict(image[None], verbose=0)
        (probabilities,) = said["probabilities"] if isinstance(said, dict) else said
        digit = int(probabilities.argmax())
        return jsonify({"digit": digit, "confidence": float(probabilities[digit])})

    app.run("127.0.0.1", int(sys.argv[1]))


if __name__ == "__main__":
    main()
