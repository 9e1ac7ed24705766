// The message of an alert rule: a field that is chosen is put where the cursor is.
"use strict";
{
  const said = $("#said"), message = $("#message");
  said?.addEventListener("change", () => {
    if (!said.value) return;
    message.setRangeText(`{{ ${said.value} }}`, message.selectionStart, message.selectionEnd, "end");
    said.value = "";
    message.focus();
    message.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
