// Copying of commands, and arrow keys in heatmaps. Pages work without: links and forms are plain.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  let done = "copied";
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
  } catch {
    // Plain HTTP gives no clipboard: select it, so that the keyboard can copy it.
    getSelection().selectAllChildren(source);
    done = "selected";
  }
  button.textContent = done;
  setTimeout(() => { button.textContent = "copy"; }, 2000);
});

function tell(event) {
  const cell = event.target.closest(".heatmap a");
  const output = document.getElementById("cell");
  if (cell && output) output.textContent = cell.getAttribute("aria-label");
}
document.addEventListener("focusin", tell);
document.addEventListener("mouseover", tell);

// What is shown stays when an update fails; that it has aged is said.
function connected(said) {
  const line = document.getElementById("connection");
  line.hidden = !said;
  line.textContent = said;
}
document.addEventListener("htmx:sendError", () => connected("This page is not answered any more; it shows what was known last."));
document.addEventListener("htmx:responseError", () => connected("The store does not answer; this page shows what was known last."));
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) connected(""); });

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

document.addEventListener("keydown", (event) => {
  const here = event.target.closest && event.target.closest(".heatmap a");
  const step = STEPS[event.key];
  if (!here || !step) return;
  event.preventDefault();
  const place = (cell) => [Number(cell.dataset.column), Number(cell.dataset.row)];
  const [column, row] = place(here);
  let best = null;
  let least = Infinity;
  for (const cell of here.closest(".heatmap").querySelectorAll("a")) {
    const [x, y] = place(cell);
    const along = (x - column) * step[0] + (y - row) * step[1];
    const aside = Math.abs((x - column) * step[1]) + Math.abs((y - row) * step[0]);
    if (along > 0 && along + 3 * aside < least) [best, least] = [cell, along + 3 * aside];
  }
  if (best) best.focus();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("form.axes select")) event.target.form.requestSubmit();
});
