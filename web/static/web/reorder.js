// Dragging the items of a list by their six dots (segments, health configs). The Move buttons are the same for everybody and
// need no script. An item has `data-id`, `data-name` and the form of its Move buttons, which takes its new place, too.
"use strict";
for (const box of $$("[data-reorder]")) {
  const items = () => $$("[data-id]", box), item = (node) => node.closest("[data-id]");
  let drag = null, start = -1;
  box.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[data-drag]")) item(event.target).draggable = true;
  });
  box.addEventListener("dragstart", (event) => {
    drag = item(event.target);
    if (!drag) return;
    start = items().indexOf(drag);
    drag.classList.add("dragging");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", drag.dataset.name);
  });
  box.addEventListener("dragover", (event) => {
    const over = item(event.target);
    if (!drag) return;
    event.preventDefault();
    if (!over || over === drag) return;
    const area = over.getBoundingClientRect();
    if (event.clientY > area.top + area.height / 2) over.after(drag); else over.before(drag);
  });
  box.addEventListener("drop", (event) => event.preventDefault());
  box.addEventListener("dragend", () => {
    if (!drag) return;
    const moved = drag, place = items().indexOf(moved), form = $("form.mover", moved);
    moved.classList.remove("dragging"); moved.draggable = false; drag = null;
    if (place !== start) htmx.ajax("POST", form.action, { target: `#${box.id}`, values: { ...Object.fromEntries(new FormData(form)), place: place + 1 } });
  });
  // At the ends a Move button has nowhere to go.
  box.addEventListener("click", (event) => {
    if (event.target.closest("[aria-disabled=true]")) { event.preventDefault(); event.stopPropagation(); }
  }, true);
}
