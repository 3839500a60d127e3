// The websocket to the demo: events, requests with their replies, and reconnection.

const FIRST_WAIT = 300; // milliseconds before the first reconnection
const LONGEST_WAIT = 3000;
const TRIES_BEFORE_ENDED = 5; // the demo runs on this machine, so a running one answers at once

export class Connection {
  /**
   * @param {object} hooks - `onEvent(event)`, `onOpen()`, `onLost()` (reconnecting), `onEnded()` (gave up).
   */
  constructor(hooks) {
    this.hooks = hooks;
    this.waiting = new Map();
    this.count = 0;
    this.failures = 0;
    this.open();
  }

  open() {
    const address = new URL("socket", document.baseURI);
    address.protocol = "ws:";
    this.socket = new WebSocket(address);
    this.socket.addEventListener("open", () => {
      this.failures = 0;
      this.hooks.onOpen();
    });
    this.socket.addEventListener("message", (message) => this.receive(JSON.parse(message.data)));
    this.socket.addEventListener("close", (event) => this.closed(event));
  }

  receive(message) {
    if (message.reply === undefined) {
      this.hooks.onEvent(message);
      return;
    }
    const { resolve, reject } = this.waiting.get(message.reply);
    this.waiting.delete(message.reply);
    if (message.error === undefined) resolve(message.result);
    else reject(new Error(message.error));
  }

  closed(event) {
    for (const { reject } of this.waiting.values()) reject(new Error("The connection to the demo was lost. Try again."));
    this.waiting.clear();
    this.failures += 1;
    const demoEnds = event.code === 1001;
    if (demoEnds || this.failures > TRIES_BEFORE_ENDED) {
      this.hooks.onEnded();
      return;
    }
    this.hooks.onLost();
    setTimeout(() => this.open(), Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.failures - 1)));
  }

  /**
   * Send an action to the demo.
   * @returns {Promise<any>} its result; a refusal rejects with one line for people.
   */
  ask(action, details = {}) {
    if (this.socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Error("Not connected to the demo. Wait until it reconnects."));
    }
    this.count += 1;
    const id = this.count;
    this.socket.send(JSON.stringify({ id, action, ...details }));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }
}
