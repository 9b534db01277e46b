"""The drawing page of `gradio_interface.py`, a room a file: layout, answer, pad and style."""
