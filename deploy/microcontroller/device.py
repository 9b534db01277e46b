"""Stand in for a device that reads digits: TensorFlow Lite Micro behind two pipes.

    python device.py mnist_tiny.int8.tflite

What such a device would take over a serial line comes by the standard input: 784 bytes an image,
the tensor of 28x28 signed whole numbers. Eleven go back by the standard output: `is_digit` and the
ten probabilities. The memory that the interpreter has set aside is told first, on standard error.
"""

import sys
from pathlib import Path

import numpy as np
from tflite_micro.python.tflite_micro import runtime

SIDE, CLASSES = 28, 10


def main(file: str) -> int:
    """Answer images until the input ends; return the exit status."""
    device = runtime.Interpreter.from_bytes(Path(file).read_bytes())
    device.print_allocations()
    while len(image := sys.stdin.buffer.read(SIDE * SIDE)) == SIDE * SIDE:
        device.set_input(np.frombuffer(image, np.int8).reshape(1, SIDE, SIDE, 1), 0)
        device.invoke()
        outputs = sorted((device.get_output(number).ravel() for number in (0, 1)), key=len)
        assert [len(output) for output in outputs] == [1, CLASSES]
        sys.stdout.buffer.write(b"".join(output.tobytes() for output in outputs))
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
