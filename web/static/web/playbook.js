// Dragging the steps of a playbook by their six dots. The Move buttons are the same for everybody and need no script.
"use strict";
{
  const editor = $("#rule-editor");
  let drag = null, start = -1;
  const list = () => $("[data-steps]", editor), steps = () => $$(":scope > [data-id]", list()), step = (node) => node.closest?.("[data-steps] > [data-id]");
  editor?.addEventListener("pointerdown", (event) => { if (event.target.closest("[data-drag]")) step(event.target).draggable = true; });
  editor?.addEventListener("dragstart", (event) => {
    drag = step(event.target);
    if (!drag?.draggable) { drag = null; return; }
    start = steps().indexOf(drag);
    drag.classList.add("dragging");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", drag.dataset.name);
  });
  editor?.addEventListener("dragover", (event) => {
    const over = drag && step(event.target);
    if (!drag) return;
    event.preventDefault();
    if (!over || over === drag) return;
    const area = over.getBoundingClientRect();
    if (event.clientY > area.top + area.height / 2) over.after(drag); else over.before(drag);
  });
  editor?.addEventListener("drop", (event) => event.preventDefault());
  editor?.addEventListener("dragend", () => {
    if (!drag) return;
    const moved = drag, place = steps().indexOf(moved), button = $("[data-place]", moved);
    moved.classList.remove("dragging"); moved.draggable = false; drag = null;
    if (place === start) return;
    // The inputs go in the order of the steps; the server is told the place among those as they were.
    if (start < place) steps()[start].before(moved); else steps()[start].after(moved);
    button.value = `place:${moved.dataset.id}:${place}`;
    button.click();
    announce(`${moved.dataset.name} moved to place ${place + 1}`);
  });
}
