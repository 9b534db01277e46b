// The answer: shows what the pad has got. Until it stays, no screen reader reads it out.
const whileThere = new AbortController();
document.addEventListener(
  "answered",
  ({ detail }) => {
    if (!element.isConnected) return whileThere.abort();
    element.setAttribute("aria-busy", String(!detail.settled));
    props.value = detail.html;
  },
  { signal: whileThere.signal },
);
