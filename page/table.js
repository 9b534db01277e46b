// The table of a batch is sorted by the column whose name is clicked, or chosen with the keyboard.
// gr.HTML runs this once, as the body of a function of `element`; the table in it comes later.

const orders = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function keyOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.key ?? cell.textContent;
}

// What has no key, as a digit where none was read, comes last in either order.
function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  return sign * orders.compare(a, b);
}

function sort(button) {
  const column = Number(button.dataset.column);
  const heading = button.closest("th");
  const order = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  const sign = order === "ascending" ? 1 : -1;
  const body = heading.closest("table").tBodies[0];
  const rows = [...body.rows].map((row, place) => [keyOf(row, column), place, row]);
  rows.sort(([a, first], [b, second]) => compare(a, b, sign) || first - second);
  body.append(...rows.map(([, , row]) => row));
  for (const other of heading.parentElement.cells) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  heading.setAttribute("aria-sort", order);
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-column]");
  if (button) sort(button);
});
