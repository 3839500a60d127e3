// Builds the page and connects its parts.

import { Actions } from "./actions.js";
import { openBotSettings } from "./bot-settings.js";
import { ChatHead } from "./chat-head.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { element } from "./dom.js";
import { Members } from "./members.js";
import { MessageList } from "./message-list.js";
import { editInPlace } from "./message-tools.js";
import { Rail } from "./rail.js";
import { Sidebar } from "./sidebar.js";
import { Announcer, Banner, Notices, TypingLine } from "./status-line.js";
import { Store } from "./store.js";
import { acceptDrops } from "./upload-tray.js";

const PERSON = "person"; // the key under which the tab remembers its person
const EDITABLE_TYPES = [0, 19]; // a message, a reply
const store = new Store();
const notices = new Notices();
const banner = new Banner();
const actions = new Actions(store, (text) => notices.show(text));

/** What every part of the page may use. */
const context = {
  store,
  actions,
  notice: (text) => notices.show(text),
  person: (author) =>
    store.people.get(author.id) ?? { id: author.id, name: author.global_name ?? author.username, bot: author.bot, color: "" },
  mention: (person) => composer.insert(`@${person.name}`),
  suggest: (words) => composer.write(words),
  replyTo: (message) => composer.replyTo(message),
  focusComposer: () => composer.focus(),
  jumpTo: (messageId) => list.jumpTo(messageId),
  toggle: (name) => document.body.classList.toggle(name),
  openChannel(channelId) {
    document.body.classList.remove("show-sidebar");
    store.open(channelId);
    composer.focus();
  },
  runCommand(name) {
    const command = store.commands.find((known) => known.path.join(" ") === name);
    if (command) composer.openCommand(command);
    else notices.show(`/${name} cannot be used here.`);
  },
  newThread: (message) => openMade(actions.newThread(message)),
  newPost: () => openMade(actions.newPost()),
  newPrivate: () => openMade(actions.newPrivate()),
  openSettings: () => openBotSettings(context),
  editLast() {
    const mine = store.messagesOf(store.active).findLast((message) => message.author.id === store.me && EDITABLE_TYPES.includes(message.type));
    if (mine) editInPlace(list.views.get(mine.id), context);
  },
  become(person) {
    sessionStorage.setItem(PERSON, person.id);
    return actions.ask("become", { person: person.id });
  },
};

/** Open the channel that an action makes. */
async function openMade(action) {
  const id = await action;
  if (!id) return;
  await store.untilChannel(id);
  context.openChannel(id);
}

const sidebar = new Sidebar(context);
const list = new MessageList(context);
const composer = new Composer(context);
const main = element(
  "main",
  { class: "chat" },
  new ChatHead(context).root,
  banner.root,
  list.root,
  composer.root,
  new TypingLine(context).root,
);
document.body.append(
  element("a", { class: "skip", href: "#composer" }, "Skip to the message box"),
  new Rail(context).root,
  sidebar.root,
  element("div", { class: "shade", on: { click: () => document.body.classList.remove("show-sidebar") } }),
  main,
  new Members(context).root,
  notices.root,
  new Announcer(context).root,
);
acceptDrops(main, (files) => composer.tray.add(files));

const HANDLERS = {
  state: (event) => store.reset(event.state),
  channels: (event) => store.setChannels(event.channels, event.servers),
  commands: loadCommands,
  message: (event) => store.putMessage(event.channel, event.message),
  message_delete: (event) => store.removeMessage(event.channel, event.id),
  typing: (event) => store.setTyping(event.channel, event.people),
  interaction: (event) => actions.updateInteraction(event),
  bot: (event) => store.setBot(event.online, event.status),
};

/** The available commands depend on the person and the channel. */
async function loadCommands() {
  const commands = await actions.ask("commands");
  if (commands) store.setCommands(commands);
}
for (const event of ["state", "active"]) store.on(event, loadCommands);

function showBotState() {
  if (store.botOnline) banner.hide();
  else banner.show(`${store.bot.name} is not online yet. It answers as soon as its model is loaded.`);
}
for (const event of ["state", "channels"]) store.on(event, showBotState);

actions.connection = new Connection({
  onEvent: (event) => HANDLERS[event.event](event),
  onOpen: () => actions.ask("become", { person: sessionStorage.getItem(PERSON) }),
  onLost: () => banner.show("Connection lost. Reconnecting…", "warning"),
  onEnded: () => {
    document.body.classList.add("ended");
    banner.show("The demo has ended. Start it again with make demo.", "ended");
  },
});

// As in Discord, typing anywhere writes into the composer.
document.addEventListener("keydown", (event) => {
  const isLetter = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isLetter && !event.target.closest("input, textarea, select, dialog")) composer.focus();
});

store.on("state", () => {
  document.title = `${store.server.name} | Phi demo`;
  if (document.activeElement === document.body) composer.focus();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && store.unread.delete(store.active)) store.announce("channels");
});
