// The toolbar of a message under the pointer or the focus, and editing in place.

import { appsMenu } from "./apps-menu.js";
import { element, fill, iconButton } from "./dom.js";
import { ICONS } from "./icons.js";
import { LOADING, EPHEMERAL } from "./store.js";
import { readableText, wireText } from "./mention-text.js";

export function messageTools(view, context) {
  const bar = element("div", { class: "message-tools", role: "toolbar", "aria-label": "Message actions" });
  const draw = () => fill(bar, buttons(view, context));
  view.root.addEventListener("pointerenter", draw);
  view.root.addEventListener("focusin", (event) => {
    if (!bar.contains(event.target)) draw(); // a pressed button must stay
  });
  draw();
  return bar;
}

function buttons(view, context) {
  const { store, actions } = context;
  const { message } = view;
  if (message.flags & EPHEMERAL) return [copyButton(view, context)];
  const mine = message.author.id === store.me;
  const inChannel = store.channels.get(message.channel_id)?.kind === "text" && !store.channels.has(message.id);
  return [
    iconButton("Reply", ICONS.reply, () => context.replyTo(message)),
    inChannel ? iconButton("Create thread", ICONS.thread, () => context.newThread(message)) : null,
    mine ? iconButton("Edit", ICONS.edit, () => editInPlace(view, context)) : null,
    copyButton(view, context),
    store.messageCommands.length ? appsMenu(store.messageCommands, store.bot, (name) => actions.runOnMessage(name, message)) : null,
    mine ? iconButton("Delete", ICONS.trash, () => actions.remove(message), "danger") : null,
  ];
}

function copyButton(view, context) {
  const copy = iconButton("Copy text", ICONS.copy, async () => {
    await navigator.clipboard.writeText(readableText(view.message.content, context.store));
    copy.classList.add("done");
  });
  return copy;
}

/** Replace the message's text by a text field. Escape cancels; Enter saves. */
export function editInPlace(view, context) {
  const { message } = view;
  if (message.flags & LOADING || view.root.querySelector(".edit-field")) return;
  const field = element("textarea", { class: "edit-field", rows: "2", "aria-label": "Edit message", maxlength: "2000" });
  field.value = readableText(message.content, context.store);
  const holder = view.parts.get("content").holder;
  const leave = () => {
    view.parts.get("content").key = null;
    view.update(view.message);
    context.focusComposer();
  };
  const save = async () => {
    const text = wireText(field.value.trim(), context.store);
    if (text && text !== message.content) await context.actions.edit(message, text);
    leave();
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    save();
  });
  const button = (label, onClick) => element("button", { type: "button", class: "link-button", on: { click: onClick } }, label);
  fill(
    holder,
    field,
    element("small", { class: "edit-help" }, "escape to ", button("cancel", leave), " • enter to ", button("save", save)),
  );
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}
