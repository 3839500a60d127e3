// Dialogs with a form: a bot's modal, the name of a thread, settings, a confirmation.

import { element, iconButton } from "./dom.js";
import { formField } from "./form-fields.js";
import { ICONS } from "./icons.js";

/**
 * Show a form.
 * @param {{title: string, text?: string, submit: string, danger?: boolean, fields: object[]}} form - see
 *   form-fields.js for the fields.
 * @returns {Promise<object|null>} the values by field id, or null if the dialog was cancelled.
 */
export function askForm({ title, text, submit, danger, fields }) {
  const inputs = new Map(fields.map((field) => [field.id, formField(field)]));
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", {}, title),
    text ? element("p", {}, text) : null,
    element("div", { class: "dialog-fields" }, [...inputs.values()].map((field) => field.root)),
    element(
      "div",
      { class: "dialog-buttons" },
      element("button", { type: "button", class: "plain", on: { click: () => dialog.close() } }, "Cancel"),
      element("button", { type: "submit", class: danger ? "danger" : "primary" }, submit),
    ),
  );
  const dialog = element("dialog", { "aria-label": title }, iconButton("Close", ICONS.close, () => dialog.close(), "dialog-close"), form);
  const before = document.activeElement;
  document.body.append(dialog);
  return new Promise((resolve) => {
    let values = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      values = Object.fromEntries([...inputs].map(([id, field]) => [id, field.value()]));
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      // Chromium restores the focus without the caret of the text field. Focus it again.
      document.activeElement.blur();
      before.focus();
      resolve(values);
    });
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    dialog.showModal();
    ([...inputs.values()].find((field) => field.control)?.control ?? form.querySelector("[type=submit]")).focus();
  });
}
