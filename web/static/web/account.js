// The account page: section links follow the scroll; N writes a note, [ and ] go to the neighbours.
"use strict";
{
  const links = $$(".jumpnav a");
  const byId = new Map(links.map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      for (const link of links) link.removeAttribute("aria-current");
      byId.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const id of byId.keys()) { const section = document.getElementById(id); if (section) watch.observe(section); }
  document.addEventListener("keydown", (event) => {
    if (typing(event)) return;
    if (event.key === "n" && $("#note-text")) { event.preventDefault(); $("#note-text").focus(); }
    const link = { "[": "[data-previous]", "]": "[data-next]" }[event.key];
    if (link && $(link)) $(link).click();
  });
}
