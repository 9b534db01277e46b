// A view that is asked for while it is open, when the answer above it stays.
// gr.HTML runs this as the body of a function of `element`, `props`, `trigger` and `watch`.

const REST = 300; // milliseconds without a further answer, until the view is asked for
const PATIENCE = 10_000; // milliseconds without a view, until that is said
const NO_VIEW = "Nothing came yet: the program is busy, or has ended. Reload the page if nothing comes.";

const details = element.querySelector("details");
const body = element.querySelector(".unfold-body");

let answers = 0; // counts them, and what has made one out of date
let settled = true; // the answer that is shown stays
let shown = -1; // how many there were when what is shown was asked for
let asked = -1; // and when what is under way was
let waiting; // until it is asked for
let late; // until patience ends

function mark() {
  body.setAttribute("aria-busy", String(shown !== answers));
}

function ask() {
  clearTimeout(waiting);
  clearTimeout(late);
  if (!details.open || !settled || shown === answers) return;
  asked = answers;
  mark();
  props.value = null; // so that what comes is new, even if it is the same
  late = setTimeout(() => (body.textContent = NO_VIEW), PATIENCE);
  trigger("input");
}

const whileThere = new AbortController();
function heard({ detail }) {
  if (!element.isConnected) return whileThere.abort();
  answers += 1;
  settled = Boolean(detail?.settled);
  mark();
  clearTimeout(waiting);
  if (settled) waiting = setTimeout(ask, REST);
}
for (const name of ["outdated", "answered"]) {
  document.addEventListener(name, heard, { signal: whileThere.signal });
}
details.addEventListener("toggle", ask);
watch("value", () => {
  if (!props.value) return; // it was asked for just now
  clearTimeout(late);
  body.innerHTML = props.value; // written by the server, which escapes what it was sent
  shown = asked;
  mark();
});
