// Sends a person's actions to the demo. A failed action shows a notice and does not throw.

import { askForm } from "./dialogs.js";
import { askModal } from "./modal.js";
import { wireText } from "./mention-text.js";
import { EPHEMERAL } from "./store.js";
import { encoded } from "./upload-tray.js";

const FAILED = "failed";

export class Actions {
  /** `notice(text)` shows one line. app.js sets `connection` before the first action. */
  constructor(store, notice) {
    this.store = store;
    this.notice = notice;
    this.connection = null;
    this.waiting = new Map(); // interaction id → function to call with its status
    this.early = new Map(); // interaction id → a status that arrived before the id did
  }

  /** @returns {Promise<any>} the result, or undefined if the action failed. */
  async ask(action, details) {
    try {
      return await this.connection.ask(action, { channel: this.store.active, ...details });
    } catch (error) {
      this.notice(error.message);
      return undefined;
    }
  }

  async send(content, replyTo, files) {
    const encodedFiles = await this.encode(files);
    return encodedFiles && this.ask("send", { content, reply_to: replyTo ?? null, files: encodedFiles });
  }

  /** @returns {Promise<object[]|undefined>} the files for the demo, or undefined if one cannot be read. */
  async encode(files) {
    try {
      return await Promise.all(files.map(encoded));
    } catch (error) {
      this.notice(error.message);
      return undefined;
    }
  }

  /** Encode lists of files: [[name, files]] becomes {name: encoded files}. */
  async encodeByName(entries) {
    const encodedLists = await Promise.all(entries.map(([, files]) => this.encode(files)));
    return encodedLists.every(Boolean) ? Object.fromEntries(entries.map(([name], index) => [name, encodedLists[index]])) : undefined;
  }

  edit(message, content) {
    return this.ask("edit", { message: message.id, content });
  }

  typing() {
    return this.ask("typing");
  }

  react(message, emoji) {
    return this.ask("react", { message: message.id, emoji });
  }

  async remove(message) {
    const sure = await askForm({
      title: "Delete Message",
      text: "Are you sure you want to delete this message?",
      submit: "Delete",
      danger: true,
      fields: [],
    });
    if (sure) await this.ask("delete", { message: message.id });
  }

  /** The note of a failed command exists only on this page; the demo holds other ephemeral messages. */
  async dismiss(message) {
    if (message.local) this.store.removeMessage(message.channel_id, message.id);
    else await this.ask("dismiss", { message: message.id });
  }

  async newThread(message) {
    const field = { id: "name", label: "Thread name", placeholder: "New Thread", required: true, max: 100 };
    if (message) field.value = message.content.replace(/<[@#][!&]?\d+>\s*/g, "").slice(0, 40);
    const values = await askForm({ title: "Create Thread", submit: "Create Thread", fields: [field] });
    if (!values) return null;
    return this.ask("create_thread", { name: values.name, message: message?.id ?? null });
  }

  async newPost() {
    const values = await askForm({
      title: "New Post",
      submit: "Post",
      fields: [
        { id: "title", label: "Title", required: true, max: 100 },
        { id: "content", label: "Message", long: true, required: true, max: 2000 },
        { id: "files", kind: "file", label: "Files", most: 10 },
      ],
    });
    const files = values && (await this.encode(values.files));
    if (!files) return undefined;
    return this.ask("create_post", { title: values.title, content: wireText(values.content, this.store), files });
  }

  async newPrivate() {
    const people = [...this.store.people.values()].filter((person) => !person.bot && person.id !== this.store.me);
    const options = people.map((person) => ({ label: person.name, value: person.id }));
    const values = await askForm({
      title: "New direct message",
      text: `${this.store.bot.name} is not in it.`,
      submit: "Open",
      fields: [{ id: "people", kind: "checks", label: "With", options }],
    });
    return values ? this.ask("open_private", { people: values.people }) : undefined;
  }

  click(message, customId) {
    return this.component("click", { message: message.id, custom_id: customId });
  }

  choose(message, customId, values) {
    return this.component("choose", { message: message.id, custom_id: customId, values });
  }

  async component(action, details) {
    const answer = await this.interact(action, details);
    if (answer === FAILED) this.notice("This interaction failed: the application did not respond.");
  }

  async run(command, values, files) {
    const encodedFiles = await this.encodeByName(Object.entries(files).map(([name, file]) => [name, [file]]));
    if (!encodedFiles) return;
    const filesByName = Object.fromEntries(Object.entries(encodedFiles).map(([name, [file]]) => [name, file]));
    const answer = await this.interact("invoke", { path: command.path, options: values, files: filesByName });
    if (answer === FAILED) this.showFailure(command.path.join(" "), 1);
  }

  async runOnMessage(name, message) {
    const answer = await this.interact("invoke_on_message", { name, message: message.id });
    if (answer === FAILED) this.showFailure(name, 3);
  }

  async autocomplete(command, options, focused) {
    return (await this.ask("autocomplete", { path: command.path, options, focused })) ?? [];
  }

  /**
   * Send an interaction and wait for the bot's response. A modal is shown and submitted.
   * @returns {Promise<string|undefined>} the interaction's status, or undefined if the action failed.
   */
  async interact(action, details) {
    const id = await this.ask(action, details);
    if (id === undefined) return undefined;
    const { status, modal } = this.early.get(id) ?? (await new Promise((resolve) => this.waiting.set(id, resolve)));
    this.early.delete(id);
    if (status !== "modal") return status;
    const filled = await askModal(modal, this.store);
    const files = filled && (await this.encodeByName(Object.entries(filled.files)));
    return files ? this.interact("submit_modal", { interaction: id, values: filled.values, files }) : status;
  }

  /** Handle an interaction's new status. */
  updateInteraction({ id, status, modal }) {
    if (status === "sent" || status === "autocomplete") return;
    const resolve = this.waiting.get(id);
    this.waiting.delete(id);
    if (resolve) resolve({ status, modal });
    else this.early.set(id, { status, modal });
  }

  /** `commandType` is Discord's: 1 for a slash command, 3 for one on a message. */
  showFailure(name, commandType) {
    const me = this.store.people.get(this.store.me);
    const { bot } = this.store;
    this.store.putMessage(this.store.active, {
      id: `local-${Date.now()}`,
      local: true,
      channel_id: this.store.active,
      author: bot,
      content: "",
      failure: "The application did not respond",
      timestamp: new Date().toISOString(),
      flags: EPHEMERAL,
      mentions: [],
      attachments: [],
      embeds: [],
      components: [],
      reactions: [],
      interaction_metadata: { name, command_type: commandType, user: me },
    });
  }
}
