"""The reader behind MLServer, as a custom runtime.

    mlserver start FOLDER        with MLSERVER_MODEL_IMPLEMENTATION=mlserver_model.Reader

MLServer speaks the Open Inference Protocol over HTTP without its binary extension: the picture is
a BYTES input in base64, which MLServer's own codec decodes.
"""

import core
from mlserver import MLModel
from mlserver.codecs import Base64Codec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Reader(MLModel):
    async def load(self) -> bool:
        self.read = core.load_reader()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (picture,) = Base64Codec.decode_input(payload.inputs[0])
        outputs = [
            ResponseOutput(name=name, shape=[1], datatype=datatype, data=[value])
            for (name, value), datatype in zip(
                self.read(picture).items(), ("INT64", "FP64"), strict=True
            )
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
