"""The HTTP contract of `flask_deploy.py`, a room a file: pictures in, problems out."""
