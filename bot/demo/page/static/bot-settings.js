// The dialog that says what the bot may do here, and where the application is installed.

import { askForm } from "./dialogs.js";

const RIGHTS = {
  view_channel: "View Channel",
  send_messages: "Send Messages",
  send_messages_in_threads: "Send Messages in Threads",
  create_public_threads: "Create Public Threads",
  attach_files: "Attach Files",
  read_message_history: "Read Message History",
  manage_threads: "Manage Threads",
};

/** Show the settings of the open channel, and change what the person changed. */
export async function openBotSettings({ store, actions }) {
  const now = await actions.ask("bot_settings");
  if (!now) return;
  const channel = store.channels.get(store.active);
  const filled = await askForm({ title: `${store.bot.name}’s settings`, submit: "Save", fields: fields(now, channel, store) });
  if (!filled) return;
  if (filled.installed !== now.installed && !(await done(actions.ask("install_app", { installed: filled.installed })))) return;
  if (now.may_change) await actions.ask("change_bot_settings", changes(filled, now));
}

/** Whether an action succeeded: its result is null then, and undefined if it failed. */
async function done(action) {
  return (await action) !== undefined;
}

function changes(filled, now) {
  return {
    rights: filled.rights && String(filled.rights) !== String(chosen(now.rights)) ? filled.rights : null,
    is_member: now.is_member === null || filled.is_member === now.is_member ? null : filled.is_member,
    message_content: filled.message_content,
    user_install: filled.user_install,
  };
}

function chosen(rights) {
  return rights.filter((right) => right.allowed).map((right) => right.name);
}

function fields(now, channel, store) {
  const { name } = store.bot;
  const own = { id: "installed", kind: "check", label: `Installed to my account`, hint: "Its commands are there for me everywhere.", chosen: now.installed, disabled: !now.user_install };
  if (!now.may_change) return [own, { id: "who", kind: "note", text: `Only ${now.owner}, who owns the server and the bot, can change more.` }];
  const options = now.rights?.map((right) => ({ label: RIGHTS[right.name], value: right.name, chosen: right.allowed }));
  return [
    own,
    now.is_member === null ? null : { id: "is_member", kind: "check", label: `Member of ${store.server.name}`, chosen: now.is_member },
    options ? { id: "rights", kind: "checks", label: `${name}’s rights in ${channel.name}`, options } : null,
    { id: "portal", kind: "note", text: "Developer Portal:" },
    { id: "message_content", kind: "check", label: "Message Content Intent", hint: `A change restarts ${name}.`, chosen: now.message_content },
    { id: "user_install", kind: "check", label: "User Install", hint: "People can add it to their accounts.", chosen: now.user_install },
  ].filter(Boolean);
}
