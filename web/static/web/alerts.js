// Alerts and tasks by keyboard: J and K move, Enter opens, X ticks. E, S, A, 1 and 2 press what bears them above the list, for
// those that are ticked or else for the row that J and K have come to, and the next row is the one that is open then. Where the
// list has no such control, that of the one that is open is meant; N opens the form of a new one.
"use strict";
{
  const ROW = "[data-alert], [data-task]", LIST = ".alert-list";
  const rows = () => $$(ROW).filter((row) => row.checkVisibility()); // those of a closed group are not there
  const box = (row) => $("input[type=checkbox]", row);
  const link = (row) => $(":scope > a, :scope > details > summary", row);
  const ticked = () => rows().filter((row) => box(row)?.checked);
  const all = () => $(`${LIST} [name=scope]`)?.checked;
  const opened = () => rows().findIndex((row) => row.classList.contains("here"));
  let at = opened();

  function count() {
    const number = ticked().length, words = $("[data-ticked]");
    if (words) words.textContent = all() ? "With all of this list:" : number ? `With the ${number} ticked:` : "With those that are ticked:";
    return number;
  }
  /** What a key means: a control of the list, if there is something that it can be about, or one of what is open. */
  function named(key) {
    const control = $(`${LIST} [data-key="${key}"]`);
    if (!control) return $(`#alert [data-key="${key}"], #task [data-key="${key}"], summary[data-key="${key}"]`);
    if (all() || count()) return control;
    const row = rows()[at];
    if (!row || !box(row)) { announce("Go to a row with J or K first", "selection"); return null; }
    box(row).checked = true; count();
    return control;
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = event.target.closest(".do-menu[open]");
      if (open) { open.open = false; $("summary", open).focus(); return; }
      if (!typing(event) && (count() || all())) { for (const one of $$(`${LIST} input[type=checkbox]`)) one.checked = false; count(); announce("Selection cleared", "selection"); }
      return;
    }
    const inMenu = event.target.closest(".do-menu[open]"), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (inMenu && step && event.target.matches("button")) {
      const buttons = $$("button", inMenu);
      event.preventDefault();
      buttons[Math.max(0, Math.min(buttons.length - 1, buttons.indexOf(event.target) + step))].focus();
      return;
    }
    if (typing(event)) return;
    const here = rows(), move = { j: 1, k: -1 }[event.key];
    if (move && here.length) {
      const now = here.indexOf(document.activeElement.closest(ROW));
      at = Math.max(0, Math.min(here.length - 1, (now < 0 ? at : now) + move));
      link(here[at]).focus();
    } else if (event.key === "x" && here[at] && box(here[at])) {
      box(here[at]).click(); announce(`${count()} ticked`, "selection");
    } else if (/^[a-z0-9]$/.test(event.key)) {
      const control = named(event.key);
      if (!control) return;
      event.preventDefault();
      if (control.matches("summary")) {
        control.parentElement.open = true;
        $("input:not([type=hidden]), button", control.parentElement)?.focus();
      } else if (control.matches("button")) control.click(); else control.focus();
    }
  });
  document.addEventListener("change", (event) => { if (event.target.closest(LIST)) count(); });
  document.addEventListener("htmx:afterSettle", (event) => { if (event.target.id === "inbox") at = opened(); });
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest(ROW), place = row ? rows().indexOf(row) : -1;
    if (place >= 0) at = place;
    for (const menu of $$(".do-menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("click", (event) => {
    for (const menu of $$(".do-menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  // What was done leaves the list; the row below the last of it is open next.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches(LIST)) return;
    const here = rows(), last = here.findLastIndex((row) => box(row)?.checked);
    const next = last < 0 || all() ? null : here.slice(last + 1).find((row) => row.matches(":not(.alert-group)") && !box(row)?.checked);
    if (next) { const to = new URL(link(next).href); $("[name=next]", $(LIST)).value = to.pathname + to.search; }
  });
}
