"""A Hugging Face Space: the drawing page, with a model of its own."""

import sys

from gradio_interface import main

if __name__ == "__main__":
    sys.exit(main(["--host", "0.0.0.0"]))
