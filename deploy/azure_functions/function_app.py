"""Azure Functions: every request of the host goes to the API's one application."""

import azure.functions

import config
from api import logs
from api.app import create_app
from classifier import Classifier

settings = config.settings()
logs.set_up(settings.log_format)
app = azure.functions.WsgiFunctionApp(
    create_app(Classifier.load(settings.model), settings),
    # The key, if any is wanted, is MNIST_API_KEY, as everywhere.
    http_auth_level=azure.functions.AuthLevel.ANONYMOUS,
    function_name="read",
)
