"""Google Cloud Functions: a request is answered by the API's one application.

functions-framework --target read            in the bundle's folder; it listens on $PORT
"""

import functions_framework
from flask import Request
from werkzeug.wrappers import Response

import config
from api import logs
from api.app import create_app
from classifier import Classifier

settings = config.settings()
logs.set_up(settings.log_format)
app = create_app(Classifier.load(settings.model), settings)


@functions_framework.http
def read(request: Request) -> Response:
    """Answer any request of the contract."""
    return Response.from_app(app, request.environ)
