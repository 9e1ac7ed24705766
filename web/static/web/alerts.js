// Alerts by keyboard: J and K move, Enter opens, X ticks; E closes, S and A go to the choices of the one that is open.
"use strict";
{
  const rows = () => $$("[data-alert]");
  let at = rows().findIndex((row) => row.classList.contains("here"));
  document.addEventListener("keydown", (event) => {
    if (typing(event)) return;
    const all = rows(), move = { j: 1, k: -1 }[event.key];
    if (move && all.length) {
      at = Math.max(0, Math.min(all.length - 1, at + move));
      $("a", all[at]).focus();
    } else if (event.key === "x" && all[at]) {
      const box = $("input[type=checkbox]", all[at]);
      if (box) { box.checked = !box.checked; announce(`${$$("[data-alert] input:checked").length} ticked`, "selection"); }
    } else if (["e", "s", "a"].includes(event.key)) {
      const control = $(`#alert [data-key=${event.key}]`);
      if (control) { event.preventDefault(); if (event.key === "e") control.click(); else control.focus(); }
    }
  });
}
