// The segment list: dragging by the six dots. The Move buttons are the same for everybody and need no script.
"use strict";
{
  const body = $("#seg-rows");
  const rows = () => $$("tr[data-id]", body);
  let drag = null, start = -1;
  body.addEventListener("pointerdown", (event) => {
    const dots = event.target.closest("[data-drag]");
    if (dots) dots.closest("tr").draggable = true;
  });
  body.addEventListener("dragstart", (event) => {
    drag = event.target.closest("tr");
    start = rows().indexOf(drag);
    drag.classList.add("dragging");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", drag.dataset.name);
  });
  body.addEventListener("dragover", (event) => {
    const over = event.target.closest("tr[data-id]");
    if (!drag) return;
    event.preventDefault();
    if (!over || over === drag) return;
    const box = over.getBoundingClientRect();
    if (event.clientY > box.top + box.height / 2) over.after(drag); else over.before(drag);
  });
  body.addEventListener("drop", (event) => event.preventDefault());
  body.addEventListener("dragend", () => {
    if (!drag) return;
    const row = drag, place = rows().indexOf(row);
    row.classList.remove("dragging"); row.draggable = false; drag = null;
    if (place !== start) htmx.ajax("POST", $("form.mover", row).action, { target: "#seg-rows", values: { place: place + 1 } });
  });
  // At the ends a Move button has nowhere to go.
  body.addEventListener("click", (event) => {
    if (event.target.closest("[aria-disabled=true]")) { event.preventDefault(); event.stopPropagation(); }
  }, true);
}
