// Behaviour of every page: one live region, notices with undo, theme, jump, shortcuts, focus across swaps.
"use strict";

const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

/** Speak short results through the one polite live region, one after another so that none is lost.
    A newer message on the same topic replaces the one that still waits. */
const spoken = [];
function announce(text, topic = text) {
  const waiting = spoken.slice(1).find((message) => message.topic === topic);
  if (waiting) { waiting.text = text; return; }
  spoken.push({ text, topic });
  if (spoken.length === 1) speak();
}
function speak() {
  const box = $("#status");
  if (!box) { spoken.length = 0; return; }
  box.textContent = "";
  setTimeout(() => { box.textContent = spoken[0].text; }, 60);
  setTimeout(() => { spoken.shift(); if (spoken.length) speak(); }, 900);
}

/** Show a notice made here (the server's come with the page). `undo` is called by its button. */
function notice(text, undo) {
  if (!$("#notices")) return;
  const bar = document.createElement("div");
  bar.className = "notice";
  const words = document.createElement("span");
  words.textContent = text;
  bar.append(words);
  if (undo) {
    const button = document.createElement("button");
    button.type = "button"; button.className = "link"; button.textContent = "Undo"; button.dataset.undo = "";
    button.addEventListener("click", () => { undo(); bar.remove(); announce("Undone"); });
    bar.append(button);
  }
  const close = document.createElement("button");
  close.type = "button"; close.className = "btn ghost small icon-only"; close.dataset.dismiss = "";
  close.setAttribute("aria-label", "Dismiss");
  close.append($("#i-x") ? icon("x") : "×");
  bar.append(close);
  $("#notices").replaceChildren(bar);
  announce(undo ? `${text} Press Control Z to undo.` : text);
}
function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.classList.add("icon"); svg.setAttribute("aria-hidden", "true"); use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** True while somebody types, so that single keys stay quiet, and for those who switched them off. */
const typing = (event) =>
  document.documentElement.dataset.shortcuts === "off"
  || event.ctrlKey || event.metaKey || event.altKey
  || Boolean(event.target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable], dialog[open]"));

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-dismiss]")) event.target.closest(".notice").remove();
  const jump = event.target.closest("[data-jump]");
  if (jump) { event.preventDefault(); openJump(); }
  if (event.target.closest("[data-keys]")) $("#keys-dialog").showModal();
  const sheet = event.target.closest("dialog.sheet");
  if (sheet && event.target === sheet) sheet.close();
  const opener = event.target.closest("[data-popover]");
  if (opener && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    showPopover($(`#${opener.dataset.popover}`), opener);
  }
});

/** Open a popover at the control that asked for it; closing it gives the focus back. */
function showPopover(pop, opener) {
  if (pop.matches(":popover-open")) { pop.hidePopover(); return; }
  pop.showPopover({ source: opener });
  const first = $("[autofocus], input:not([type=hidden]):not([disabled]), select, button, a", pop);
  if (first) first.focus();
}

function openJump() {
  const dialog = $("#jump-dialog");
  if (!dialog.open) dialog.showModal();
  $("#jump-q").select();
}

let gone = -Infinity; // when G was pressed, after which a letter says where to go
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openJump(); return; }
  if ((event.ctrlKey || event.metaKey) && event.key === "z") {
    const button = $("#notices [data-undo]");
    const inText = event.target.closest("input:not([type=checkbox]):not([type=radio]), textarea");
    if (button && !inText) { event.preventDefault(); button.click(); }
    return;
  }
  if (event.key === "ArrowDown" && event.target.id === "jump-q") { event.preventDefault(); $("#jump-results a")?.focus(); return; }
  if (event.target.closest("#jump-results")) {
    const links = $$("#jump-results a"), at = links.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); (links[to] || (to < 0 ? $("#jump-q") : links[at])).focus(); }
    return;
  }
  if (typing(event)) return;
  const search = $("[data-page-search]");
  if (event.key === "/" && search) { event.preventDefault(); search.focus(); search.select(); }
  if (event.key === "?") { event.preventDefault(); $("#keys-dialog").showModal(); }
  const link = event.timeStamp - gone < 1500 && $(`.nav [data-go="${CSS.escape(event.key)}"]`);
  gone = event.key === "g" ? event.timeStamp : -Infinity;
  if (link) { event.preventDefault(); link.click(); }
});
// Enter goes to the first result of what is typed: if those on show are of an earlier text, once its own are here.
let answered = "", going = false;
$("#jump-dialog form")?.addEventListener("submit", (event) => {
  const first = $("#jump-results a");
  going = answered !== $("#jump-q").value;
  if (first && !going) { event.preventDefault(); event.stopPropagation(); first.click(); }
}, true);
$("#jump-q")?.addEventListener("input", () => { going = false; });
$("#jump-results")?.addEventListener("htmx:afterSwap", (event) => {
  answered = new URL(event.detail.xhr.responseURL).searchParams.get("q") ?? "";
  if (going && answered === $("#jump-q").value) $("#jump-results a")?.click();
});

// J and K go through the rows of a page's tables that lead somewhere; alerts and tasks, which open beside their list, have a way of
// their own (alerts.js).
document.addEventListener("keydown", (event) => {
  const move = { j: 1, k: -1 }[event.key];
  if (!move || typing(event) || $("[data-alert], [data-task]")) return;
  const link = (row) => $("th[scope=row] a", row), all = $$("main tbody tr").filter((row) => link(row)?.checkVisibility());
  const from = all.indexOf(document.activeElement.closest("tr")), marked = $("main tr.cursor");
  const to = all[Math.max(0, Math.min(all.length - 1, (from < 0 ? all.indexOf(marked) : from) + move))];
  if (!to) return;
  marked?.classList.remove("cursor");
  to.classList.add("cursor"); link(to).focus();
});

// Theme: the server renders it; a click changes it at once and keeps it.
const toggle = $("[data-theme-toggle]");
if (toggle) {
  const order = ["system", "light", "dark"];
  toggle.addEventListener("click", (event) => {
    event.preventDefault();
    const root = document.documentElement, next = order[(order.indexOf(root.dataset.theme) + 1) % 3];
    root.dataset.theme = next;
    const label = `Theme: ${next === "system" ? "follow system" : next}`;
    toggle.setAttribute("aria-label", label); announce(label);
    const body = new FormData(toggle.form);
    body.set("theme", next);
    fetch(toggle.form.action, { method: "POST", body, redirect: "manual" });
  });
}

// Rows are ticked one by one, or with Shift from the one that was ticked last: by a click on the checkbox (or on its label, which
// browsers leave alone with Shift), or by the space bar in a row. Lists that have something to do with many bear `data-range`.
{
  let last = null, shift = false, handled = false;
  const press = (box) => { shift = true; box.focus(); box.click(); shift = false; };
  document.addEventListener("mousedown", (event) => {
    if (event.shiftKey && event.target.closest("[data-range] :is(label, input[type=checkbox])")) event.preventDefault(); // no text is marked
  });
  document.addEventListener("click", (event) => {
    const label = event.shiftKey && event.target.closest("[data-range] label");
    if (label?.control && event.target !== label.control) { event.preventDefault(); press(label.control); return; }
    const box = event.target.closest("[data-range] input[type=checkbox]");
    if (!box) return;
    const boxes = $$("input[type=checkbox]", box.closest("[data-range]")).filter((one) => one.closest("tr, li").checkVisibility());
    const ends = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    if ((event.shiftKey || shift) && ends[0] >= 0) for (const one of boxes.slice(ends[0], ends[1] + 1)) one.checked = box.checked;
    if (event.shiftKey) box.focus(); // which the mousedown above did not
    last = box;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || !event.shiftKey) return;
    const row = event.target.closest("[data-range] :is(tr, li)"), box = row && $("input[type=checkbox]", row);
    if (!box || (event.target !== box && event.target.matches("button, summary, input, select, textarea"))) return;
    event.preventDefault(); handled = true;
    press(box);
  });
  document.addEventListener("keyup", (event) => { if (event.key === " " && handled) { event.preventDefault(); handled = false; } });
}

// A control that is swapped keeps the focus, if its successor has the same id.
let focused = "";
document.addEventListener("htmx:beforeSwap", (event) => {
  focused = document.activeElement?.id || "";
  if (event.detail.xhr.status === 403 || event.detail.xhr.status === 422) event.detail.shouldSwap = true;
});
document.addEventListener("htmx:afterSettle", () => {
  if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
  keepTabInView();
});
/** Whoever was signed out keeps the page, with what they have written, and is told how to go on. */
function signedOut(words) {
  for (const dialog of $$("dialog[open]")) dialog.close(); // nothing behind it can be reached
  if (!$("#notices") || $("#signed-out")) return;
  $("#notices").innerHTML = words;
  announce($("#signed-out span").textContent);
}
// Once they are signed in again, in another tab, there is another token: what is open here is sent with that one.
const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
addEventListener("submit", (event) => {
  const field = event.target.elements.csrfmiddlewaretoken;
  if (field && token()) field.value = token();
}, true);
document.addEventListener("htmx:configRequest", (event) => {
  const { headers, parameters } = event.detail;
  if (!token()) return;
  headers["X-CSRFToken"] = token();
  if (parameters.csrfmiddlewaretoken) parameters.csrfmiddlewaretoken = token();
});
document.addEventListener("htmx:afterOnLoad", (event) => { if (event.detail.successful) $("#signed-out")?.remove(); });
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    const status = event.detail.xhr?.status;
    if (status === 401) { signedOut(event.detail.xhr.responseText); return; }
    notice("Could not load this part. Try again.");
  });
}
// What somebody types while the fields around it are on their way is put back into the new ones.
const TYPED = "#rule-editor, #filter-pop", atStart = new Map();
let typed = null;
const texts = (box) => $$("input:not([type=hidden]):not([type=radio]):not([type=checkbox])", box);
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target?.matches?.(TYPED)) for (const input of texts(event.detail.target)) atStart.set(input.id, input.value);
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const input = document.activeElement, box = event.detail.target;
  const fresh = box?.matches?.(TYPED) && box.contains(input) && atStart.has(input.id) && atStart.get(input.id) !== input.value;
  typed = fresh ? { id: input.id, value: input.value } : null;
});
document.addEventListener("htmx:afterSwap", (event) => {
  const box = event.detail.target;
  if (!box?.matches?.(TYPED)) return;
  atStart.clear();
  const input = typed && document.getElementById(typed.id);
  box.toggleAttribute("data-kept", Boolean(input));
  if (input) { input.value = typed.value; input.focus(); }
});

// Wait a moment before dimming what is being replaced.
let dimming;
document.addEventListener("htmx:beforeRequest", (event) => {
  const target = event.detail.target;
  clearTimeout(dimming);
  if (target && target !== document.body) dimming = setTimeout(() => target.setAttribute("aria-busy", "true"), 150);
});
document.addEventListener("htmx:afterRequest", () => {
  clearTimeout(dimming);
  for (const busy of $$('[aria-busy="true"]')) busy.removeAttribute("aria-busy");
});

// The current tab comes into view when it or its strip is new; the page itself does not move, nor does what somebody has scrolled.
let inView = {};
function keepTabInView() {
  const current = $(".tabs [aria-current]"), list = current?.closest("ul"), name = current?.id || current?.href;
  if (list === inView.list && name === inView.name) return;
  inView = { list, name };
  if (list && list.scrollWidth > list.clientWidth) list.scrollLeft = current.offsetLeft - list.offsetLeft - (list.clientWidth - current.offsetWidth) / 2;
}
keepTabInView();
for (const first of $$("#notices [data-notice] > span")) announce(first.textContent);

// What was sent is not sent again while its answer is on the way: a second click would do the same twice. Whoever stops the loading,
// or comes back by the browser's history, may send it anew.
addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method")?.toLowerCase() !== "post") return;
  if (event.submitter?.hasAttribute("data-download")) return; // the page stays, and may do so again
  if (form.hasAttribute("data-sent")) { event.preventDefault(); return; }
  form.toggleAttribute("data-sent", true);
  setTimeout(() => form.removeAttribute("data-sent"), 10_000);
});
addEventListener("pageshow", () => { for (const form of $$("[data-sent]")) form.removeAttribute("data-sent"); });
