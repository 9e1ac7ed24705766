// Alerts and tasks by keyboard: J and K move, Enter opens, X ticks; other keys press or reach the control that names them in
// the one that is open (E closes, S and A lead to the choices, 1 and 2 put a task off), N opens the form of a new one.
"use strict";
{
  const rows = () => $$("[data-alert], [data-task]");
  let at = rows().findIndex((row) => row.classList.contains("here"));
  document.addEventListener("keydown", (event) => {
    if (typing(event)) return;
    const all = rows(), move = { j: 1, k: -1 }[event.key];
    if (move && all.length) {
      at = Math.max(0, Math.min(all.length - 1, at + move));
      $("a", all[at]).focus();
    } else if (event.key === "x" && all[at]) {
      const box = $("input[type=checkbox]", all[at]);
      if (box) { box.checked = !box.checked; announce(`${$$("[data-alert] input:checked, [data-task] input:checked").length} ticked`, "selection"); }
    } else if (/^[a-z0-9]$/.test(event.key)) {
      const control = $(`#alert [data-key="${event.key}"], #task [data-key="${event.key}"], summary[data-key="${event.key}"]`);
      if (!control) return;
      event.preventDefault();
      if (control.matches("button, summary")) control.click(); else control.focus();
      if (control.matches("summary")) $("input:not([type=hidden])", control.parentElement)?.focus();
    }
  });
}
