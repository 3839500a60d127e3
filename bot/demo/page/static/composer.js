// The composer: the text field, the reply, the files, and the pickers above them.

import { CommandForm } from "./command-form.js";
import { element, fill, iconButton } from "./dom.js";
import { ICONS } from "./icons.js";
import { pieces, wireText } from "./mention-text.js";
import { Picker } from "./picker.js";
import { suggestions } from "./suggestions.js";
import { UploadTray } from "./upload-tray.js";

const TYPING_EVERY = 8000; // milliseconds between two typing signals
const LONGEST = 2000; // characters, as in Discord

export class Composer {
  constructor(context) {
    this.context = context;
    this.drafts = new Map();
    this.channel = null;
    this.typedAt = 0;
    this.replied = null;
    this.text = element("textarea", { class: "composer-text", id: "composer", rows: "1", autocomplete: "off" });
    this.mirror = element("div", { class: "composer-mirror", "aria-hidden": "true" });
    this.tooLong = element("span", { class: "too-long", role: "status" });
    this.replyBar = element("div", { class: "reply-bar", hidden: true });
    this.picker = new Picker(this.text);
    this.tray = new UploadTray(context);
    this.form = new CommandForm(context, () => this.closeForm());
    this.row = element(
      "div",
      { class: "composer-row" },
      iconButton("Attach a file", ICONS.attach, () => this.tray.choose(), "round"),
      element("div", { class: "composer-field" }, this.mirror, this.text),
      this.tooLong,
      iconButton("Send", ICONS.send, () => this.send(), "send"),
    );
    this.root = element("div", { class: "composer" }, this.picker.root, this.replyBar, this.tray.root, this.row, this.form.root);
    this.listen();
  }

  listen() {
    this.text.addEventListener("input", () => this.changed());
    this.text.addEventListener("click", () => this.offer());
    this.text.addEventListener("blur", () => this.picker.hide());
    this.text.addEventListener("keydown", (event) => this.key(event));
    this.text.addEventListener("paste", (event) => {
      if (event.clipboardData.files.length === 0) return;
      event.preventDefault();
      this.tray.add(event.clipboardData.files);
    });
    const { store } = this.context;
    for (const event of ["state", "active"]) store.on(event, () => this.enterChannel());
  }

  enterChannel() {
    const { store } = this.context;
    const key = `${store.me}/${store.active}`;
    if (key !== this.channel) {
      this.drafts.set(this.channel, this.text.value);
      this.channel = key;
      this.text.value = this.drafts.get(key) ?? "";
      this.replyTo(null);
      this.tray.clear();
      this.form.close();
      this.row.hidden = false;
    }
    const channel = store.channels.get(store.active);
    const name = channel ? { text: `#${channel.name}`, forum: `#${channel.name}`, thread: channel.name }[channel.kind] ?? `@${channel.name}` : "";
    this.root.hidden = channel?.kind === "forum"; // a forum holds posts alone
    this.text.placeholder = `Message ${name}`;
    this.text.setAttribute("aria-label", `Message ${name}`);
    this.paint();
  }

  key(event) {
    if (this.picker.key(event) || event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === "Escape" && this.replied) {
      this.replyTo(null);
    } else if (event.key === "ArrowUp" && this.text.value === "") {
      event.preventDefault();
      this.context.editLast();
    }
  }

  changed() {
    this.paint();
    this.offer();
    if (!this.text.value.trim() || this.text.value.startsWith("/") || Date.now() - this.typedAt < TYPING_EVERY) return;
    this.typedAt = Date.now();
    this.context.actions.typing();
  }

  /** Draw the mentions behind the transparent text field, which grows with this mirror. */
  paint() {
    const marked = pieces(this.text.value, this.context.store).map(({ text, wire }) =>
      wire ? element("span", { class: "mention" }, text) : text,
    );
    fill(this.mirror, marked, "\u200b");
    const left = LONGEST - [...wireText(this.text.value, this.context.store)].length;
    this.tooLong.textContent = left < 200 ? String(left) : "";
    this.tooLong.classList.toggle("over", left < 0);
  }

  offer() {
    const before = this.text.value.slice(0, this.text.selectionStart);
    const offered = suggestions(before, this.context.store);
    if (!offered) return this.picker.hide();
    return this.picker.show(offered.title, offered.items, (item) => {
      if (item.command) this.openCommand(item.command);
      else this.replaceBefore(offered.from, `${item.insert} `);
    });
  }

  replaceBefore(from, words) {
    this.text.setRangeText(words, from, this.text.selectionStart, "end");
    this.paint();
    this.text.focus();
  }

  insert(words) {
    const gap = /\S$/.test(this.text.value.slice(0, this.text.selectionStart)) ? " " : "";
    this.replaceBefore(this.text.selectionStart, `${gap}${words} `);
  }

  /** Replace the text without sending it. */
  write(words) {
    this.form.close();
    this.closeForm();
    this.text.value = words;
    this.paint();
    this.text.focus();
  }

  openCommand(command) {
    this.text.value = "";
    this.paint();
    this.row.hidden = true;
    this.form.open(command);
  }

  closeForm() {
    this.row.hidden = false;
    this.text.focus();
  }

  replyTo(message) {
    this.replied = message;
    this.replyBar.hidden = !message;
    if (!message) return;
    const cancel = iconButton("Cancel reply", ICONS.close, () => this.replyTo(null));
    fill(this.replyBar, element("span", {}, "Replying to ", element("strong", {}, this.context.person(message.author).name)), cancel);
    this.text.focus();
  }

  async send() {
    const content = wireText(this.text.value.trim(), this.context.store);
    const files = this.tray.files;
    if ((!content && files.length === 0) || [...content].length > LONGEST) return;
    const written = { text: this.text.value, replied: this.replied };
    this.text.value = "";
    this.typedAt = 0;
    this.replyTo(null);
    this.tray.clear();
    this.paint();
    const sent = await this.context.actions.send(content, written.replied?.id, files);
    if (sent || this.text.value) return;
    this.text.value = written.text;
    this.paint();
  }

  focus() {
    this.text.focus();
  }
}
