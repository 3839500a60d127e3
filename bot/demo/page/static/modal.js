// A bot's modal: its components as the fields of a dialog, and what the person filled in.

import { askForm } from "./dialogs.js";

const PARAGRAPH = 2;
const ROW = 1;
const LABEL = 18;
const TEXT_DISPLAY = 10;
const TEXT_INPUT = 4;
const FILE_UPLOAD = 19;
const KINDS = { 3: "menu", 5: "menu", 6: "menu", 7: "menu", 8: "menu", [FILE_UPLOAD]: "file", 21: "radio", 22: "checks", 23: "check" };
const USERS = [5, 7]; // menus of users, and of users and roles

/**
 * Show a bot's modal.
 * @returns {Promise<{values: object, files: object}|null>} by custom id: texts, lists and booleans; lists of files.
 */
export async function askModal(modal, store) {
  const fields = modal.components.flatMap((component) => modalFields(component, store));
  const filled = await askForm({ title: modal.title, submit: "Submit", fields });
  if (!filled) return null;
  const answered = Object.entries(filled).filter(([, value]) => value !== null);
  const isFile = ([id]) => fields.find((field) => field.id === id).kind === "file";
  return {
    values: Object.fromEntries(answered.filter((entry) => !isFile(entry))),
    files: Object.fromEntries(answered.filter((entry) => isFile(entry) && entry[1].length)),
  };
}

/** The fields of one component. A modal has its controls in labels, and older ones have texts in rows. */
function modalFields(component, store) {
  if (component.type === TEXT_DISPLAY) return [{ id: `note-${component.id}`, kind: "note", text: component.content }];
  if (component.type === LABEL) return [modalField(component.component, component, store)];
  if (component.type === ROW) return component.components.map((part) => modalField(part, part, store));
  return [];
}

function modalField(part, label, store) {
  const field = {
    id: part.custom_id,
    kind: KINDS[part.type],
    label: label.label,
    hint: label.description,
    placeholder: part.placeholder,
    required: part.required ?? part.type !== FILE_UPLOAD,
    most: part.max_values ?? 1,
  };
  if (part.type === TEXT_INPUT) return { ...field, value: part.value, long: part.style === PARAGRAPH, min: part.min_length, max: part.max_length };
  if (field.kind === "check") return { ...field, chosen: part.default };
  return field.kind === "file" ? field : { ...field, options: options(part, store) };
}

function options(part, store) {
  if (part.options) return part.options.map((option) => ({ label: option.label, value: option.value, hint: option.description, chosen: option.default }));
  const preset = new Set((part.default_values ?? []).map((one) => one.id));
  const things = USERS.includes(part.type)
    ? [...store.people.values()]
    : part.type === 6
      ? [{ id: store.server.id, name: "@everyone" }]
      : store.textChannels();
  return things.map((thing) => ({ label: thing.name, value: thing.id, chosen: preset.has(thing.id) }));
}
