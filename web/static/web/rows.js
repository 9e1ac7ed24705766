// Rows of a list: selection with a bulk bar, and moving with J and K.
"use strict";
{
  const rows = () => $$("#rows tr[data-row]");
  const box = (row) => $("input[type=checkbox]", row);
  let at = -1;

  const bulk = () => $("#bulk");
  function sync() {
    const all = rows(), picked = all.filter((row) => box(row).checked), bar = bulk();
    for (const row of all) row.toggleAttribute("data-selected", box(row).checked);
    const head = $("[data-all]");
    if (head) { head.checked = picked.length > 0 && picked.length === all.length; head.indeterminate = picked.length > 0 && !head.checked; }
    if (bar) {
      bar.classList.toggle("is-idle", picked.length === 0);
      $("#toolbar").classList.toggle("is-away", picked.length > 0);
      const scope = $("[data-scope]", bar);
      if (picked.length !== all.length) scope.value = "";
      if (!scope.value) $("[data-count]", bar).textContent = `${picked.length} selected`;
    }
    return picked.length;
  }
  const say = () => announce(`${sync()} selected`, "selection");
  function clear() {
    for (const row of rows()) box(row).checked = false;
    $("[data-scope]").value = ""; sync();
  }
  const selecting = () => bulk() && !bulk().classList.contains("is-idle");

  document.addEventListener("click", (event) => {
    if (event.target.closest("#rows input[type=checkbox]")) say();
    if (event.target.closest("[data-clear]")) { clear(); announce("Selection cleared"); $("#q").focus(); }
    const every = event.target.closest("[data-select-all]");
    if (every) {
      for (const row of rows()) box(row).checked = true;
      sync(); $("[data-scope]").value = "filter";
      $("[data-count]", bulk()).textContent = `All ${every.dataset.total || every.textContent.replace(/\D+/, "")} in this list`;
      announce($("[data-count]", bulk()).textContent);
    }
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-all]")) return;
    for (const row of rows()) box(row).checked = event.target.checked;
    say();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id === "list" || event.target.id === "results") { at = -1; sync(); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && selecting() && !event.target.closest("dialog[open], [popover]:popover-open")) { clear(); announce("Selection cleared"); return; }
    if (typing(event)) return;
    const all = rows(), move = { j: 1, k: -1 }[event.key];
    if (move && all.length) {
      at = Math.max(0, Math.min(all.length - 1, at + move));
      for (const row of $$("#rows .cursor")) row.classList.remove("cursor");
      all[at].classList.add("cursor"); $("th a", all[at]).focus();
    } else if (event.key === "x" && all[at] && box(all[at])) box(all[at]).click();
  });
  sync();

  // The menu that sorts where there are no heads is done with once something is chosen; the focus goes back to its button.
  document.addEventListener("click", (event) => event.target.closest("#sort-menu a")?.closest("[popover]").hidePopover());

  // The filter's editor opens in place; its address works as a page of its own.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-filter-edit]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const pop = $("#filter-pop");
    pop.dataset.opener = link.id;
    htmx.ajax("GET", link.href, { target: "#filter-pop", swap: "innerHTML" }).then(() => {
      if (!pop.matches(":popover-open")) pop.showPopover({ source: link });
      $("select, input:not([type=hidden])", pop)?.focus();
    });
  });
  // Once a filter is on, the focus is on its chip; once one is off, on the next, or else on the button for a new one.
  let place = 0;
  const chips = (part) => $$(`#chips .chip ${part}`);
  document.addEventListener("htmx:beforeRequest", (event) => {
    place = Math.max(chips(".x").indexOf(event.detail.elt), place);
    if (event.detail.elt.id === "filter-form") htmx.trigger("#filter-pop", "htmx:abort"); // widgets on their way come too late
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const from = event.detail.requestConfig?.elt;
    if (event.target.id === "filter-pop" && from?.id === "filter-form") ($("[aria-invalid]", event.target) || $("select, input:not([type=hidden])", event.target))?.focus();
    if (event.target.id !== "list" || !from) return;
    if (from.id === "filter-form") {
      asked++;
      if ($("#filter-pop:popover-open")) $("#filter-pop").hidePopover();
      ($(`#chip-${from.elements.place?.value}`) || chips("a.t").at(-1))?.focus();
    } else if (from.id.startsWith("unchip-")) (chips(".x")[place] || $("#add-filter"))?.focus();
    place = 0;
  });
  // Inside the editor every change of attribute or comparison asks for the fitting widgets.
  // One that is overtaken by the next is given up, for its answer would take away what was changed since.
  const filterForm = (node) => node.closest("[data-filter-form]");
  let asked = 0;
  function ask(form, extra, then) {
    const mine = ++asked, values = new URLSearchParams(new FormData(form));
    for (const [name, value] of Object.entries(extra)) values.set(name, value);
    htmx.ajax("GET", `${form.getAttribute("action")}?${values}`, { source: "#filter-pop", target: "#filter-pop", swap: "innerHTML" })
      .then(() => { if (mine === asked) then?.(); }, () => {});
  }
  document.addEventListener("change", (event) => {
    const form = filterForm(event.target);
    if (!form || !event.target.matches("[data-update]")) return;
    const id = event.target.id;
    ask(form, { do: "update" }, () => $("#filter-pop").hasAttribute("data-kept") || (document.getElementById(id) || $("#filter-pop select, #filter-pop input:not([type=hidden])"))?.focus());
  });
  document.addEventListener("click", (event) => {
    const form = filterForm(event.target), button = event.target.closest("button");
    if (form && event.target.closest("[data-close-pop]") && $("#filter-pop:popover-open")) { event.preventDefault(); $("#filter-pop").hidePopover(); $(`#${$("#filter-pop").dataset.opener}`)?.focus(); return; }
    if (!form || !button || button.name !== "do" || !form.closest("#filter-pop")) return;
    event.preventDefault();
    ask(form, { do: button.value.replace(/:$/, "") });
  });
  document.addEventListener("keydown", (event) => {
    const form = filterForm(event.target);
    if (form?.closest("#filter-pop") && event.key === "Enter" && event.target.matches("[data-token]") && event.target.value.trim()) {
      event.preventDefault();
      const id = event.target.id;
      ask(form, { do: "update" }, () => document.getElementById(id)?.focus());
    }
  });
}
