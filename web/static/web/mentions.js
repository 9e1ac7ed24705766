// Colleagues completed after an @ in a text: a listbox below the field; arrows move, Enter or Tab takes, Esc closes.
"use strict";
{
  const box = document.createElement("ul");
  box.id = "mention-list"; box.className = "mentions"; box.setAttribute("role", "listbox");
  box.setAttribute("aria-label", "Colleagues"); box.hidden = true;
  let field = null, at = 0, asked = 0;

  /** The word that is being typed after an @, and where the @ stands; null outside of one. */
  const word = (area) => {
    const found = /(?:^|[^\w@.+-])@([\w-]*)$/.exec(area.value.slice(0, area.selectionStart));
    return found ? { text: found[1], start: area.selectionStart - found[1].length - 1 } : null;
  };
  const close = () => {
    asked += 1; // an answer that is still on its way must not open the list again
    box.hidden = true; box.replaceChildren();
    field?.removeAttribute("aria-activedescendant"); field?.setAttribute("aria-expanded", "false");
  };
  const move = (to) => {
    const all = [...box.children];
    at = (to + all.length) % all.length;
    all.forEach((item, place) => item.setAttribute("aria-selected", String(place === at)));
    field.setAttribute("aria-activedescendant", all[at].id);
    all[at].scrollIntoView({ block: "nearest" });
  };
  const take = (item) => {
    const now = word(field);
    if (now) field.setRangeText(`@${item.dataset.key} `, now.start, field.selectionStart, "end");
    close();
    field.focus();
  };

  const look = async (area) => {
    const now = word(area), mine = ++asked;
    if (!now) { close(); return; }
    const answer = await fetch(`${area.dataset.mentions}?q=${encodeURIComponent(now.text)}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (answer?.status === 401) signedOut(await answer.text());
    if (!answer?.ok || mine !== asked || document.activeElement !== area) return;
    const { colleagues } = await answer.json();
    if (mine !== asked) return;
    if (!colleagues.length) { close(); return; }
    field = area;
    area.after(box);
    area.setAttribute("aria-controls", box.id); area.setAttribute("aria-autocomplete", "list");
    area.setAttribute("role", "combobox"); area.setAttribute("aria-expanded", "true");
    box.replaceChildren(...colleagues.map((one, place) => {
      const item = document.createElement("li");
      item.id = `mention-${place}`; item.setAttribute("role", "option"); item.dataset.key = one.key;
      item.textContent = `${one.name} @${one.key}`;
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(item); });
      return item;
    }));
    box.hidden = false;
    move(0);
    announce(`${colleagues.length} colleagues`, "mentions");
  };

  document.addEventListener("input", (event) => { if (event.target.dataset?.mentions) look(event.target); });
  document.addEventListener("focusout", (event) => { if (event.target === field) close(); });
  document.addEventListener("keydown", (event) => {
    if (box.hidden || event.target !== field) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); move(at + step); }
    else if (event.key === "Enter" || event.key === "Tab") { event.preventDefault(); take(box.children[at]); }
    else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(); }
  }, true);
}
