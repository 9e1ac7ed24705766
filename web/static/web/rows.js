// Rows of a list: selection with a bulk bar, and filters.
"use strict";
{
  const rows = () => $$("#rows tr[data-row]");
  const box = (row) => $("input[type=checkbox]", row);

  // What is ticked stays so on other pages and in another order, until the page is left or another tab is shown.
  const chosen = new Set(), bulk = () => $("#bulk"), scope = () => $("[data-scope]", bulk());
  /** Take over what is ticked on this page, and say how many there are in all. */
  function sync() {
    const bar = bulk(), all = rows();
    if (!bar) return;
    if (all.some((row) => !box(row).checked)) scope().value = "";
    const every = scope().value, most = Number(bar.dataset.most);
    for (const row of every ? [] : all) {
      const one = box(row);
      if (!one.checked) chosen.delete(one.value);
      else if (chosen.has(one.value) || chosen.size < most) chosen.add(one.value);
      else { one.checked = false; notice(`At most ${most.toLocaleString("en")} accounts are selected one by one. All of a list are selected at once.`); }
    }
    for (const row of all) row.toggleAttribute("data-selected", box(row).checked);
    const picked = all.filter((row) => box(row).checked), here = new Set(picked.map((row) => box(row).value));
    const head = $("[data-all]"), elsewhere = every ? [] : [...chosen].filter((id) => !here.has(id));
    if (head) { head.checked = picked.length > 0 && picked.length === all.length; head.indeterminate = picked.length > 0 && !head.checked; }
    $("[data-elsewhere]", bar).replaceChildren(...elsewhere.map((id) => Object.assign(document.createElement("input"), { type: "hidden", name: "account", value: id })));
    bar.classList.toggle("is-idle", !every && !chosen.size);
    $("#toolbar").classList.toggle("is-away", Boolean(every || chosen.size));
    const others = elsewhere.length ? `, ${elsewhere.length} of them on other pages` : "";
    $("[data-count]", bar).textContent = every ? $("[data-select-all]", bar).dataset.said : `${chosen.size} selected${others}`;
  }
  const say = () => { sync(); announce($("[data-count]", bulk()).textContent, "selection"); };
  function clear() {
    for (const row of rows()) box(row).checked = false;
    chosen.clear(); scope().value = ""; sync();
  }
  const selecting = () => bulk() && !bulk().classList.contains("is-idle");

  document.addEventListener("click", (event) => {
    if (event.target.closest("#rows input[type=checkbox]")) say();
    if (event.target.closest("[data-clear]")) { clear(); announce("Selection cleared"); $("#q").focus(); }
    if (event.target.closest("[data-select-all]")) {
      for (const row of rows()) box(row).checked = true;
      scope().value = "filter"; say();
    }
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-all]")) return;
    for (const row of rows()) box(row).checked = event.target.checked;
    say();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "list" && event.target.id !== "results") return;
    if (event.target.id === "results") chosen.clear();
    else if (bulk()) for (const row of rows()) box(row).checked = Boolean(scope().value) || chosen.has(box(row).value);
    sync();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && selecting() && !event.target.closest("dialog[open], [popover]:popover-open")) { clear(); announce("Selection cleared"); return; }
    if (event.key === "x" && !typing(event)) $("#rows tr.cursor input[type=checkbox]")?.click();
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
    } else if (from.id.startsWith("unchip-")) (chips(".x")[place] || $("#add-filter") || $("#q")).focus();
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
