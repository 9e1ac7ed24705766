// Where a board has no room the table is shown, unless the address asks for a view. It runs before the page is painted.
"use strict";
{
  const to = new URL(location.href);
  if (!to.searchParams.has("view") && matchMedia("(max-width: 767px)").matches) {
    to.searchParams.set("view", "table");
    location.replace(to);
  }
}
