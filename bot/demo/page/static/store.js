// The tab's copy of the loopback Discord. It announces every change.
//
// The events are "state" (everything changed), "channels", "active" (another channel is open), "message"
// ({channel, message}), "removed" ({channel, id}) and "typing" ({channel}).

export const EPHEMERAL = 1 << 6;
export const LOADING = 1 << 7;

const SERVER_KINDS = ["text", "forum"];

export class Store extends EventTarget {
  constructor() {
    super();
    this.me = null;
    this.servers = new Map();
    this.server = { id: "", name: "", has_bot: true }; // the one whose channels the sidebar lists
    this.people = new Map();
    this.channels = new Map();
    this.commands = [];
    this.messageCommands = [];
    this.botOnline = false;
    this.botStatus = { status: "online", text: "" };
    this.messages = new Map();
    this.typing = new Map();
    this.unread = new Map(); // channel id → unread messages that mention me or are DMs; 0 if there are only others
    this.active = null;
  }

  on(event, listener) {
    this.addEventListener(event, (announced) => listener(announced.detail));
  }

  announce(event, detail = {}) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }

  /** Replace everything, after a change of the person or a reconnection. */
  reset(state) {
    if (this.me !== state.me) this.unread.clear();
    this.me = state.me;
    this.setServers(state.servers);
    this.people = byId(state.people);
    this.channels = byId(state.channels);
    this.botOnline = state.bot_online;
    this.botStatus = state.bot_status;
    this.messages = new Map(Object.entries(state.messages));
    this.typing = new Map(Object.entries(state.typing));
    if (!this.channels.has(this.active)) this.active = this.textChannels()[0]?.id ?? null;
    this.announce("state");
  }

  setServers(servers) {
    this.servers = byId(servers);
    this.server = this.servers.get(this.server.id) ?? servers[0];
  }

  /** The text channels and forums of a server; of the shown one without an id. */
  textChannels(serverId = this.server.id) {
    return [...this.channels.values()].filter((channel) => SERVER_KINDS.includes(channel.kind) && channel.server_id === serverId);
  }

  threadsOf(channelId) {
    return [...this.channels.values()].filter((channel) => channel.kind === "thread" && channel.parent_id === channelId);
  }

  /** The DM with the bot, then those with people alone. */
  dmChannels() {
    return [...this.channels.values()].filter((channel) => channel.server_id === null);
  }

  /** Whether the bot is a member of the place that is open. */
  get botIsHere() {
    const channel = this.channels.get(this.active);
    return channel?.kind !== "private" && (this.servers.get(channel?.server_id)?.has_bot ?? true);
  }

  get bot() {
    return [...this.people.values()].find((person) => person.bot);
  }

  messagesOf(channelId) {
    return this.messages.get(channelId) ?? [];
  }

  message(channelId, messageId) {
    return this.messagesOf(channelId).find((message) => message.id === messageId);
  }

  open(channelId) {
    this.active = channelId;
    this.server = this.servers.get(this.channels.get(channelId)?.server_id) ?? this.server;
    this.unread.delete(channelId);
    this.announce("active");
  }

  /** Wait for a channel: the reply to its creation may arrive before its event. */
  untilChannel(channelId) {
    return new Promise((resolve) => {
      const check = () => {
        if (!this.channels.has(channelId)) return;
        this.removeEventListener("channels", check);
        resolve();
      };
      this.addEventListener("channels", check);
      check();
    });
  }

  setChannels(channels, servers) {
    this.channels = byId(channels);
    this.setServers(servers);
    if (!this.channels.has(this.active)) this.open(this.textChannels()[0]?.id ?? null);
    this.announce("channels");
  }

  /** `slash` lists {path, description, options}; `message` lists the names of context-menu commands. */
  setCommands({ slash, message }) {
    this.commands = slash;
    this.messageCommands = message;
  }

  setBot(online, status) {
    this.botOnline = online;
    this.botStatus = status;
    this.announce("channels");
  }

  /** Add a message or replace its older version. */
  putMessage(channelId, message) {
    const list = this.messagesOf(channelId);
    const index = list.findIndex((known) => known.id === message.id);
    if (index >= 0) {
      list[index] = message;
    } else {
      list.push(message);
      this.messages.set(channelId, list);
      this.markUnread(channelId, message);
    }
    this.announce("message", { channel: channelId, message });
  }

  removeMessage(channelId, messageId) {
    this.messages.set(channelId, this.messagesOf(channelId).filter((message) => message.id !== messageId));
    this.announce("removed", { channel: channelId, id: messageId });
  }

  markUnread(channelId, message) {
    const away = channelId !== this.active || document.hidden;
    if (!away || message.author.id === this.me) return;
    const needsAttention = this.channels.get(channelId)?.server_id === null || this.mentionsMe(message);
    this.unread.set(channelId, (this.unread.get(channelId) ?? 0) + (needsAttention ? 1 : 0));
    this.announce("channels");
  }

  mentionsMe(message) {
    return message.mention_everyone || message.mentions.some((person) => person.id === this.me);
  }

  setTyping(channelId, personIds) {
    this.typing.set(channelId, personIds);
    this.announce("typing", { channel: channelId });
  }

  /** The other people who are typing in a channel. */
  typists(channelId) {
    const ids = (this.typing.get(channelId) ?? []).filter((id) => id !== this.me && this.people.has(id));
    return ids.map((id) => this.people.get(id));
  }
}

function byId(things) {
  return new Map(things.map((thing) => [thing.id, thing]));
}
