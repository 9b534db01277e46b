"""AWS Lambda: an event becomes a request to the API's one application, its response an answer.

For events of API Gateway (REST and HTTP APIs), function URLs and load balancers. The model is
loaded as the module is imported: Lambda counts that as the start, and keeps it between requests.
"""

from apig_wsgi import make_lambda_handler

import config
from api import logs
from api.app import create_app
from classifier import Classifier

settings = config.settings()
logs.set_up(settings.log_format)
handler = make_lambda_handler(
    create_app(Classifier.load(settings.model), settings), binary_support=True
)
