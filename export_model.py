"""Write the model file in the forms that other runtimes read, each with a card beside it.

    python export_model.py                          all forms, in exports/
    python export_model.py --forms litert-int8      one of them
    python export_model.py --version 2              the next version for TensorFlow Serving

A form that does not give the model file's answers is refused, and nothing of it is written. What
is chosen is chosen on the validation split; the test set is read for the table of parity.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import cli
import config
import exports
import model_files
import parity
import utils
from load_mnist_local import load_mnist


def _build_parser(settings: config.Settings) -> cli.Parser:
    parser = cli.parser("export_model.py", "Write the model file in other runtimes' forms.")
    add = parser.add_argument
    add("--model", type=Path, default=settings.model, help="the Keras file")
    add("--output", type=Path, default=config.EXPORT_DIR, help="the folder to write in")
    add(
        "--forms",
        nargs="+",
        choices=list(exports.FORMS),
        help="which to write (default: all that the installed packages can)",
    )
    add(
        "--version",
        type=cli.whole_number("version"),
        default=1,
        help="of the SavedModel: TensorFlow Serving serves the highest that it finds",
    )
    add("--table", type=Path, help="the table of parity (default: parity.md in the folder)")
    add("--data-dir", type=Path, default=settings.data_dir, help="the IDX files")
    return parser


def _work(args: Namespace) -> int:
    table_file = args.table or args.output / "parity.md"
    if table_file.suffix != ".md":
        raise config.ConfigError(f"--table is {table_file}: expected a name that ends in .md")
    forms = _wanted(args.forms)
    source = exports.Source(args.model, load_mnist(args.data_dir))
    cards: dict[str, model_files.Card] = {}
    refused = 0
    for name, form in forms.items():
        try:
            place, card = exports.export(source, form, args.output, args.version)
        except parity.ParityError as fault:
            print(f"export_model: {name}: {fault}", file=sys.stderr)
            refused += 1
            continue
        cards[place.relative_to(args.output).as_posix()] = card
        print(f"{cli.shown(place)}  sha256 {card['sha256'][:12]}", flush=True)
    model = ("Keras", args.model.name, args.model.stat().st_size, source.figures["test"])
    table = parity.table(model, cards)
    with utils.atomic_path(table_file) as aside:
        aside.write_text(table, "utf-8")
    print(f"\n{table}\ntable of parity: {cli.shown(table_file)}")
    return 1 if refused else 0


def _wanted(names: list[str] | None) -> dict[str, exports.Form]:
    """Return the forms to write. Raises ReaderError for one that is asked for and cannot be."""
    forms = {}
    for name in names or exports.FORMS:
        form = exports.FORMS[name]
        missing = form.missing()
        if missing and names:
            raise config.ReaderError(f"{name} needs {missing}")
        if missing:
            print(f"export_model: {name} is left out: it needs {missing}", file=sys.stderr)
            continue
        forms[name] = form
    return forms


def main(argv: Sequence[str] | None = None) -> int:
    """Write the forms; return the exit status."""
    return cli.run("export_model", _build_parser, _work, argv)


if __name__ == "__main__":
    sys.exit(main())
