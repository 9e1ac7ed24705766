// The drawer that says why an account has its health: opened by the pill, by W, or by the address; J and K go on in it.
"use strict";
{
  const drawer = $("#why-drawer");
  const links = () => $$("#rows a[data-why]");
  let current = null;

  const idOf = (link) => new URL(link.href).searchParams.get("peek");
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-why]");
    if (link) current = link;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id !== "why") return;
    if (!drawer.open) drawer.showModal();
    drawer.scrollTop = 0;
    $("#why-h")?.focus();
  });
  drawer.addEventListener("click", (event) => { if (event.target === drawer) drawer.close(); });
  drawer.addEventListener("close", () => {
    const here = new URL(location.href);
    here.searchParams.delete("peek");
    history.replaceState(history.state, "", here);
    (document.contains(current) ? current : $("#q"))?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (document.documentElement.dataset.shortcuts === "off" || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = { j: 1, k: -1 }[event.key];
    if (drawer.open && move) {
      const all = links(), at = all.findIndex((link) => link === current);
      (all[at + move] || all[at])?.click();
    } else if (event.key === "w" && !typing(event)) {
      const row = event.target.closest?.("#rows tr[data-row]") || $("#rows tr.cursor");
      if (row) $("a[data-why]", row)?.click();
    }
  });
  // An address with an open drawer comes from the server with the drawer there; only the way it behaves is missing.
  if (drawer.open) {
    drawer.close();
    const asked = new URL(location.href).searchParams.get("peek");
    current = links().find((link) => idOf(link) === asked) || null;
    drawer.showModal();
    $("#why-h")?.focus();
  }
}
