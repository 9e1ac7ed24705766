// The rule builder, and the editor of health configs, whose measures have rules. Every step (add, change, move, remove) is
// answered by the server with the form as it is after it; this file opens the picker, sends the steps, keeps the focus, and
// asks for the preview.
"use strict";
{
  const builder = $("[data-rule-builder]"), picker = $("#picker"), query = $("#pick-q"), list = $("#pick-list");
  const form = builder?.closest("form"), editor = $("#rule-editor");
  const root = builder?.querySelector(":scope > [name=root]")?.value; // a health config has a root for each of its rules
  let target = null, opener = null, open = () => {}, active = -1, dirty = Boolean(form?.hasAttribute("data-dirty")), timer;
  let turn = Promise.resolve(true), waiting = 0, refused = false, counted = "";

  // ---- steps ------------------------------------------------------------------------------------------------------
  // Steps go one after another, each with the conditions as the one before left them, so that none of two quick ones is lost.
  function inTurn(act, focus, menu) {
    touch();
    waiting += 1;
    if ($("#preview")) htmx.trigger("#preview", "htmx:abort"); // it counts what will not be there any more
    const done = turn.then(() => { refused = false; return act(); }).finally(() => { waiting -= 1; });
    turn = done.then(() => !refused, () => false);
    return done.then(() => { settle(focus, menu); preview(0); });
  }
  const step = (what, focus, menu) => inTurn(() => htmx.ajax("POST", builder.dataset.stepUrl, { source: form, target: "#rule-editor", swap: "innerHTML", values: { do: what } }), focus, menu);
  form?.addEventListener("htmx:responseError", () => { refused = true; });
  // A form that is sent while a step is on its way would send the conditions as they were before it.
  form?.addEventListener("submit", (event) => {
    if (!waiting) return;
    event.preventDefault(); event.stopImmediatePropagation();
    const by = event.submitter;
    turn.then((done) => { if (done) form.requestSubmit(by); });
  });
  function settle(focus, menu) {
    if (editor.hasAttribute("data-kept")) return;
    const mark = $("[data-focus]", editor)?.dataset.focus;
    const tries = [focus, menu && mark && `more-${mark}`, mark, mark && `value-${mark}`, mark && `op-${mark}`, mark && `add-${mark}`, mark && `attr-${mark}`, root && `add-${root}`];
    for (const id of tries) {
      const found = id && document.getElementById(id);
      if (found) { found.focus(); return; }
    }
  }
  const copyOf = () => new FormData(form);
  function restore(data) {
    return inTurn(async () => {
      const answer = await fetch(builder.dataset.stepUrl, { method: "POST", body: data, headers: { "HX-Request": "true" } }).catch(() => null);
      refused = !answer?.ok;
      if (answer?.status === 401) { signedOut(await answer.text()); return; }
      if (refused) { notice("Could not load this part. Try again.", () => restore(data)); return; }
      editor.innerHTML = await answer.text();
      htmx.process(editor);
    });
  }
  editor?.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step], [data-add], [data-field]");
    if (!button) return;
    event.preventDefault();
    if (button.dataset.add !== undefined) { open(button, { add: button.dataset.add, rows: button.dataset.rows, marks: button.dataset.marks }); return; }
    if (button.dataset.field !== undefined) { open(button, { field: button.dataset.field, key: button.dataset.key, marks: button.dataset.marks }); return; }
    if (button.dataset.remove !== undefined) {
      const before = copyOf(), group = button.closest("li")?.matches(".group");
      step(button.value).then(() => { if (!refused) notice(button.dataset.removed || (group ? "Group removed." : "Condition removed."), () => restore(before)); });
      return;
    }
    step(button.value, "", Boolean(button.closest(".more-menu"))); // what was done from a menu leaves the focus on it
  });
  editor?.addEventListener("change", (event) => {
    if (event.target.matches("[data-update]")) { step("update", event.target.id); return; }
    touch();
    // Leaving a field whose value was counted while it was typed must not count again: a sample row may be open by then.
    if (told() !== counted) preview(300);
  });
  editor?.addEventListener("input", (event) => {
    if (event.target.matches("input:not([type=radio])")) { touch(); preview(500); }
  });
  editor?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    if (event.target.matches("[data-token]") && event.target.value.trim()) { event.preventDefault(); step("update", event.target.id); }
    else if (event.target.matches("input:not([type=radio])")) { event.preventDefault(); preview(0); }
  });
  $("#check")?.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); $("#check-go").click(); }
  });
  document.addEventListener("click", (event) => {
    for (const menu of $$("details.more-menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.more-menu[open]");
    if (event.key === "Escape" && menu) { menu.open = false; $("summary", menu).focus(); }
  });

  // ---- preview ------------------------------------------------------------------------------------------------------
  function told() {
    const counts = (name) => root ? name.startsWith(`${root}.`) : !name.startsWith("preview-");
    return JSON.stringify(Array.from(new FormData(form)).filter(([name]) => counts(name)));
  }
  function preview(wait) {
    clearTimeout(timer);
    const box = $("#preview");
    if (!box) return;
    const state = $("#pv-state");
    if (state) state.textContent = "Counting…";
    // A newer preview ends the older one in the database too: by this window's name and the time it was asked for.
    builder.querySelector("[name=preview-window]").value ||= Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    timer = setTimeout(() => {
      builder.querySelector("[name=preview-asked]").value = Date.now();
      counted = told();
      htmx.trigger(box, "preview");
    }, wait);
  }

  $("#preview")?.addEventListener("htmx:responseError", () => { if ($("#pv-state")) $("#pv-state").textContent = "Not counted"; });
  // A count that takes too long leaves the last one where it was, dimmed.
  let last = null;
  $("#preview")?.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "preview") last = $(".bigcount", event.detail.target)?.parentElement;
  });
  $("#preview")?.addEventListener("htmx:afterSwap", (event) => {
    const slow = event.detail.target.id === "preview" && $("[data-slow]", event.detail.target);
    if (slow && last) { last.classList.add("outdated"); slow.before(last); }
  });

  // ---- the picker: a combobox over a list that is already in the page ------------------------------------------------
  if (picker) {
    const options = $$(".opt", list), recent = $("#pick-recent");
    const shown = () => $$(".opt", list).filter((option) => !option.hidden && !option.parentElement.hidden);
    const fits = (option) => (!target?.rows || option.dataset.rows === target.rows)
      && (!target?.marks || (target.marks.includes(option.dataset.mark) && !option.dataset.rows));
    // What this browser's user chose lately, the newest first; where storage is refused there is none.
    const used = () => { try { return JSON.parse(localStorage.getItem("csbox-fields-used")) || []; } catch { return []; } };
    const remember = (key) => {
      try { localStorage.setItem("csbox-fields-used", JSON.stringify([key, ...used().filter((other) => other !== key)].slice(0, 20))); } catch { /* not kept */ }
    };
    const recall = () => {
      for (const old of $$(".opt", recent)) old.remove();
      const found = used().map((key) => options.find((option) => option.dataset.key === key)).filter((option) => option && fits(option));
      for (const option of found.slice(0, 5)) {
        const copy = option.cloneNode(true);
        copy.id = `recent-${option.id}`; copy.hidden = false; copy.classList.remove("active"); copy.setAttribute("aria-selected", "false");
        recent.append(copy);
      }
    };
    const highlight = (at) => {
      const all = shown();
      for (const option of $$(".opt.active", list)) { option.classList.remove("active"); option.setAttribute("aria-selected", "false"); }
      active = all.length ? (at + all.length) % all.length : -1;
      if (active < 0) { query.removeAttribute("aria-activedescendant"); return; }
      all[active].classList.add("active"); all[active].setAttribute("aria-selected", "true");
      all[active].scrollIntoView({ block: "nearest" });
      query.setAttribute("aria-activedescendant", all[active].id);
    };
    const narrow = (first = 0) => {
      const words = query.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      const shelf = $("[data-cat][aria-pressed=true]", picker).dataset.cat;
      for (const option of options) {
        const text = option.dataset.text.toLowerCase();
        option.hidden = !fits(option) || (shelf && option.dataset.cat !== shelf) || !words.every((word) => text.includes(word));
      }
      for (const group of $$("[data-group]", list)) group.hidden = !$$(".opt", group).some((option) => !option.hidden);
      recent.hidden = Boolean(words.length || shelf || !$(".opt", recent));
      const count = options.filter((option) => !option.hidden).length;
      $("#pick-none").hidden = count > 0;
      const prefix = words.length ? shown().findIndex((option) => option.dataset.name.toLowerCase().startsWith(words[0])) : first;
      highlight(Math.max(0, prefix));
      announce(`${count} attribute${count === 1 ? "" : "s"}`, "picker");
    };
    const choose = (option) => {
      if (!option || !target) return;
      const what = target.field !== undefined ? `field:${target.field}:${option.dataset.key}` : `add:${target.add}:${option.dataset.key}`;
      target = null;
      remember(option.dataset.key);
      picker.hidePopover();
      step(what);
    };
    open = (button, wanted) => {
      target = wanted;
      if (!picker.matches(":popover-open")) picker.showPopover({ source: button });
      query.value = "";
      for (const shelf of $$("[data-cat]", $(".picker-cats"))) shelf.setAttribute("aria-pressed", String(shelf.dataset.cat === ""));
      const inside = button.closest(".group-box")?.querySelector(":scope > .when-row [name$='.rows']");
      if (inside && wanted.field !== undefined) target.rows = inside.value;
      recall();
      narrow();
      if (wanted.key) highlight(Math.max(0, shown().findIndex((option) => option.dataset.key === wanted.key)));
      query.focus();
      opener = button;
    };
    // Closed without a choice: the focus goes back to where it came from.
    picker.addEventListener("toggle", (event) => {
      if (event.newState !== "closed" || !target) return;
      target = null;
      if (opener?.isConnected) opener.focus();
    });
    query.addEventListener("input", () => narrow());
    query.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") { event.preventDefault(); highlight(active + 1); }
      else if (event.key === "ArrowUp") { event.preventDefault(); highlight(active - 1); }
      else if (event.key === "Enter") { event.preventDefault(); choose(shown()[active]); }
    });
    list.addEventListener("click", (event) => choose(event.target.closest(".opt")));
    $(".picker-cats").addEventListener("click", (event) => {
      const shelf = event.target.closest("[data-cat]");
      if (!shelf) return;
      for (const other of $$("[data-cat]", $(".picker-cats"))) other.setAttribute("aria-pressed", String(other === shelf));
      narrow(); query.focus();
    });
  }

  // ---- saving ---------------------------------------------------------------------------------------------------------
  function touch() {
    dirty = true;
    const sign = $("#dirty");
    if (sign) sign.textContent = "Unsaved changes";
  }
  if (form?.matches("#segment-form, #config-form, #playbook-form, #alert-rule-form, #milestone-form")) {
    form.addEventListener("input", (event) => {
      if (event.target.closest(".meta")) touch();
      if (event.target.matches("[data-effect]")) preview(event.target.matches("select") ? 0 : 500);
    });
    form.addEventListener("submit", () => { dirty = false; });
    window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
    document.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); form.requestSubmit($("button.primary[type=submit]", form)); }
    });
    $("#problems")?.focus();
  }
}
