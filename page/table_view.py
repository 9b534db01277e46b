"""A batch as a person sees it: how far the work has come, then a table to be sorted."""

import html
from collections.abc import Sequence

from page.answer_view import percent
from page.batch import Row, counted, summary

COLUMNS = ("No.", "Picture", "File", "Digit", "Confidence", "Reading")
UNSORTED = "Picture"
CAPTION = "What was read in each picture"
SORTING = "A column's name sorts by it."
NO_DIGIT = "–"
HIDDEN = 'class="batch-hidden"'


def note(text: str, fault: bool = False) -> str:
    """Return HTML for a line about the batch; `text` may hold any text."""
    mood = " fault" * fault
    text = text[:1].upper() + text[1:]
    return f'<p class="batch-note{mood}" role="status">{html.escape(text)}</p>'


def progress(done: int, of: int, waiting: bool = False) -> str:
    """Return HTML for a batch at work; waiting: for an API that has too much to do."""
    said = f"{done:,} of {counted(of, 'picture')} read"
    if waiting:
        said += "; the server that reads them has too much to do, waiting for it"
    return (
        f'<p class="batch-note">{said}</p>'
        f'<progress class="batch-progress" max="{of}" value="{done}" aria-label="Pictures read">'
        f"{said}</progress>"
    )


def done(rows: Sequence[Row], of: int) -> str:
    """Return HTML for the end of a batch, which was stopped if there are fewer rows than files."""
    stopped = f"Stopped at {len(rows):,} of {of:,}: " if len(rows) < of else ""
    return note(stopped + summary(rows))


def table(rows: Sequence[Row]) -> str:
    """Return HTML for rows, empty for none; table.js sorts it."""
    if not rows:
        return ""
    head = "".join(_heading(number, name) for number, name in enumerate(COLUMNS))
    body = "".join(_row(number, row) for number, row in enumerate(rows, 1))
    # The roles keep it a table for screen readers where a phone's style lays it out otherwise.
    return (
        f'<div class="batch-scroll" role="region" aria-label="{CAPTION}" tabindex="0">'
        f'<table class="batch-table" role="table"><caption>{CAPTION}. '
        f"<span {HIDDEN}>{SORTING}</span></caption>"
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table></div>'
    )


def _heading(number: int, name: str) -> str:
    if name == UNSORTED:
        return f'<th role="columnheader" scope="col">{name}</th>'
    order = "ascending" if number == 0 else "none"
    return (
        f'<th role="columnheader" scope="col" aria-sort="{order}">'
        f'<button type="button" data-column="{number}">{name}</button></th>'
    )


def _row(number: int, row: Row) -> str:
    """Return a row; where what it is sorted by is not its text, that stands in data-key."""
    mood = "fault" if row.answer is None else "doubtful" if row.is_doubtful else ""
    if row.answer is None:
        digit, confidence, key = NO_DIGIT, NO_DIGIT, ""
    else:
        digit = str(row.answer["digit"]) + "?" * row.is_doubtful
        confidence = percent(row.answer["confidence"], 1)
        key = f"{row.answer['confidence']:.9f}"
    return (
        f'<tr role="row" class="{mood}">'
        f'<td role="cell" class="batch-number">{number}</td>'
        f'<td role="cell" class="batch-pictures">{_picture(row.original, "The picture")}'
        f"{_picture(row.seen, 'What the model saw')}</td>"
        f'<th role="rowheader" scope="row" class="batch-file">{html.escape(row.name)}</th>'
        f'<td role="cell" class="batch-digit" data-key="{digit[:1].strip(NO_DIGIT)}">{digit}</td>'
        f'<td role="cell" class="batch-confidence" data-key="{key}">{confidence}</td>'
        f'<td role="cell" class="batch-words">{html.escape(_sentence(row))}</td></tr>'
    )


def _sentence(row: Row) -> str:
    return row.words[:1].upper() + row.words[1:]


def _picture(url: str, alt: str) -> str:
    if not url:
        return ""
    return f'<img src="{url}" alt="{alt}" loading="lazy" decoding="async" width="44" height="44">'
