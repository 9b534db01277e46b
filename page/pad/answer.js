// The answer: shows what the pad has got. While it is busy, the answer that it shows is an earlier
// one, or one to a stroke that is still drawn: answer.css marks it, no screen reader reads it out.
const whileThere = new AbortController();
function listen(name, act) {
  const heard = ({ detail }) => (element.isConnected ? act(detail) : whileThere.abort());
  document.addEventListener(name, heard, { signal: whileThere.signal });
}

listen("outdated", () => element.setAttribute("aria-busy", "true"));
listen("answered", ({ html, settled }) => {
  props.value = html;
  element.setAttribute("aria-busy", String(!settled));
});
